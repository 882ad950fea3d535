//! The phantom as a scanner would send it: one CT Image Storage instance per slice.
//!
//! Every type 1 and type 2 attribute of the CT Image IOD (PS3.3 A.3) is there. The patient is
//! named PHANTOM and has no birth date, sex or history; identifiers derive from the specification.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::{
    Phantom,
    scanner::outside_field,
    spec::{Encoding, Honesty, PhantomSpec, Phase, Region, Stored},
};
use crate::dicom::{
    IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Plane, Remedy, Uid,
    transfer_syntax::EXPLICIT_VR_BIG_ENDIAN,
};

/// One slice as a DICOM file.
#[derive(Clone, Debug)]
pub struct Instance {
    pub sop_instance: Uid,
    /// Part 10 file: preamble, meta information, data set.
    pub file: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("could not encode slice {slice} of the phantom")]
pub struct EncodeError {
    slice: usize,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl EncodeError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The series, in the order in which the scanner acquired it.
pub fn instances(phantom: &Phantom, spec: &PhantomSpec) -> Result<Vec<Instance>, EncodeError> {
    let identity = Identity::of(spec);
    // Head first, the scanner starts at the head.
    let mut order: Vec<usize> = (0..phantom.planes.len()).collect();
    let z = |slice: &usize| phantom.planes[*slice].position[2];
    order.sort_by(|a, b| z(a).total_cmp(&z(b)));
    if spec.patient_position.head_first() {
        order.reverse();
    }
    order
        .into_iter()
        .enumerate()
        .map(|(place, slice)| {
            instance(phantom, spec, &identity, slice, place + 1)
                .map_err(|source| EncodeError { slice, source })
        })
        .collect()
}

struct Identity {
    study: Uid,
    series: Uid,
    frame_of_reference: Uid,
    text: String,
}

impl Identity {
    fn of(spec: &PhantomSpec) -> Self {
        let text = serde_json::to_string(spec).expect("a specification has only plain fields");
        Self {
            study: Uid::derived("phantom study", &[&text]),
            series: Uid::derived("phantom series", &[&text]),
            frame_of_reference: Uid::derived("phantom frame of reference", &[&text]),
            text,
        }
    }
}

fn instance(
    phantom: &Phantom,
    spec: &PhantomSpec,
    identity: &Identity,
    slice: usize,
    number: usize,
) -> Result<Instance, Box<dyn std::error::Error + Send + Sync>> {
    let plane = &phantom.planes[slice];
    let sop_instance = Uid::derived("phantom instance", &[&identity.text, &number.to_string()]);
    let mut set = Attributes(InMemDicomObject::new_empty());
    set.text(tags::SOP_INSTANCE_UID, VR::UI, sop_instance.as_str());
    identification(&mut set, spec, identity, number);
    acquisition(&mut set, spec);
    position(&mut set, spec, plane);
    pixels(&mut set, phantom, spec, slice);
    let file = set.0.with_meta(
        FileMetaTableBuilder::new()
            .transfer_syntax(transfer_syntax(spec.encoding))
            .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
            .implementation_version_name(IMPLEMENTATION_VERSION_NAME),
    )?;
    let mut bytes = Vec::with_capacity(spec.rows * spec.columns * 2 + 4096);
    file.write_all(&mut bytes)?;
    Ok(Instance {
        sop_instance,
        file: bytes,
    })
}

/// Patient, study, series, frame of reference and equipment.
fn identification(set: &mut Attributes, spec: &PhantomSpec, identity: &Identity, number: usize) {
    let description = format!("PHANTOM {:?} {:?}", spec.region, spec.phase).to_uppercase();
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::STUDY_DATE, VR::DA, DATE),
        (tags::SERIES_DATE, VR::DA, DATE),
        (tags::ACQUISITION_DATE, VR::DA, DATE),
        (tags::CONTENT_DATE, VR::DA, DATE),
        (tags::STUDY_TIME, VR::TM, TIME),
        (tags::SERIES_TIME, VR::TM, TIME),
        (tags::ACQUISITION_TIME, VR::TM, TIME),
        (tags::CONTENT_TIME, VR::TM, TIME),
        (tags::ACCESSION_NUMBER, VR::SH, ""),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::MANUFACTURER, VR::LO, "Hepar phantom"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "PHANTOM"),
        (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
        (tags::STUDY_DESCRIPTION, VR::LO, "PHANTOM"),
        (tags::SERIES_DESCRIPTION, VR::LO, &description),
        (tags::PATIENT_NAME, VR::PN, "PHANTOM^HEPAR"),
        (tags::PATIENT_ID, VR::LO, &format!("PHANTOM-{}", spec.seed)),
        (tags::PATIENT_BIRTH_DATE, VR::DA, ""),
        (tags::PATIENT_SEX, VR::CS, ""),
        (tags::STUDY_INSTANCE_UID, VR::UI, identity.study.as_str()),
        (tags::SERIES_INSTANCE_UID, VR::UI, identity.series.as_str()),
        (tags::STUDY_ID, VR::SH, "PHANTOM"),
        (tags::SERIES_NUMBER, VR::IS, "2"),
        (tags::ACQUISITION_NUMBER, VR::IS, "1"),
        (tags::INSTANCE_NUMBER, VR::IS, &number.to_string()),
        (
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            identity.frame_of_reference.as_str(),
        ),
        (tags::POSITION_REFERENCE_INDICATOR, VR::LO, ""),
        (tags::PATIENT_POSITION, VR::CS, spec.patient_position.term()),
        (
            tags::IMAGE_COMMENTS,
            VR::LT,
            "PHANTOM: synthetic, not a patient",
        ),
    ] {
        set.text(tag, vr, value);
    }
    set.texts(tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", "AXIAL"]);
}

