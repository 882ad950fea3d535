//! What a code stream says of itself, before a codec believes it.

#![warn(clippy::indexing_slicing)]

use super::compressed::CodecError;
use crate::series::InstanceHeader;

/// What a code stream says it holds.
pub(super) struct Announced {
    rows: u32,
    columns: u32,
    components: u16,
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

/// Walks the marker segments of a JPEG or JPEG-LS stream to its start of frame (ITU-T T.81 B.2.2,
/// T.87 C.2.2).
pub(super) fn jpeg_size(frame: &[u8]) -> Result<Announced, CodecError> {
    let mut rest = frame
        .strip_prefix(&[0xFF, 0xD8])
        .ok_or(CodecError::NoHeader)?;
    loop {
        let [fill, marker, ..] = *rest else {
            return Err(CodecError::NoHeader);
        };
        if fill != 0xFF {
            return Err(CodecError::NoHeader);
        }
        if marker == 0xFF {
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let segment = rest.get(2..).unwrap_or_default();
        let length = usize::from(big_u16(segment, 0)?);
        // C4, C8 and CC define tables; F7 is JPEG-LS.
        if matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7) {
            return Ok(Announced {
                rows: big_u16(segment, 3)?.into(),
                columns: big_u16(segment, 5)?.into(),
                components: segment
                    .get(7)
                    .map(|n| u16::from(*n))
                    .ok_or(CodecError::NoHeader)?,
            });
        }
        rest = segment.get(length.max(2)..).unwrap_or_default();
    }
}

/// The SIZ segment, which follows the start of the code stream at once; a JP2 wrapper may stand
/// before it (ISO/IEC 15444-1 A.5.1).
pub(super) fn jpeg_2000_size(frame: &[u8]) -> Result<Announced, CodecError> {
    let head = frame
        .get(..frame.len().min(WRAPPER_BYTES))
        .unwrap_or_default();
    let at = head
        .windows(4)
        .position(|bytes| bytes == [0xFF, 0x4F, 0xFF, 0x51])
        .ok_or(CodecError::NoHeader)?;
    let siz = frame.get(at + 4..).unwrap_or_default();
    let (columns, rows) = (big_u32(siz, 4)?, big_u32(siz, 8)?);
    let (left, top) = (big_u32(siz, 12)?, big_u32(siz, 16)?);
    // Every component has its own sub-sampling; one pixel for each is all that a slice can have.
    if siz.get(39..41) != Some(&[1, 1]) {
        return Err(CodecError::NoHeader);
    }
    Ok(Announced {
        rows: rows.checked_sub(top).ok_or(CodecError::NoHeader)?,
        columns: columns.checked_sub(left).ok_or(CodecError::NoHeader)?,
        components: big_u16(siz, 36)?,
    })
}

/// The boxes of a JP2 wrapper without colour profiles are shorter than this.
const WRAPPER_BYTES: usize = 4096;

fn big_u16(bytes: &[u8], at: usize) -> Result<u16, CodecError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u16::from_be_bytes(*bytes))
        .ok_or(CodecError::NoHeader)
}

fn big_u32(bytes: &[u8], at: usize) -> Result<u32, CodecError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or(CodecError::NoHeader)
}
