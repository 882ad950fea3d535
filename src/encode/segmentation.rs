//! DICOM SEG: one bit a voxel for each segment, on the grid of the source.
//!
//! Segmentation Storage, BINARY, uncompressed: what every viewer reads (PS3.3 A.51, C.8.20).
//! Segments do not overlap: a tumour voxel is not a liver voxel.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::{
    EncodeError, EncodedObject, Model, SegInput,
    elements::{Item, LONG_STRING, printable, sequence, shorts, text, uid},
    file,
    frames::{self, Frame},
    functional_groups,
    identity::Lineage,
    packing, segments,
    series_module::{self, Kind},
    source::Source,
    source_slices::{self, SourceSlice},
};
use crate::{mask::Labels, series::InstanceHeader};

const KIND: Kind = Kind {
    modality: "SEG",
    series_offset: 1000,
};

/// Makes the segmentation object of one series: also when there is no tumour, no liver, nothing.
pub fn segmentation(input: &SegInput<'_>) -> Result<EncodedObject, EncodeError> {
    let source = Source::read(input.template)?;
    let slices = source_slices::source_slices(input.stack, input.headers)?;
    let (rows, columns) = check_labels(input.labels, &slices)?;
    let first = &slices[0];
    let lineage = Lineage::of(input, &slices);
    let (sop_instance, series) = (
        lineage.instance("segmentation"),
        lineage.series("segmentation"),
    );

    let values: Vec<u8> = input.segments.iter().map(|spec| spec.label_value).collect();
    let frames = frames::plan(input.labels, &values);
    let ranks = frames::ranks(&frames, slices.len());

    let mut object = Item::new_empty();
    source.copy_patient_and_study(&first.instance.study, &mut object);
    put_frame_of_reference(first.instance, &source, &lineage, &mut object);
    series_module::put(
        &KIND,
        &series,
        &describe(input),
        input.revision,
        input.now,
        &source,
        &mut object,
    );
    input.equipment.put(&source, &input.model, &mut object);
    source.copy(&[tags::BODY_PART_EXAMINED], &mut object);
    put_image(&frames, rows, columns, &mut object);
    put_lossiness(input.headers, &source, &mut object);
    put_content(&input.model, &mut object);
    object.put(sequence(
        tags::SEGMENT_SEQUENCE,
        segments::items(
            input.segments,
            &input.model,
            input.configuration_digest,
            &lineage,
        ),
    ));
    functional_groups::put_dimensions(&lineage.instance("dimension organization"), &mut object);
    functional_groups::put_references(&slices, &first.instance.series, &mut object);
    let [spacing_mm, _, _] = input.stack.geometry.spacing_mm();
    object.put(functional_groups::shared(first, spacing_mm));
    object.put(functional_groups::per_frame(&frames, &ranks, &slices));

    let head = file::encode(uids::SEGMENTATION_STORAGE, &sop_instance, object)?;
    let bytes = with_packed_frames(&head, &frames, &values, input.labels, rows * columns)?;
    Ok(EncodedObject {
        sop_class: file::class(uids::SEGMENTATION_STORAGE),
        sop_instance,
        series,
        bytes,
    })
}

/// One slice of labels for each source frame, each as large as its image. Rows and columns.
fn check_labels(
    labels: &Labels,
    slices: &[SourceSlice<'_>],
) -> Result<(usize, usize), EncodeError> {
    if labels.slices.len() != slices.len() {
        return Err(EncodeError::SliceCount {
            slices: labels.slices.len(),
            frames: slices.len(),
        });
    }
    let image = slices[0].instance;
    let expected = (usize::from(image.rows), usize::from(image.columns));
    let wrong = labels
        .slices
        .iter()
        .position(|slice| slice.dim() != expected);
    match wrong {
        Some(slice) => Err(EncodeError::SliceSize {
            slice,
            found: labels.slices[slice].dim(),
            expected,
        }),
        None => Ok(expected),
    }
}

/// The source's, or, for the rare source without one, a frame of reference of its own.
fn put_frame_of_reference(
    image: &InstanceHeader,
    source: &Source,
    lineage: &Lineage<'_>,
    object: &mut Item,
) {
    let own = || lineage.tracking("frame of reference");
    let sent = image.frame_of_reference.clone().unwrap_or_else(own);
    object.put(uid(tags::FRAME_OF_REFERENCE_UID, &sent));
    object.put(text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, ""));
    source.copy(&[tags::POSITION_REFERENCE_INDICATOR], object);
}

/// General Image, Image Pixel, Multi-frame, and the encoding part of Segmentation Image.
fn put_image(frames: &[Frame], rows: usize, columns: usize, object: &mut Item) {
    for (tag, vr, value) in [
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY"),
        (tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
        (tags::SEGMENTS_OVERLAP, VR::CS, "NO"),
        (tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string()),
    ] {
        object.put(text(tag, vr, value));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows as u16),
        (tags::COLUMNS, columns as u16),
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(shorts(tag, &[value]));
    }
}

/// Once lossy, always lossy: said of the pixels the mask was drawn on. Ratio and method are
/// repeated if they are there; sources leave them out.
fn put_lossiness(headers: &[InstanceHeader], source: &Source, object: &mut Item) {
    let lossy = headers.iter().any(|header| header.lossy);
    let flag = if lossy { "01" } else { "00" };
    object.put(text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, flag));
    if lossy {
        let how = [
            tags::LOSSY_IMAGE_COMPRESSION_RATIO,
            tags::LOSSY_IMAGE_COMPRESSION_METHOD,
        ];
        source.copy(&how, object);
    }
}

/// What a person reads in a list of objects.
fn put_content(model: &Model<'_>, object: &mut Item) {
    let description = format!("Not for diagnosis. AI {} {}", model.name, model.version);
    for (tag, vr, value) in [
        (tags::CONTENT_LABEL, VR::CS, "AI SEGMENTATION"),
        (
            tags::CONTENT_DESCRIPTION,
            VR::LO,
            &printable(&description, LONG_STRING),
        ),
        (tags::CONTENT_CREATOR_NAME, VR::PN, "Hepar^AI"),
        (tags::CONTENT_QUALIFICATION, VR::CS, "RESEARCH"),
    ] {
        object.put(text(tag, vr, value));
    }
}

fn describe(input: &SegInput<'_>) -> String {
    let labels: Vec<&str> = input
        .segments
        .iter()
        .map(|spec| spec.label.as_str())
        .collect();
    format!("AI, not for diagnosis: {}", labels.join(", "))
}

fn with_packed_frames(
    head: &[u8],
    frames: &[Frame],
    values: &[u8],
    labels: &Labels,
    voxels: usize,
) -> Result<Vec<u8>, EncodeError> {
    let length = packing::packed_len(frames.len() as u64 * voxels as u64);
    // FFFFFFFF means undefined, and lengths are even.
    let fitting = u32::try_from(length)
        .ok()
        .filter(|length| *length < u32::MAX);
    let fitting = fitting.ok_or(EncodeError::TooLarge { bytes: length })?;
    let (mut bytes, begin) = file::with_pixel_data(head, fitting);
    let bits = &mut bytes[begin..];
    for (at, frame) in frames.iter().enumerate() {
        let slice = &labels.slices[frame.slice];
        let (_, columns) = slice.dim();
        for (row, column, stretch) in slice.stretches() {
            let first_bit = at * voxels + row * columns + column;
            packing::pack(stretch, values[frame.segment], bits, first_bit);
        }
    }
    Ok(bytes)
}