fn acquisition(set: &mut Attributes, spec: &PhantomSpec) {
    if spec.phase != Phase::Native {
        set.text(tags::CONTRAST_BOLUS_AGENT, VR::LO, "PHANTOM");
    }
    let part = match spec.region {
        Region::Abdomen => "ABDOMEN",
        Region::Head => "HEAD",
        Region::Chest => "CHEST",
        Region::Pelvis => "PELVIS",
        Region::Limb => "LEG",
        Region::Cylinder => "",
    };
    set.text(tags::BODY_PART_EXAMINED, VR::CS, part);
    match spec.region {
        Region::Limb => set.text(tags::IMAGE_LATERALITY, VR::CS, "B"),
        Region::Cylinder => set.text(tags::IMAGE_LATERALITY, VR::CS, "U"),
        _ => {}
    }
    set.text(tags::KVP, VR::DS, "120");
    set.decimals(tags::SLICE_THICKNESS, &[spec.slice_thickness]);
    set.text(tags::CONVOLUTION_KERNEL, VR::SH, "SOFT");
}

fn position(set: &mut Attributes, spec: &PhantomSpec, plane: &Plane) {
    let [a, b, c] = plane.row_cosines;
    let [d, e, f] = plane.column_cosines;
    set.decimals(tags::IMAGE_POSITION_PATIENT, &plane.position);
    set.decimals(tags::IMAGE_ORIENTATION_PATIENT, &[a, b, c, d, e, f]);
    set.decimals(tags::PIXEL_SPACING, &plane.pixel_spacing);
    set.decimals(tags::SLICE_LOCATION, &[plane.position[2]]);
    set.decimals(tags::GANTRY_DETECTOR_TILT, &[spec.inclination]);
}

