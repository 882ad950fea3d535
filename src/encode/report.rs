//! The numbers as a structured report: what a PACS can list, trend and dictate from.
//!
//! Comprehensive 3D SR after TID 1500: a measurement group for the liver, one for all tumours with
//! their count (also when it is 0), one for each lesion. A volume is only as fine as a voxel, so no
//! digit is printed that a voxel could not change; where slices are missing the report says that
//! volumes are a lower bound. Everything is unverified and preliminary.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::{
    EncodeError, EncodedObject, SegInput,
    content::{self, As, Concept},
    elements::{Item, SHORT_TEXT, item, parts, printable, reference, sequence, text, uid},
    file,
    identity::Lineage,
    series_module::{self, Kind},
    source::Source,
    source_slices::{self, SourceSlice},
};
use crate::{
    dicom::Uid,
    mask::{Findings, Lesion},
    model::SegmentSpec,
};

/// Everything a report is made from.
pub struct ReportInput<'a> {
    /// What the segmentation was made from.
    pub source: &'a SegInput<'a>,
    pub segmentation: &'a EncodedObject,
    /// Measured on the labels of `source`.
    pub findings: &'a Findings,
    /// What a reader of the numbers should know: gates that warned, what is odd about the geometry.
    pub remarks: &'a [String],
}

const KIND: Kind = Kind {
    modality: "SR",
    series_offset: 2000,
};

/// Makes the report that belongs to a segmentation.
pub fn report(input: &ReportInput<'_>) -> Result<EncodedObject, EncodeError> {
    let made_from = input.source;
    let source = Source::read(made_from.template)?;
    let slices = source_slices::source_slices(made_from.stack, made_from.headers)?;
    let lineage = Lineage::of(made_from, &slices);
    let (sop_instance, series) = (lineage.instance("report"), lineage.series("report"));

    let mut object = Item::new_empty();
    source.copy_patient_and_study(&slices[0].instance.study, &mut object);
    series_module::put(
        &KIND,
        &series,
        "AI measurements, not for diagnosis",
        made_from.revision,
        made_from.now,
        &source,
        &mut object,
    );
    made_from
        .equipment
        .put(&source, &made_from.model, &mut object);
    put_document(&mut object);
    object.put(evidence(input, &slices));
    let tree = Tree {
        input,
        lineage: &lineage,
        source_series: &slices[0].instance.series,
    };
    content::put_root(REPORT, "1500", tree.root(), &mut object);

    let bytes = file::encode(uids::COMPREHENSIVE3_DSR_STORAGE, &sop_instance, object)?;
    Ok(EncodedObject {
        sop_class: file::class(uids::COMPREHENSIVE3_DSR_STORAGE),
        sop_instance,
        series,
        bytes,
    })
}

/// SR Document General (PS3.3 C.17.2): finished by a machine, seen by nobody.
fn put_document(object: &mut Item) {
    for (tag, value) in [
        (tags::COMPLETION_FLAG, "COMPLETE"),
        (tags::VERIFICATION_FLAG, "UNVERIFIED"),
        (tags::PRELIMINARY_FLAG, "PRELIMINARY"),
    ] {
        object.put(text(tag, VR::CS, value));
    }
    // Type 2: no procedure step is known to us.
    for tag in [
        tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
        tags::PERFORMED_PROCEDURE_CODE_SEQUENCE,
    ] {
        object.put(sequence(tag, Vec::new()));
    }
}

/// What the report stands on: the segmentation and the images, all of one study.
fn evidence(
    input: &ReportInput<'_>,
    slices: &[SourceSlice<'_>],
) -> dicom_object::mem::InMemElement {
    let series = |series: &Uid, instances: Vec<Item>| {
        item([
            uid(tags::SERIES_INSTANCE_UID, series),
            sequence(tags::REFERENCED_SOP_SEQUENCE, instances),
        ])
    };
    let seg = input.segmentation;
    let images = source_slices::instances(slices)
        .map(|instance| reference(&instance.sop_class, &instance.sop_instance));
    let first = slices[0].instance;
    let study = item([
        uid(tags::STUDY_INSTANCE_UID, &first.study),
        sequence(
            tags::REFERENCED_SERIES_SEQUENCE,
            vec![
                series(
                    &seg.series,
                    vec![reference(&seg.sop_class, &seg.sop_instance)],
                ),
                series(&first.series, images.collect()),
            ],
        ),
    ]);
    sequence(
        tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
        vec![study],
    )
}

struct Tree<'a> {
    input: &'a ReportInput<'a>,
    lineage: &'a Lineage<'a>,
    source_series: &'a Uid,
}

/// What one measurement group is about.
struct Group<'a> {
    name: String,
    tracking: Uid,
    /// Segment number, from 1.
    segment: u16,
    spec: &'a SegmentSpec,
}

