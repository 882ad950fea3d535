//! A picture for viewers that draw no segmentation: one slice with the contours burnt in, as a
//! Secondary Capture (PS3.3 A.8.1, C.8.6).
//!
//! It is the one result that anybody can look at without knowing what it is, so what it is stands in
//! the pixels: a band below the slice says that software drew it, which model, and that it is not
//! for diagnosis. The band hides nothing of the slice.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::{
    EncodeError, EncodedObject, SegInput,
    caption::{self, caption},
    elements::{Item, SHORT_TEXT, code, item, printable, reference, sequence, shorts, text, uid},
    file,
    identity::Lineage,
    preview::contoured,
    series_module::{self, Kind},
    source::Source,
    source_slices::{self, SourceSlice},
};
use crate::{dicom::codes, volume::HuSlice};

/// Everything a picture is made from.
pub struct CaptureInput<'a> {
    /// What the segmentation was made from.
    pub source: &'a SegInput<'a>,
    /// Which slice of its stack is shown.
    pub shown: usize,
    /// That slice.
    pub slice: &'a HuSlice,
}

const KIND: Kind = Kind {
    modality: "OT",
    series_offset: 3000,
};

/// Makes the picture that belongs to a segmentation.
pub fn capture(input: &CaptureInput<'_>) -> Result<EncodedObject, EncodeError> {
    let made_from = input.source;
    let source = Source::read(made_from.template)?;
    let slices = source_slices::source_slices(made_from.stack, made_from.headers)?;
    let lineage = Lineage::of(made_from, &slices);
    let (sop_instance, series) = (lineage.instance("preview"), lineage.series("preview"));
    let shown = slices.get(input.shown).ok_or(EncodeError::NoSlices)?;

    let mut object = Item::new_empty();
    source.copy_patient_and_study(&shown.instance.study, &mut object);
    series_module::put(
        &KIND,
        &series,
        "AI picture, not for diagnosis",
        made_from.revision,
        made_from.now,
        &source,
        &mut object,
    );
    made_from
        .equipment
        .put(&source, &made_from.model, &mut object);
    put_description(made_from, shown, &mut object);
    let (rows, pixels) = pixels(input)?;
    put_image(rows, input.slice.columns, &mut object);
    let [_, vertical, horizontal] = made_from.stack.geometry.spacing_mm();
    if let Some(ratio) = aspect_ratio(vertical, horizontal) {
        object.put(text(tags::PIXEL_ASPECT_RATIO, VR::IS, &ratio));
    }

    let head = file::encode(uids::SECONDARY_CAPTURE_IMAGE_STORAGE, &sop_instance, object)?;
    let length = pixels.len().next_multiple_of(2);
    let fitting = u32::try_from(length).map_err(|_| EncodeError::TooLarge {
        bytes: length as u64,
    })?;
    let (mut bytes, begin) = file::with_pixel_data(&head, fitting);
    bytes[begin..begin + pixels.len()].copy_from_slice(&pixels);
    Ok(EncodedObject {
        sop_class: file::class(uids::SECONDARY_CAPTURE_IMAGE_STORAGE),
        sop_instance,
        series,
        bytes,
    })
}