fn pixels(set: &mut Attributes, phantom: &Phantom, spec: &PhantomSpec, slice: usize) {
    let rescale = &spec.rescale;
    let (representation, value_vr) = match rescale.stored {
        Stored::Unsigned => (0, VR::US),
        Stored::Signed => (1, VR::SS),
    };
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, spec.rows as u16),
        (tags::COLUMNS, spec.columns as u16),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, representation),
    ] {
        set.0
            .put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    set.decimals(tags::WINDOW_CENTER, &[60.0]);
    set.decimals(tags::WINDOW_WIDTH, &[360.0]);
    let declared = match rescale.honesty {
        Honesty::Declared => rescale.intercept,
        Honesty::InterceptLost => 0.0,
    };
    set.decimals(tags::RESCALE_INTERCEPT, &[declared]);
    set.decimals(tags::RESCALE_SLOPE, &[rescale.slope]);
    set.text(tags::RESCALE_TYPE, VR::LO, "HU");
    // Two's complement: the low 16 bits are right whether signed or not.
    let bits = |stored: i32| (stored & 0xffff) as u16;
    if let Some(padding) = rescale.padding {
        let value = match rescale.stored {
            Stored::Unsigned => PrimitiveValue::from(bits(padding)),
            Stored::Signed => PrimitiveValue::from(bits(padding).cast_signed()),
        };
        let tag = tags::PIXEL_PADDING_VALUE;
        set.0.put(DataElement::new(tag, value_vr, value));
    }
    let size = [spec.rows, spec.columns];
    let spacing = phantom.planes[slice].pixel_spacing;
    let stored: Vec<u16> = phantom
        .volume
        .index_axis(ndarray::Axis(0), slice)
        .indexed_iter()
        .map(|((row, column), hu)| match rescale.padding {
            Some(padding) if outside_field(row, column, size, spacing) => bits(padding),
            _ => {
                let exact = (f64::from(*hu) - rescale.intercept) / rescale.slope;
                bits(exact.round() as i32)
            }
        })
        .collect();
    set.0.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(stored.into()),
    ));
}

/// A data set being filled.
struct Attributes(InMemDicomObject);

impl Attributes {
    fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        let value = if value.is_empty() {
            PrimitiveValue::Empty
        } else {
            PrimitiveValue::from(value)
        };
        self.0.put(DataElement::new(tag, vr, value));
    }

    fn texts(&mut self, tag: Tag, vr: VR, values: &[&str]) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.0
            .put(DataElement::new(tag, vr, PrimitiveValue::Strs(values)));
    }

    fn decimals(&mut self, tag: Tag, values: &[f64]) {
        // Shortest text that reads back equal; at most 16 characters for what a phantom holds.
        let values = values.iter().map(f64::to_string).collect();
        self.0
            .put(DataElement::new(tag, VR::DS, PrimitiveValue::Strs(values)));
    }
}

fn transfer_syntax(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::ExplicitLittleEndian => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Encoding::ImplicitLittleEndian => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        Encoding::ExplicitBigEndian => EXPLICIT_VR_BIG_ENDIAN,
        Encoding::Deflated => uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    }
}

/// Phantoms are made on no day in particular; a fixed one keeps them the same for ever.
const DATE: &str = "20200101";
const TIME: &str = "120000";

#[cfg(test)]
mod tests {
    use dicom_object::from_reader;

    use super::*;
    use crate::phantom::{Orientation, PatientPosition, Rescale, Stacking, synthesise};

    fn spec() -> PhantomSpec {
        PhantomSpec {
            region: Region::Cylinder,
            tumours: Vec::new(),
            slices: 3,
            rows: 13,
            columns: 10,
            ..PhantomSpec::default()
        }
    }

    /// HU and plane of the first instance, read back.
    fn read_back(spec: &PhantomSpec) -> (Vec<i16>, Plane, Phantom) {
        let phantom = synthesise(spec).unwrap();
        let all = instances(&phantom, spec).unwrap();
        let object = from_reader(all[0].file.as_slice()).unwrap();
        let floats = |tag| object.element(tag).unwrap().to_multi_float64().unwrap();
        let [slope] = floats(tags::RESCALE_SLOPE)[..] else {
            panic!("one slope");
        };
        let [intercept] = floats(tags::RESCALE_INTERCEPT)[..] else {
            panic!("one intercept");
        };
        let pixels = object.element(tags::PIXEL_DATA).unwrap();
        let hu = pixels
            .to_multi_int::<u16>()
            .unwrap()
            .into_iter()
            .map(|bits| {
                let stored = match spec.rescale.stored {
                    Stored::Unsigned => f64::from(bits),
                    Stored::Signed => f64::from(bits.cast_signed()),
                };
                (stored * slope + intercept).round() as i16
            })
            .collect();
        let triple = |values: &[f64]| [values[0], values[1], values[2]];
        let cosines = floats(tags::IMAGE_ORIENTATION_PATIENT);
        let spacing = floats(tags::PIXEL_SPACING);
        let plane = Plane {
            position: triple(&floats(tags::IMAGE_POSITION_PATIENT)),
            row_cosines: triple(&cosines[..3]),
            column_cosines: triple(&cosines[3..]),
            pixel_spacing: [spacing[0], spacing[1]],
        };
        (hu, plane, phantom)
    }

