//! Which series are ours, with the reason in words where one is not.
//!
//! The reason is shown to a technician: it says what the images are, never which rule fired.

use super::{FrameHeader, InstanceHeader};
use crate::dicom::{
    Plane, sop_class,
    vector::{cross, dot},
};

/// Whether an instance or a series can be segmented.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Eligibility {
    Eligible,
    /// Nothing speaks against it yet.
    NotYet,
    Ignored {
        reason: String,
    },
}

impl Eligibility {
    fn ignored(reason: impl Into<String>) -> Self {
        Self::Ignored {
            reason: reason.into(),
        }
    }
}

/// What one instance allows to be said. An eligible instance is an axial CT slice (or holds some),
/// and worth encoding as it arrives; whether its series is a volume only [`judge`] can say.
#[must_use]
pub fn eligibility(header: &InstanceHeader) -> Eligibility {
    if !header.is_ct_image() {
        return Eligibility::ignored(format!(
            "not CT images: {}",
            sop_class::name(&header.sop_class)
        ));
    }
    if let Some(reason) = not_a_measurement(header) {
        return Eligibility::ignored(reason);
    }
    let mut reason = None;
    for frame in &header.frames {
        match not_a_slice(header, frame) {
            None => return Eligibility::Eligible,
            Some(why) => reason = reason.or(Some(why)),
        }
    }
    Eligibility::ignored(reason.unwrap_or_else(|| "no frames".to_owned()))
}

/// What a series allows to be said, from those of its instances that have arrived.
///
/// [`Eligibility::NotYet`] means too few slices so far; at the end of a series it means too few, and
/// [`too_few`] says so.
#[must_use]
pub fn judge(headers: &[InstanceHeader]) -> Eligibility {
    let mut reason = None;
    let mut positions = Vec::new();
    for header in headers {
        match eligibility(header) {
            Eligibility::Eligible => positions.extend(slice_positions(header)),
            Eligibility::Ignored { reason: why } => reason = reason.or(Some(why)),
            Eligibility::NotYet => {}
        }
    }
    if positions.is_empty() {
        return reason.map_or(Eligibility::NotYet, Eligibility::ignored);
    }
    if distinct(positions) < MIN_POSITIONS {
        return Eligibility::NotYet;
    }
    Eligibility::Eligible
}

/// The reason for a series that ended while it was [`Eligibility::NotYet`].
#[must_use]
pub fn too_few(headers: &[InstanceHeader]) -> String {
    let positions: Vec<f64> = headers.iter().flat_map(slice_positions).collect();
    let images = positions.len();
    match distinct(positions) {
        1 if images > 1 => format!("{images} images at one position (bolus tracking?)"),
        1 => "a single slice".to_owned(),
        count => format!("too few slices: {count}"),
    }
}

/// Whether a frame is an axial CT slice in Hounsfield units, with a place in the patient.
#[must_use]
pub fn is_slice(header: &InstanceHeader, frame: &FrameHeader) -> bool {
    header.is_ct_image()
        && not_a_measurement(header).is_none()
        && not_a_slice(header, frame).is_none()
}

/// Two slices have one distance and cannot show that a third is missing.
const MIN_POSITIONS: usize = 3;

/// Beyond this angle a slice is nearer to a coronal or sagittal one.
const MAX_ANGLE_DEGREES: f64 = 45.0;

fn not_a_measurement(header: &InstanceHeader) -> Option<String> {
    if header.modality != "CT" && !header.modality.is_empty() {
        return Some(format!("modality {}, not CT", header.modality));
    }
    let format = &header.pixels;
    if format.samples_per_pixel != 1 || !format.photometric_interpretation.starts_with("MONOCHROME")
    {
        return Some(format!(
            "colour images ({})",
            format.photometric_interpretation
        ));
    }
    None
}

