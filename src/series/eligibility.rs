//! Which series are ours, with the reason in words where one is not.
//!
//! The reason is shown to a technician: it says what the images are, never which rule fired.

use super::{FrameHeader, InstanceHeader};
use crate::dicom::{Plane, sop_class};

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
            .any(|word| value.split('_').any(|part| part == *word))
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
    let dot = |[a, b, c]: [f64; 3], [d, e, f]: [f64; 3]| a * d + b * e + c * f;
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
    let ([a, b, _], [d, e, _]) = (plane.row_cosines, plane.column_cosines);
    (a * e - b * d).abs().min(1.0).acos().to_degrees()
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