    #[test]
    fn what_is_read_back_is_what_was_scanned_in_every_encoding() {
        for encoding in [
            Encoding::ExplicitLittleEndian,
            Encoding::ImplicitLittleEndian,
            Encoding::ExplicitBigEndian,
            Encoding::Deflated,
        ] {
            for stored in [Stored::Unsigned, Stored::Signed] {
                let spec = PhantomSpec {
                    encoding,
                    orientation: Orientation::Pr,
                    inclination: 12.5,
                    rescale: Rescale {
                        stored,
                        ..Rescale::default()
                    },
                    ..spec()
                };
                let (hu, plane, phantom) = read_back(&spec);
                let same_plane = phantom.planes.iter().position(|other| *other == plane);
                let slice = same_plane.expect("the plane survives as text");
                let scanned = phantom.volume.index_axis(ndarray::Axis(0), slice);
                assert!(hu.iter().eq(scanned.iter()), "{encoding:?} {stored:?}");
            }
        }
    }

    #[test]
    fn head_first_starts_at_the_head_and_feet_first_at_the_feet() {
        for (patient_position, first_is_highest) in
            [(PatientPosition::Hfs, true), (PatientPosition::Ffs, false)]
        {
            let spec = PhantomSpec {
                patient_position,
                ..spec()
            };
            let (_, first, phantom) = read_back(&spec);
            let highest = phantom
                .planes
                .iter()
                .all(|plane| plane.position[2] <= first.position[2]);
            assert_eq!(highest, first_is_highest, "{patient_position:?}");
        }
    }

    #[test]
    fn decimal_strings_fit_their_sixteen_characters() {
        for inclination in [0.0, 7.3, -29.99] {
            for stacking in [Stacking::AlongTable, Stacking::AlongNormal] {
                let spec = PhantomSpec {
                    inclination,
                    stacking,
                    slice_spacing: 1.0 / 3.0,
                    ..spec()
                };
                let phantom = synthesise(&spec).unwrap();
                for plane in &phantom.planes {
                    let numbers = plane
                        .position
                        .iter()
                        .chain(&plane.row_cosines)
                        .chain(&plane.column_cosines)
                        .chain(&plane.pixel_spacing);
                    for number in numbers {
                        assert!(number.to_string().len() <= 16, "{number}");
                    }
                }
            }
        }
    }

    #[test]
    fn padding_surrounds_the_round_field_and_an_intercept_can_be_lost() {
        let mut spec = spec();
        spec.rescale.stored = Stored::Signed;
        spec.rescale.padding = Some(-2000);
        let (hu, _, phantom) = read_back(&spec);
        assert_eq!(hu[0], -2000 - 1024);
        assert_eq!(phantom.volume[[0, 0, 0]], -1024);
        spec.rescale.padding = None;
        spec.rescale.honesty = Honesty::InterceptLost;
        let (hu, ..) = read_back(&spec);
        assert!(
            hu.iter().all(|value| *value > -200),
            "air at 0 reads as water"
        );
    }

    #[test]
    fn identifiers_follow_the_specification() {
        let uid = |seed| {
            let spec = PhantomSpec { seed, ..spec() };
            let phantom = synthesise(&spec).unwrap();
            instances(&phantom, &spec).unwrap().remove(0).sop_instance
        };
        assert_eq!(uid(4), uid(4));
        assert_ne!(uid(4), uid(5));
    }
}