impl Tree<'_> {
    fn root(&self) -> Vec<Item> {
        let english = ("en-US", "RFC5646", "English (United States)");
        let mut root = vec![content::coded(As::HasConceptModifier, LANGUAGE, english)];
        root.extend(self.observer());
        root.push(content::coded(
            As::HasConceptModifier,
            PROCEDURE_REPORTED,
            ("25045-6", "LN", "CT unspecified body region"),
        ));
        root.push(content::container(MEASUREMENTS, None, self.groups()));
        root
    }

    /// TID 1004: this box.
    fn observer(&self) -> Vec<Item> {
        let equipment = self.input.source.equipment;
        let context = As::HasObservationContext;
        let mut observer = vec![
            content::coded(context, OBSERVER_TYPE, ("121007", "DCM", "Device")),
            content::identified(context, DEVICE_UID, &equipment.device_uid()),
        ];
        for (name, words) in [
            (DEVICE_NAME, &equipment.model_name),
            (DEVICE_MANUFACTURER, &equipment.manufacturer),
            (DEVICE_MODEL, &equipment.model_name),
            (DEVICE_SERIAL, &equipment.serial_number),
        ] {
            let words = printable(words, SHORT_TEXT);
            if !words.is_empty() {
                observer.push(content::worded(context, name, &words));
            }
        }
        observer
    }

    /// The organ, its tumours together, then each lesion, largest first.
    fn groups(&self) -> Vec<Item> {
        let findings = self.input.findings;
        let numbered = (1_u16..).zip(self.input.source.segments);
        let segments: Vec<Group<'_>> = numbered
            .map(|(segment, spec)| Group {
                name: spec.label.clone(),
                tracking: self.lineage.tracking(&spec.label),
                segment,
                spec,
            })
            .collect();
        let mut groups = Vec::new();
        for group in &segments {
            let is_organ = group.spec.label_value == crate::model::ORGAN;
            let mut measured = Vec::new();
            if is_organ {
                measured.extend(self.volumes(findings.liver_ml));
                measured.extend(self.remarks().iter().map(|remark| comment(remark)));
            } else {
                let count = findings.lesions.len().to_string();
                measured.push(content::measured(NUMBER_OF_LESIONS, &count, NO_UNITS));
                measured.extend(self.volumes(findings.tumour_ml));
            }
            groups.push(self.group(group, measured));
        }
        let lesions = (1..).zip(&findings.lesions);
        groups.extend(lesions.filter_map(|(number, lesion)| {
            let whole = segments
                .iter()
                .find(|group| group.spec.label_value == lesion.segment)?;
            Some(self.lesion(number, lesion, whole))
        }));
        groups
    }

    /// Numbered by size. Followed under a UID of this result alone: with one more slice another
    /// lesion may be the second largest, and must not be taken for this one.
    fn lesion(&self, number: usize, lesion: &Lesion, whole: &Group<'_>) -> Item {
        let group = Group {
            name: format!("{} {number}", whole.name),
            tracking: self.lineage.instance(&format!("lesion {number}")),
            ..*whole
        };
        let [_, between_rows, between_columns] = self.input.source.stack.geometry.spacing_mm();
        let pixel_mm = between_rows.min(between_columns);
        let [x, y, z] = lesion.centroid_lps;
        let [first, last] = lesion.slices;
        let place = format!(
            "Centre at x {x:.1}, y {y:.1}, z {z:.1} mm (patient coordinates, LPS), \
             in slices {} to {} of {} along the normal",
            first + 1,
            last + 1,
            self.input.source.stack.order.len()
        );
        let mut measured = self.volumes(lesion.volume_ml);
        measured.push(content::measured(
            LONG_AXIS,
            &rounded(lesion.longest_axial_mm, pixel_mm),
            MILLIMETRES,
        ));
        measured.push(comment(&place));
        self.group(&group, measured)
    }

    /// TID 1411: measurements of one segment.
    fn group(&self, group: &Group<'_>, measured: Vec<Item>) -> Item {
        let SegInput { model, .. } = self.input.source;
        let (spec, seg) = (group.spec, self.input.segmentation);
        let context = As::HasObservationContext;
        let site = spec.anatomic_region.as_ref().unwrap_or(&spec.property_type);
        let mut items = vec![
            content::worded(
                context,
                TRACKING_IDENTIFIER,
                &printable(&group.name, SHORT_TEXT),
            ),
            content::identified(context, TRACKING_UID, &group.tracking),
            content::coded(As::Contains, FINDING_CATEGORY, parts(&spec.category)),
            content::coded(As::Contains, FINDING, parts(&spec.property_type)),
            content::coded(As::HasConceptModifier, FINDING_SITE, parts(site)),
            content::segment(
                REFERENCED_SEGMENT,
                &seg.sop_class,
                &seg.sop_instance,
                group.segment,
            ),
            content::identified(As::Contains, SOURCE_SERIES, self.source_series),
        ];
        for (name, words) in [
            (ALGORITHM_NAME, model.name),
            (ALGORITHM_VERSION, model.version),
            (ALGORITHM_PARAMETERS, model.digest),
        ] {
            let words = printable(words, SHORT_TEXT);
            items.push(content::worded(As::HasConceptModifier, name, &words));
        }
        items.extend(measured);
        content::container(MEASUREMENT_GROUP, Some("1411"), items)
    }

    /// A volume in mm3, as UCUM prefers, and in cm3, as radiologists think.
    fn volumes(&self, ml: f64) -> Vec<Item> {
        let voxel_ml = self.input.source.stack.geometry.voxel_ml(0);
        let cubic_mm = rounded(ml * 1000.0, voxel_ml * 1000.0);
        vec![
            content::measured(VOLUME, &cubic_mm, CUBIC_MILLIMETRES),
            content::measured(VOLUME, &rounded(ml, voxel_ml), CUBIC_CENTIMETRES),
        ]
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![
            "Drawn and measured by AI, not verified by a physician, not for diagnosis".to_owned(),
            "The volume of the organ is without its lesions".to_owned(),
        ];
        if !self.input.findings.complete {
            remarks
                .push("Slices are missing or left out: every volume is a lower bound".to_owned());
        }
        remarks.extend(self.input.remarks.iter().cloned());
        remarks
    }
}

