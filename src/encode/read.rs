//! Reads a BINARY segmentation back, ours or another maker's, to compare masks bit for bit.

#![deny(clippy::indexing_slicing)]

use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::dicom::{Remedy, Uid};

/// The frames of one DICOM SEG instance.
#[derive(Debug)]
pub struct Segmentation {
    pub sop_instance: Uid,
    pub rows: usize,
    pub columns: usize,
    pub frames: Vec<SegmentFrame>,
}

/// One segment's mask in one plane.
#[derive(Debug)]
pub struct SegmentFrame {
    /// SegmentNumber, from 1.
    pub segment: u16,
    /// ImagePositionPatient: LPS, millimetres.
    pub position: [f64; 3],
    /// Row-major, `rows * columns` long.
    pub mask: Vec<bool>,
}

/// Why an object cannot be read as a BINARY segmentation.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("not a readable DICOM file")]
    File(#[from] Box<dicom_object::ReadError>),
    #[error("not a segmentation but SOP class {0}")]
    SopClass(String),
    #[error("{0} is missing or not of its type")]
    Attribute(&'static str),
    #[error("pixel data holds {have} bytes, {need} are needed")]
    TooShort { have: usize, need: usize },
}

impl ReadError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Resend
    }
}

impl Segmentation {
    /// Parses a Part 10 file. PS3.3 C.8.20, C.7.6.16.
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        let object = dicom_object::from_reader(file).map_err(Box::new)?;
        let sop_class = text(&object, tags::SOP_CLASS_UID, "SOPClassUID")?;
        if sop_class != uids::SEGMENTATION_STORAGE {
            return Err(ReadError::SopClass(sop_class));
        }
        let sop_instance = text(&object, tags::SOP_INSTANCE_UID, "SOPInstanceUID")?;
        let sop_instance =
            Uid::parse(&sop_instance).map_err(|_| ReadError::Attribute("SOPInstanceUID"))?;
        let rows = usize::from(number(&object, tags::ROWS, "Rows")?);
        let columns = usize::from(number(&object, tags::COLUMNS, "Columns")?);
        let items = items(
            &object,
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            "PerFrameFunctionalGroupsSequence",
        )?;
        let pixels = object
            .element(tags::PIXEL_DATA)
            .ok()
            .and_then(|element| element.to_bytes().ok())
            .ok_or(ReadError::Attribute("PixelData"))?;
        let frame_bits = rows * columns;
        let need = (items.len() * frame_bits).div_ceil(8);
        if pixels.len() < need {
            let have = pixels.len();
            return Err(ReadError::TooShort { have, need });
        }
        // PS3.5 8.1.1: bits follow each other across frames, the first in the lowest bit.
        let bit = |at: usize| {
            pixels
                .get(at / 8)
                .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
        };
        let mut frames = Vec::with_capacity(items.len());
        for (frame, item) in items.iter().enumerate() {
            let identification = first_item(
                item,
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                "SegmentIdentificationSequence",
            )?;
            let plane = first_item(item, tags::PLANE_POSITION_SEQUENCE, "PlanePositionSequence")?;
            frames.push(SegmentFrame {
                segment: number(
                    identification,
                    tags::REFERENCED_SEGMENT_NUMBER,
                    "ReferencedSegmentNumber",
                )?,
                position: position(plane)?,
                mask: (frame * frame_bits..(frame + 1) * frame_bits)
                    .map(bit)
                    .collect(),
            });
        }
        Ok(Self {
            sop_instance,
            rows,
            columns,
            frames,
        })
    }
}

fn text(
    object: &InMemDicomObject,
    tag: dicom_core::Tag,
    name: &'static str,
) -> Result<String, ReadError> {
    let element = object
        .element(tag)
        .map_err(|_| ReadError::Attribute(name))?;
    let text = element.to_str().map_err(|_| ReadError::Attribute(name))?;
    Ok(text.trim_end_matches(['\0', ' ']).to_owned())
}

fn number(
    object: &InMemDicomObject,
    tag: dicom_core::Tag,
    name: &'static str,
) -> Result<u16, ReadError> {
    let element = object
        .element(tag)
        .map_err(|_| ReadError::Attribute(name))?;
    element.to_int().map_err(|_| ReadError::Attribute(name))
}

fn items<'a>(
    object: &'a InMemDicomObject,
    tag: dicom_core::Tag,
    name: &'static str,
) -> Result<&'a [InMemDicomObject], ReadError> {
    let element = object
        .element(tag)
        .map_err(|_| ReadError::Attribute(name))?;
    element.items().ok_or(ReadError::Attribute(name))
}

fn first_item<'a>(
    object: &'a InMemDicomObject,
    tag: dicom_core::Tag,
    name: &'static str,
) -> Result<&'a InMemDicomObject, ReadError> {
    let items = items(object, tag, name)?;
    items.first().ok_or(ReadError::Attribute(name))
}

fn position(plane: &InMemDicomObject) -> Result<[f64; 3], ReadError> {
    let name = "ImagePositionPatient";
    let element = plane
        .element(tags::IMAGE_POSITION_PATIENT)
        .map_err(|_| ReadError::Attribute(name))?;
    let values = element
        .to_multi_float64()
        .map_err(|_| ReadError::Attribute(name))?;
    <[f64; 3]>::try_from(values).map_err(|_| ReadError::Attribute(name))
}