/// What it is, and which slice it shows.
fn put_description(made_from: &SegInput<'_>, shown: &SourceSlice<'_>, object: &mut Item) {
    let words = format!(
        "One slice with contours drawn by AI {} {}; not verified by a physician, not for diagnosis",
        made_from.model.name, made_from.model.version
    );
    for (tag, vr, value) in [
        (tags::CONVERSION_TYPE, VR::CS, "WSD"),
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY"),
        // There is a picture only where a liver was found. Whatever the scanner calls the region,
        // an organ that is not one of a pair needs no Laterality (PS3.3 C.7.3.1).
        (tags::BODY_PART_EXAMINED, VR::CS, "LIVER"),
        // Nothing in the pixels says whose they are (PS3.3 C.7.6.1).
        (tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
        // Type 2; the slice may lie as the scanner liked.
        (tags::PATIENT_ORIENTATION, VR::CS, ""),
        (
            tags::DERIVATION_DESCRIPTION,
            VR::ST,
            &printable(&words, SHORT_TEXT),
        ),
    ] {
        object.put(text(tag, vr, value));
    }
    let instance = shown.instance;
    let mut slice = reference(&instance.sop_class, &instance.sop_instance);
    if let Some(frame) = shown.frame_number {
        let frame = frame.to_string();
        slice.put(text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame));
    }
    slice.put(code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        codes::SOURCE_IMAGE,
    ));
    object.put(sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![slice]));
    object.put(sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        vec![item([
            uid(tags::SERIES_INSTANCE_UID, &instance.series),
            sequence(
                tags::REFERENCED_INSTANCE_SEQUENCE,
                vec![reference(&instance.sop_class, &instance.sop_instance)],
            ),
        ])],
    ));
}

/// RGB, eight bits a sample, pixel by pixel.
fn put_image(rows: usize, columns: usize, object: &mut Item) {
    object.put(text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB"));
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 3),
        (tags::PLANAR_CONFIGURATION, 0),
        (tags::ROWS, rows as u16),
        (tags::COLUMNS, columns as u16),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(shorts(tag, &[value]));
    }
}

/// How tall a pixel is to how wide, in the smallest whole numbers that say it; `None` if it is square, which
/// nobody needs to be told (PS3.3 C.7.6.3.1.7).
fn aspect_ratio(vertical: f64, horizontal: f64) -> Option<String> {
    let ratio = vertical / horizontal;
    let tall = |wide: u32| (ratio * f64::from(wide)).round().max(1.0) as u32;
    let is_close = |wide: &u32| {
        let said = f64::from(tall(*wide)) / f64::from(*wide);
        (said / ratio - 1.0).abs() < ASPECT_TOLERANCE
    };
    let wide = (1..FINEST_ASPECT).find(is_close).unwrap_or(FINEST_ASPECT);
    (tall(wide) != wide).then(|| format!("{}\\{wide}", tall(wide)))
}

/// A tenth of a pixel over a slice.
const ASPECT_TOLERANCE: f64 = 1e-4;
const FINEST_ASPECT: u32 = 1000;

/// The slice with its contours, and the band below; rows in all.
fn pixels(input: &CaptureInput<'_>) -> Result<(usize, Vec<u8>), EncodeError> {
    let slice = input.slice;
    let labels = input.source.labels.slices.get(input.shown);
    let labels = labels.ok_or(EncodeError::NoSlices)?;
    let (found, expected) = (labels.dim(), (slice.rows, slice.columns));
    if found != expected {
        return Err(EncodeError::SliceSize {
            slice: input.shown,
            found,
            expected,
        });
    }
    let model = format!("{} {}", input.source.model.name, input.source.model.version);
    let lines = ["AI, NOT FOR DIAGNOSIS", &model];
    let rows = slice.rows + caption::rows(lines.len(), slice.columns);
    // The largest slice is 65535 rows, and so would be the picture without its band.
    if u16::try_from(rows).is_err() {
        return Err(EncodeError::TooLarge {
            bytes: (rows * slice.columns * 3) as u64,
        });
    }
    let mut pixels = contoured(slice, &labels.whole());
    let band = caption(&lines, slice.columns);
    pixels.extend(band.into_iter().flat_map(|grey| [grey; 3]));
    Ok((rows, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_are_not_square_say_so_in_small_numbers() {
        assert_eq!(aspect_ratio(0.8, 0.7).as_deref(), Some("8\\7"));
        assert_eq!(aspect_ratio(0.5, 1.0).as_deref(), Some("1\\2"));
        assert_eq!(aspect_ratio(1.25, 1.0).as_deref(), Some("5\\4"));
        assert_eq!(aspect_ratio(0.7, 0.7), None);
        assert_eq!(aspect_ratio(0.703_12, 0.703_13), None);
    }
}
