//! Where each frame lies and which source frame it was drawn on (PS3.3 C.7.6.16, C.8.20.3).
//!
//! Viewers find the image under a mask by different roads: the reference in the frame, the list of
//! referenced series, or the position. All are written, and all say the same.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemElement;

use super::{
    elements::{Item, code, decimal, item, longs, reference, sequence, shorts, text, uid},
    frames::Frame,
    source_slices::{self, SourceSlice},
};
use crate::dicom::{PlaneText, Uid, codes};

/// The Multi-frame Dimension module: frames are found by segment, then by position.
pub(super) fn put_dimensions(organization: &Uid, object: &mut Item) {
    let by = |pointer: Tag, group: Tag, label: &str| {
        item([
            tag_value(tags::DIMENSION_INDEX_POINTER, pointer),
            tag_value(tags::FUNCTIONAL_GROUP_POINTER, group),
            uid(tags::DIMENSION_ORGANIZATION_UID, organization),
            text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
        ])
    };
    object.put(sequence(
        tags::DIMENSION_ORGANIZATION_SEQUENCE,
        vec![item([uid(tags::DIMENSION_ORGANIZATION_UID, organization)])],
    ));
    object.put(sequence(
        tags::DIMENSION_INDEX_SEQUENCE,
        vec![
            by(
                tags::REFERENCED_SEGMENT_NUMBER,
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                "Segment Number",
            ),
            by(
                tags::IMAGE_POSITION_PATIENT,
                tags::PLANE_POSITION_SEQUENCE,
                "Image Position",
            ),
        ],
    ));
}

/// What holds for every frame. `spacing_mm` is the distance between slices along the normal.
pub(super) fn shared(slice: &SourceSlice<'_>, spacing_mm: f64) -> InMemElement {
    let (plane, written) = (slice.plane, &slice.frame.plane_text);
    let thickness = written
        .slice_thickness
        .as_deref()
        .filter(|text| is_legal(text) && slice.frame.slice_thickness_mm > Some(0.0))
        .map_or_else(|| decimal(spacing_mm), str::to_owned);
    let cosines = [plane.row_cosines, plane.column_cosines].concat();
    let orientation = item([text(
        tags::IMAGE_ORIENTATION_PATIENT,
        VR::DS,
        &as_written(&written.orientation, &cosines),
    )]);
    let measures = item([
        text(
            tags::PIXEL_SPACING,
            VR::DS,
            &as_written(&written.pixel_spacing, &plane.pixel_spacing),
        ),
        text(tags::SLICE_THICKNESS, VR::DS, &thickness),
        text(tags::SPACING_BETWEEN_SLICES, VR::DS, &decimal(spacing_mm)),
    ]);
    let groups = item([
        sequence(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]),
        sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]),
    ]);
    sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![groups])
}

/// One item a frame; `ranks` as [`super::frames::ranks`] gives them.
pub(super) fn per_frame(
    frames: &[Frame],
    ranks: &[u32],
    slices: &[SourceSlice<'_>],
) -> InMemElement {
    let derivations: Vec<InMemElement> = slices.iter().map(derivation).collect();
    let items = frames.iter().map(|frame| {
        let slice = &slices[frame.slice];
        let PlaneText { position, .. } = &slice.frame.plane_text;
        let segment = frame.segment as u16 + 1;
        item([
            derivations[frame.slice].clone(),
            sequence(
                tags::FRAME_CONTENT_SEQUENCE,
                vec![item([longs(
                    tags::DIMENSION_INDEX_VALUES,
                    &[u32::from(segment), ranks[frame.slice]],
                )])],
            ),
            sequence(
                tags::PLANE_POSITION_SEQUENCE,
                vec![item([text(
                    tags::IMAGE_POSITION_PATIENT,
                    VR::DS,
                    &as_written(position, &slice.plane.position),
                )])],
            ),
            sequence(
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                vec![item([shorts(tags::REFERENCED_SEGMENT_NUMBER, &[segment])])],
            ),
        ])
    });
    sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, items.collect())
}

/// The one source frame a frame was drawn on.
fn derivation(slice: &SourceSlice<'_>) -> InMemElement {
    let mut source = reference(&slice.instance.sop_class, &slice.instance.sop_instance);
    if let Some(number) = slice.frame_number {
        let number = number.to_string();
        source.put(text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &number));
    }
    source.put(text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES"));
    source.put(code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        codes::SOURCE_IMAGE,
    ));
    let derivation = item([
        sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![source]),
        code(tags::DERIVATION_CODE_SEQUENCE, codes::SEGMENTATION),
    ]);
    sequence(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation])
}

/// The Common Instance Reference module, and the source images of the General Reference module:
/// every instance that has a slice in the stack, once, in the stack's order.
pub(super) fn put_references(slices: &[SourceSlice<'_>], source_series: &Uid, object: &mut Item) {
    let instances: Vec<Item> = source_slices::instances(slices)
        .map(|instance| reference(&instance.sop_class, &instance.sop_instance))
        .collect();
    let images = instances.iter().cloned().map(|mut image| {
        image.put(code(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            codes::SOURCE_IMAGE,
        ));
        image
    });
    object.put(sequence(tags::SOURCE_IMAGE_SEQUENCE, images.collect()));
    let series = item([
        uid(tags::SERIES_INSTANCE_UID, source_series),
        sequence(tags::REFERENCED_INSTANCE_SEQUENCE, instances),
    ]);
    object.put(sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series]));
}

fn tag_value(tag: Tag, value: Tag) -> InMemElement {
    DataElement::new(tag, VR::AT, PrimitiveValue::from(value))
}

/// The sender's own digits, unless they break the standard and would make our object break it too.
fn as_written(written: &str, values: &[f64]) -> String {
    if written.split('\\').all(is_legal) {
        return written.to_owned();
    }
    let values: Vec<String> = values.iter().copied().map(decimal).collect();
    values.join("\\")
}

/// A decimal string as PS3.5 §6.2 allows it.
fn is_legal(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | 'e' | 'E' | '.' | ' ');
    (1..=16).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_senders_unless_they_are_too_many() {
        let spacing = [0.75, 0.75];
        assert_eq!(as_written("0.750\\.75", &spacing), "0.750\\.75");
        let endless = "0.7500000000000000\\0.7500000000000000";
        assert_eq!(as_written(endless, &spacing), "0.75\\0.75");
        assert_eq!(as_written("", &spacing), "0.75\\0.75");
    }
}
