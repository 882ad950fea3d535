//! What a code stream says of itself, before a codec believes it.

#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;

use super::compressed::CodecError;
use crate::series::InstanceHeader;

/// What a code stream says it holds.
pub(super) struct Announced {
    pub(super) rows: u32,
    pub(super) columns: u32,
    pub(super) components: u16,
}

impl Announced {
    pub(super) fn expect(&self, header: &InstanceHeader) -> Result<(), CodecError> {
        let same = self.rows == u32::from(header.rows)
            && self.columns == u32::from(header.columns)
            && self.components == 1;
        if same {
            Ok(())
        } else {
            Err(CodecError::OtherImage {
                components: self.components,
                rows: self.rows,
                columns: self.columns,
            })
        }
    }
}

/// The marker segments of a JPEG stream up to the scan; of the scan, everything that follows its length
/// (ITU-T T.81 B.1.1). They end before whatever is no segment.
pub(super) fn jpeg_segments(stream: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = stream.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        while let [0xFF, 0xFF, ..] = rest {
            rest = rest.get(1..)?;
        }
        let [0xFF, marker, high, low, after @ ..] = rest else {
            return None;
        };
        // Stuffed bytes and markers that stand alone.
        if matches!(marker, 0x00 | 0x01 | 0xD0..=0xD9) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
        if *marker == SOS {
            rest = &[];
            return Some((SOS, after));
        }
        let (segment, next) = after.split_at_checked(length)?;
        rest = next;
        Some((*marker, segment))
    })
}

pub(super) const DHT: u8 = 0xC4;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DRI: u8 = 0xDD;

/// The code stream proper, without the boxes of a JP2 file that some writers put around it
/// (ISO/IEC 15444-1 Annex I).
pub(super) fn jpeg_2000_stream(frame: &[u8]) -> Result<&[u8], CodecError> {
    let mut rest = frame;
    while !rest.starts_with(&START_OF_CODE_STREAM) {
        let length = big_u32(rest, 0)? as usize;
        let length = if length == 0 { rest.len() } else { length };
        let contents = rest.get(8..length).ok_or(CodecError::NoHeader)?;
        rest = if rest.get(4..8) == Some(b"jp2c") {
            contents
        } else {
            rest.get(length..).unwrap_or_default()
        };
    }
    Ok(rest)
}

/// SOC, and SIZ which must follow it.
const START_OF_CODE_STREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

/// What the SIZ segment says (ISO/IEC 15444-1 A.5.1).
pub(super) fn jpeg_2000_size(stream: &[u8]) -> Result<Announced, CodecError> {
    let siz = stream
        .strip_prefix(&START_OF_CODE_STREAM)
        .ok_or(CodecError::NoHeader)?;
    let (columns, rows) = (big_u32(siz, 4)?, big_u32(siz, 8)?);
    let (left, top) = (big_u32(siz, 12)?, big_u32(siz, 16)?);
    // Every component has its own sub-sampling; one pixel for each is all that a slice can have.
    if Tiles::of(stream)?.count > MAX_TILES || siz.get(39..41) != Some(&[1, 1]) {
        return Err(CodecError::NoHeader);
    }
    Ok(Announced {
        rows: rows.checked_sub(top).ok_or(CodecError::NoHeader)?,
        columns: columns.checked_sub(left).ok_or(CodecError::NoHeader)?,
        components: big_u16(siz, 36)?,
    })
}

/// How a JPEG 2000 image is tiled (ISO/IEC 15444-1 B.3).
pub(super) struct Tiles {
    pub(super) count: u64,
    /// Rows and columns that a tile has at most.
    pub(super) size: [u64; 2],
}

impl Tiles {
    pub(super) fn of(stream: &[u8]) -> Result<Self, CodecError> {
        // The ends of the image, where it begins, and a tile, each by columns and rows.
        let [columns, rows, left, top, across, down] =
            [8, 12, 16, 20, 24, 28].map(|at| big_u32(stream, at).map(u64::from));
        let (columns, rows) = (columns?, rows?);
        let (across, down) = (across?.max(1), down?.max(1));
        Ok(Self {
            count: columns.div_ceil(across) * rows.div_ceil(down),
            size: [
                rows.saturating_sub(top?).min(down),
                columns.saturating_sub(left?).min(across),
            ],
        })
    }
}

/// How many bits a value of the first component has, its sign included, and whether it has one (Ssiz,
/// ISO/IEC 15444-1 A.5.1).
pub(super) fn jpeg_2000_precision(stream: &[u8]) -> Result<(u8, bool), CodecError> {
    let depth = stream.get(42).ok_or(CodecError::NoHeader)?;
    Ok(((depth & 0x7F) + 1, depth & 0x80 != 0))
}

/// The stream with the end marker that some writers leave away or pad over, so that a stream whose every
/// tile is whole does not pass for one that was cut short (ISO/IEC 15444-1 A.4.2, A.4.4).
pub(super) fn jpeg_2000_ended(stream: &[u8]) -> Cow<'_, [u8]> {
    match end_of_tiles(stream) {
        Some(end) if !stream.get(end..).unwrap_or_default().starts_with(&END) => {
            let mut ended = stream.get(..end).unwrap_or_default().to_vec();
            ended.extend(END);
            Cow::Owned(ended)
        }
        _ => Cow::Borrowed(stream),
    }
}

pub(super) const START_OF_TILE_PART: u16 = 0xFF90;
const END: [u8; 2] = [0xFF, 0xD9];

/// Where the last tile part ends by what the tile parts say of their lengths; `None` if one says nothing,
/// or ends beyond the stream.
fn end_of_tiles(stream: &[u8]) -> Option<usize> {
    let is_tile_part =
        |at: usize| big_u16(stream, at).is_ok_and(|marker| marker == START_OF_TILE_PART);
    // The marker segments of the main header, after SOC.
    let mut at = 2;
    while !is_tile_part(at) {
        at += 2 + usize::from(big_u16(stream, at + 2).ok()?);
    }
    while is_tile_part(at) {
        let length = big_u32(stream, at + 6).ok()? as usize;
        at = at
            .checked_add(length)
            .filter(|end| length > 0 && *end <= stream.len())?;
    }
    Some(at)
}

/// Tiles of 128 x 128 over the largest image there is; writers for DICOM make one. A codec keeps its
/// tables for every one, and a stream can announce 65535 of them.
const MAX_TILES: u64 = 1024;

pub(super) fn big_u16(bytes: &[u8], at: usize) -> Result<u16, CodecError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u16::from_be_bytes(*bytes))
        .ok_or(CodecError::NoHeader)
}

pub(super) fn big_u32(bytes: &[u8], at: usize) -> Result<u32, CodecError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or(CodecError::NoHeader)
}