fn not_a_slice(header: &InstanceHeader, frame: &FrameHeader) -> Option<String> {
    let image_type = if frame.frame_type.is_empty() {
        &header.image_type
    } else {
        &frame.frame_type
    };
    if let Some(reason) = not_acquired(image_type, header.lossy) {
        return Some(reason);
    }
    let Some(plane) = &frame.plane else {
        return Some("images without position, orientation or pixel spacing".to_owned());
    };
    if !is_proper(plane) {
        return Some("images with an impossible orientation or pixel spacing".to_owned());
    }
    let angle = angle_to_axial_degrees(plane);
    if angle > MAX_ANGLE_DEGREES {
        return Some(format!("not axial: slices lie at {angle:.0} degrees"));
    }
    match (&frame.rescale, frame.rescale_type.as_deref()) {
        (None, _) => Some("no rescale to Hounsfield units".to_owned()),
        (Some(rescale), _) if rescale.slope == 0.0 => Some("a rescale slope of zero".to_owned()),
        // US is "unspecified"; some writers put it for what are Hounsfield units.
        (_, None | Some("HU" | "US" | "HU_MOD")) => None,
        (_, Some(unit)) => Some(format!("values in {unit}, not in Hounsfield units")),
    }
}

/// ImageType: value 1 pixel data, value 2 patient examination, value 3 CT (PS3.3 C.7.6.1.1.2,
/// C.8.2.1.1.1); vendors add more.
fn not_acquired(image_type: &[String], lossy: bool) -> Option<String> {
    let has = |word: &str| image_type.iter().any(|value| value == word);
    if has("LOCALIZER") || has("SCOUT") || has("TOPOGRAM") {
        return Some("localizer".to_owned());
    }
    let reformat = image_type.iter().find(|value| {
        REFORMATS
            .iter()
            .any(|word| value.split(['_', ' ']).any(|part| part == *word))
    });
    if let Some(reformat) = reformat {
        return Some(format!("reformatted images ({reformat})"));
    }
    let derived = image_type.first().is_some_and(|value| value == "DERIVED");
    let secondary = image_type.get(1).is_some_and(|value| value == "SECONDARY");
    match (derived, secondary) {
        (_, true) => Some("secondary images, not acquired from the patient".to_owned()),
        // A lossy copy of an acquired image has to call itself derived (PS3.3 C.7.6.1.1.5).
        (true, false) if !lossy => Some("derived images, not acquired from the patient".to_owned()),
        _ => None,
    }
}

const REFORMATS: [&str; 13] = [
    "MPR",
    "MIP",
    "MINIP",
    "AVERAGE",
    "CPR",
    "CURVED",
    "REFORMATTED",
    "RENDERING",
    "3D",
    "VRT",
    "SSD",
    "VOLREN",
    "PERFUSION",
];

/// Unit vectors at right angles, a sane pixel spacing, a position inside a scanner room.
fn is_proper(plane: &Plane) -> bool {
    let (row, column) = (plane.row_cosines, plane.column_cosines);
    (dot(row, row) - 1.0).abs() < COSINE_TOLERANCE
        && (dot(column, column) - 1.0).abs() < COSINE_TOLERANCE
        && dot(row, column).abs() < COSINE_TOLERANCE
        && plane.pixel_spacing.iter().all(|mm| SPACING_MM.contains(mm))
        && plane.position.iter().all(|mm| mm.abs() < FARTHEST_MM)
}

/// Cosines are often written with four digits.
const COSINE_TOLERANCE: f64 = 1e-3;
const SPACING_MM: std::ops::Range<f64> = 0.01..20.0;
const FARTHEST_MM: f64 = 1e5;

fn angle_to_axial_degrees(plane: &Plane) -> f64 {
    let [.., z] = cross(plane.row_cosines, plane.column_cosines);
    z.abs().min(1.0).acos().to_degrees()
}

/// Where the slices of an instance lie between feet and head, millimetres.
fn slice_positions(header: &InstanceHeader) -> impl Iterator<Item = f64> + '_ {
    header
        .frames
        .iter()
        .filter(|frame| is_slice(header, frame))
        .filter_map(|frame| frame.plane)
        .map(|plane| plane.position[2])
}