fn comment(words: &str) -> Item {
    content::worded(As::Contains, COMMENT, &printable(words, SHORT_TEXT))
}

/// The digits of `value` that one `step` (a voxel, a pixel) can change.
fn rounded(value: f64, step: f64) -> String {
    let digits = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

const REPORT: Concept<'_> = ("126000", "DCM", "Imaging Measurement Report");
const LANGUAGE: Concept<'_> = ("121049", "DCM", "Language of Content Item and Descendants");
const OBSERVER_TYPE: Concept<'_> = ("121005", "DCM", "Observer Type");
const DEVICE_UID: Concept<'_> = ("121012", "DCM", "Device Observer UID");
const DEVICE_NAME: Concept<'_> = ("121013", "DCM", "Device Observer Name");
const DEVICE_MANUFACTURER: Concept<'_> = ("121014", "DCM", "Device Observer Manufacturer");
const DEVICE_MODEL: Concept<'_> = ("121015", "DCM", "Device Observer Model Name");
const DEVICE_SERIAL: Concept<'_> = ("121016", "DCM", "Device Observer Serial Number");
const PROCEDURE_REPORTED: Concept<'_> = ("121058", "DCM", "Procedure reported");
const MEASUREMENTS: Concept<'_> = ("126010", "DCM", "Imaging Measurements");
const MEASUREMENT_GROUP: Concept<'_> = ("125007", "DCM", "Measurement Group");
const TRACKING_IDENTIFIER: Concept<'_> = ("112039", "DCM", "Tracking Identifier");
const TRACKING_UID: Concept<'_> = ("112040", "DCM", "Tracking Unique Identifier");
const FINDING_CATEGORY: Concept<'_> = ("276214006", "SCT", "Finding category");
const FINDING: Concept<'_> = ("121071", "DCM", "Finding");
const FINDING_SITE: Concept<'_> = ("363698007", "SCT", "Finding Site");
const REFERENCED_SEGMENT: Concept<'_> = ("121191", "DCM", "Referenced Segment");
const SOURCE_SERIES: Concept<'_> = ("121232", "DCM", "Source series for segmentation");
const ALGORITHM_NAME: Concept<'_> = ("111001", "DCM", "Algorithm Name");
const ALGORITHM_VERSION: Concept<'_> = ("111003", "DCM", "Algorithm Version");
const ALGORITHM_PARAMETERS: Concept<'_> = ("111002", "DCM", "Algorithm Parameters");
const COMMENT: Concept<'_> = ("121106", "DCM", "Comment");
const VOLUME: Concept<'_> = ("118565006", "SCT", "Volume");
const LONG_AXIS: Concept<'_> = ("103339001", "SCT", "Long axis");
const NUMBER_OF_LESIONS: Concept<'_> = ("246206008", "SCT", "Number of lesions");
const CUBIC_MILLIMETRES: Concept<'_> = ("mm3", "UCUM", "cubic millimeter");
const CUBIC_CENTIMETRES: Concept<'_> = ("cm3", "UCUM", "cubic centimeter");
const MILLIMETRES: Concept<'_> = ("mm", "UCUM", "mm");
const NO_UNITS: Concept<'_> = ("1", "UCUM", "no units");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_printed_that_a_voxel_cannot_change() {
        assert_eq!(rounded(1234.567, 1.2), "1235");
        assert_eq!(rounded(1.234_567, 0.001_2), "1.235");
        assert_eq!(rounded(23.456, 0.7), "23.5");
        assert_eq!(rounded(0.0, 0.7), "0.0");
        assert_eq!(rounded(1234.567, 12.0), "1235");
    }
}
