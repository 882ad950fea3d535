//! The objects we make, attribute by attribute, read off real ones.

use std::collections::BTreeSet;

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry},
};
use dicom_dictionary_std::StandardDataDictionary;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use ndarray::Axis;

use super::{ConformanceError, table::Table};
use crate::{
    appliance::CONFIGURATION_DIGEST,
    encode::{self, COPIED, CaptureInput, EncodedObject, Equipment, ReportInput, SegInput},
    mask::{self, Labels},
    model::Bundle,
    phantom::{self, PhantomSpec},
    series::InstanceHeader,
    volume::{self, FrameSource},
};

pub(super) fn definitions() -> Result<String, ConformanceError> {
    let examples = Examples::new(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC))?;
    let segmentation = attributes(&examples.segmentation, &examples.image)?;
    let report = attributes(&examples.report, &examples.image)?;
    let picture = attributes(&examples.picture, &examples.image)?;
    let repeated: Vec<String> = COPIED.iter().map(|tag| named(*tag)).collect();
    Ok(format!(
        "## 8. Objects

The tables list what stands at the top level of an object made from a synthetic CT series. \"Source\"
says that the value repeats the image's; a value that the image lacks is then missing or empty.

### 8.1 Segmentation

Segmentation IOD (PS3.3 A.51), BINARY, uncompressed, Explicit VR Little Endian. One segment for the
liver and one for its tumours, which do not overlap; a frame for each slice of a segment's extent, on
the grid and in the frame of reference of the source, with the source image referenced frame by
frame. It is sent also when nothing was found. SOP and series instance UIDs are computed from the
source instances, the model and the program: the same series sent again gives the same object. A
slice that comes late gives another instance, in the same series, with a higher instance number.

{segmentation}
### 8.2 Measurement report

Comprehensive 3D SR IOD after TID 1500 (PS3.16), with a TID 1411 group for the liver, for all tumours
together and for each lesion. It is sent to destinations that are configured to get reports.

{report}
### 8.3 Picture

Secondary Capture Image IOD (PS3.3 A.8.1): the slice with most tumour, or most liver where there is
none, with the outlines burnt in and a band below it that names the model and says that the picture
is not for diagnosis. It is sent to destinations that are configured to get previews; where nothing
was found there is none.

{picture}
### 8.4 Attributes repeated from the source

Where the source has them: {repeated}.
",
        repeated = repeated.join(", "),
    ))
}

/// A segmentation, a report and a picture of a patient who does not exist, made `now`.
pub fn examples(now: &Zoned) -> Result<[EncodedObject; 3], ConformanceError> {
    let examples = Examples::new(now)?;
    Ok([examples.segmentation, examples.report, examples.picture])
}

/// One object of each kind, of a patient who does not exist.
struct Examples {
    /// A Part 10 file that they were made from.
    image: Vec<u8>,
    segmentation: EncodedObject,
    report: EncodedObject,
    picture: EncodedObject,
}

impl Examples {
    fn new(now: &Zoned) -> Result<Self, ConformanceError> {
        let spec = PhantomSpec {
            slices: 12,
            rows: 64,
            columns: 64,
            slice_spacing: 12.0,
            slice_thickness: 12.0,
            ..PhantomSpec::default()
        };
        let phantom = phantom::synthesise(&spec)?;
        let instances = phantom::instances(&phantom, &spec)?;
        let headers = instances
            .iter()
            .map(|instance| InstanceHeader::read(&instance.file))
            .collect::<Result<Vec<_>, _>>()?;
        let stack = volume::arrange(&headers)?;
        // The truth stands in for what a network would find.
        let truth = phantom.truth.axis_iter(Axis(0));
        let labels: Labels = truth.map(|slice| slice.to_owned()).collect();
        let seen = [0..stack.geometry.rows(), 0..stack.geometry.columns()];
        let findings = mask::measure(&labels, &stack, &seen);
        let manifest = Bundle::embedded()?.manifest;
        let equipment = Equipment {
            manufacturer: "Hepar".to_owned(),
            model_name: "Hepar".to_owned(),
            serial_number: "0".to_owned(),
            software_versions: vec![env!("CARGO_PKG_VERSION").to_owned()],
        };
        let source = SegInput {
            template: instances.last().map_or(&[], |last| &last.file),
            headers: &headers,
            stack: &stack,
            labels: &labels,
            segments: &manifest.segments,
            equipment: &equipment,
            model: encode::Model {
                name: &manifest.name,
                version: &manifest.version,
                digest: "",
            },
            configuration_digest: CONFIGURATION_DIGEST,
            revision: 1,
            now,
        };
        let segmentation = encode::segmentation(&source)?;
        let report = encode::report(&ReportInput {
            source: &source,
            segmentation: &segmentation,
            findings: &findings,
            remarks: &[],
        })?;
        let shown = encode::slice_to_show(&labels.slices).unwrap_or_default();
        let (instance, header) = (&instances[shown], &headers[shown]);
        let picture = encode::capture(&CaptureInput {
            source: &source,
            shown,
            slice: &FrameSource::open(&instance.file, header)?.frame(0)?,
        })?;
        Ok(Self {
            image: source.template.to_vec(),
            segmentation,
            report,
            picture,
        })
    }
}

fn attributes(object: &EncodedObject, image: &[u8]) -> Result<Table<4>, ConformanceError> {
    let copied: BTreeSet<Tag> = COPIED.into_iter().collect();
    let read = |file| dicom_object::from_reader::<&[u8]>(file);
    let (object, image) = (read(&object.bytes)?, read(image)?);
    let rows = object.iter().map(|element| {
        let tag = element.header().tag;
        // The pixels' description is our own, even where both say MONOCHROME2.
        let same = tag.group() != PIXEL_DESCRIPTION && image.get(tag) == Some(element);
        let value = match element.vr() {
            _ if same || copied.contains(&tag) => "source".to_owned(),
            VR::CS => format!("`{}`", element.to_str().unwrap_or_default().trim()),
            VR::SQ => "items".to_owned(),
            _ => "generated".to_owned(),
        };
        let vr = element.vr().to_string().to_owned();
        [tag.to_string(), named(tag), vr, value]
    });
    Ok(Table::new(["Tag", "Attribute", "VR", "Value"]).rows(rows))
}

const PIXEL_DESCRIPTION: u16 = 0x0028;

fn named(tag: Tag) -> String {
    StandardDataDictionary
        .by_tag(tag)
        .map_or_else(|| tag.to_string(), |entry| entry.alias().to_owned())
}