fn distinct(mut positions: Vec<f64>) -> usize {
    positions.sort_by(f64::total_cmp);
    positions.dedup_by(|a, b| (*a - *b).abs() < 0.02);
    positions.len()
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;
    use dicom_dictionary_std::{tags, uids};

    use super::*;
    use crate::series::sample::{Sample, at_z, series};

    fn verdict(sample: Sample) -> Eligibility {
        eligibility(&InstanceHeader::read(&sample.file()).unwrap())
    }

    fn reason(sample: Sample) -> String {
        match verdict(sample) {
            Eligibility::Ignored { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    fn of_type(image_type: &str) -> Sample {
        Sample::slice(1).with(tags::IMAGE_TYPE, VR::CS, image_type)
    }

    #[test]
    fn acquired_axial_slices_are_eligible_whatever_vendors_add() {
        for image_type in [
            "ORIGINAL\\PRIMARY\\AXIAL",
            "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI",
            "ORIGINAL\\PRIMARY",
            "ORIGINAL\\PRIMARY\\AXIAL\\HELIX",
        ] {
            assert_eq!(
                verdict(of_type(image_type)),
                Eligibility::Eligible,
                "{image_type}"
            );
        }
        let lossy_copy =
            of_type("DERIVED\\PRIMARY\\AXIAL").with(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        assert_eq!(verdict(lossy_copy), Eligibility::Eligible);
        let untyped = Sample::slice(1).without(tags::IMAGE_TYPE);
        assert_eq!(verdict(untyped), Eligibility::Eligible);
    }

    #[test]
    fn what_is_no_axial_ct_slice_is_ignored_in_words() {
        assert_eq!(reason(of_type("ORIGINAL\\PRIMARY\\LOCALIZER")), "localizer");
        assert_eq!(
            reason(of_type("DERIVED\\SECONDARY\\MPR")),
            "reformatted images (MPR)"
        );
        assert_eq!(
            reason(of_type("DERIVED\\PRIMARY\\AXIAL\\CT_SOM5 MIP")),
            "reformatted images (CT_SOM5 MIP)"
        );
        assert_eq!(
            reason(of_type("DERIVED\\PRIMARY\\AXIAL")),
            "derived images, not acquired from the patient"
        );
        assert_eq!(
            reason(of_type("ORIGINAL\\SECONDARY\\AXIAL")),
            "secondary images, not acquired from the patient"
        );
        let slice = || Sample::slice(1);
        assert_eq!(
            reason(slice().with(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\0\\-1")),
            "not axial: slices lie at 90 degrees"
        );
        assert_eq!(
            reason(slice().with(tags::MODALITY, VR::CS, "PT")),
            "modality PT, not CT"
        );
        assert_eq!(
            reason(
                slice()
                    .with(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
                    .with(tags::SAMPLES_PER_PIXEL, VR::US, 3_u16)
            ),
            "colour images (RGB)"
        );
        assert_eq!(
            reason(slice().without(tags::IMAGE_POSITION_PATIENT)),
            "images without position, orientation or pixel spacing"
        );
        assert_eq!(
            reason(slice().with(tags::PIXEL_SPACING, VR::DS, "0\\0")),
            "images with an impossible orientation or pixel spacing"
        );
        assert_eq!(
            reason(slice().without(tags::RESCALE_SLOPE)),
            "no rescale to Hounsfield units"
        );
        assert_eq!(
            reason(slice().with(tags::RESCALE_TYPE, VR::LO, "Z_EFF")),
            "values in Z_EFF, not in Hounsfield units"
        );
        let report = slice().with(
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::X_RAY_RADIATION_DOSE_SR_STORAGE,
        );
        assert_eq!(
            reason(report),
            "not CT images: X-Ray Radiation Dose SR Storage"
        );
    }

    #[test]
    fn a_tilted_gantry_and_an_oblique_scan_are_axial() {
        let (sin, cos) = 30_f64.to_radians().sin_cos();
        let tilted = format!("1\\0\\0\\0\\{cos}\\{sin}");
        let sample = Sample::slice(1).with(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, tilted);
        assert_eq!(verdict(sample), Eligibility::Eligible);
    }

    #[test]
    fn a_series_needs_three_positions() {
        assert_eq!(judge(&[]), Eligibility::NotYet);
        assert_eq!(judge(&at_z([0.0, 5.0])), Eligibility::NotYet);
        assert_eq!(judge(&at_z([0.0, 5.0, 10.0])), Eligibility::Eligible);
        assert_eq!(too_few(&at_z([0.0, 5.0])), "too few slices: 2");
        assert_eq!(too_few(&at_z([3.0])), "a single slice");
        let monitoring = at_z([3.0; 12]);
        assert_eq!(judge(&monitoring), Eligibility::NotYet);
        assert_eq!(
            too_few(&monitoring),
            "12 images at one position (bolus tracking?)"
        );
    }

    #[test]
    fn a_series_of_nothing_but_localizers_is_ignored_as_such() {
        let localizers = series((0..3).map(|number| {
            Sample::slice(number).with(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER")
        }));
        assert_eq!(judge(&localizers), Eligibility::ignored("localizer"));
    }
}
