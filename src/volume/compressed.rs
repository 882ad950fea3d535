//! One compressed frame to stored values.
//!
//! The codecs are libraries written for files one trusts: they allocate what a code stream announces
//! and may index by it. So the code stream's own header is read first, here, and a stream that is
//! not one component of exactly the announced rows and columns never reaches a codec.

#![warn(clippy::indexing_slicing)]

use dicom_dictionary_std::uids;
use dicom_toolkit_codec::JpegLsCodec;

use crate::series::InstanceHeader;

#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("the code stream has no readable header")]
    NoHeader,
    #[error("the code stream holds {components} components of {rows} rows and {columns} columns")]
    OtherImage {
        components: u16,
        rows: u32,
        columns: u32,
    },
    #[error("the codec gave {got} values where {needed} are needed")]
    Length { got: usize, needed: usize },
    #[error("{codec}: {reason}")]
    Codec { codec: &'static str, reason: String },
    #[error("the frame is truncated")]
    Truncated,
}

/// Decodes one frame; each stored value comes as 16 allocated bits.
pub(super) fn decode(frame: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let stored = match header.transfer_syntax.as_str() {
        uids::RLE_LOSSLESS => run_lengths(frame, header)?,
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => {
            jpeg_size(frame)?.expect(header)?;
            jpeg(frame)?
        }
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => {
            jpeg_size(frame)?.expect(header)?;
            jpeg_ls(frame)?
        }
        uids::JPEG2000_LOSSLESS
        | uids::JPEG2000
        | uids::HTJ2K_LOSSLESS
        | uids::HTJ2K_LOSSLESS_RPCL
        | uids::HTJ2K => {
            jpeg_2000_size(frame)?.expect(header)?;
            jpeg_2000(frame)?
        }
        // Encapsulated Uncompressed is all that is left of the decodable syntaxes.
        _ => uncompressed(frame, header)?,
    };
    let needed = pixels(header);
    if stored.len() == needed {
        Ok(stored)
    } else {
        Err(CodecError::Length {
            got: stored.len(),
            needed,
        })
    }
}

fn pixels(header: &InstanceHeader) -> usize {
    usize::from(header.rows) * usize::from(header.columns)
}

/// PS3.5 Annex G: one PackBits segment a byte of the sample, the most significant first.
fn run_lengths(frame: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let (header_words, _) = frame
        .get(..64)
        .ok_or(CodecError::Truncated)?
        .as_chunks::<4>();
    let mut words = header_words
        .iter()
        .map(|word| u32::from_le_bytes(*word) as usize);
    let segments = words.next().unwrap_or_default();
    if segments != usize::from(header.pixels.bits_allocated / 8) {
        return Err(CodecError::NoHeader);
    }
    let offsets: Vec<usize> = words.take(segments).collect();
    let mut stored = vec![0; pixels(header)];
    for (at, start) in offsets.iter().enumerate() {
        let end = offsets.get(at + 1).copied().unwrap_or(frame.len());
        let segment = frame.get(*start..end).ok_or(CodecError::Truncated)?;
        unpack(segment, &mut stored).ok_or(CodecError::Truncated)?;
    }
    Ok(stored)
}

/// Shifts each value up by a byte and puts in the segment's next one; `None` if the segment ends
/// before the values do.
fn unpack(segment: &[u8], stored: &mut [u16]) -> Option<()> {
    let (mut segment, mut stored) = (segment, stored);
    while !stored.is_empty() {
        let (control, rest) = segment.split_first()?;
        let control = control.cast_signed();
        match control {
            0.. => {
                let (literal, rest) = rest.split_at_checked(control as usize + 1)?;
                let (head, tail) = stored.split_at_mut(literal.len().min(stored.len()));
                for (value, byte) in head.iter_mut().zip(literal) {
                    *value = *value << 8 | u16::from(*byte);
                }
                (segment, stored) = (rest, tail);
            }
            -128 => segment = rest,
            _ => {
                let (byte, rest) = rest.split_first()?;
                let run = 1 + usize::from(control.unsigned_abs());
                let (head, tail) = stored.split_at_mut(run.min(stored.len()));
                for value in head {
                    *value = *value << 8 | u16::from(*byte);
                }
                (segment, stored) = (rest, tail);
            }
        }
    }
    Some(())
}

fn uncompressed(frame: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let needed = pixels(header) * usize::from(header.pixels.bits_allocated / 8);
    let frame = frame.get(..needed).ok_or(CodecError::Truncated)?;
    Ok(if header.pixels.bits_allocated == 8 {
        one_byte_each(frame)
    } else {
        two_bytes_each(frame, u16::from_le_bytes)
    })
}

fn jpeg(frame: &[u8]) -> Result<Vec<u16>, CodecError> {
    let failed = |err: jpeg_decoder::Error| CodecError::Codec {
        codec: "JPEG",
        reason: err.to_string(),
    };
    let mut decoder = jpeg_decoder::Decoder::new(frame);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or(CodecError::NoHeader)?;
    let bytes = decoder.decode().map_err(failed)?;
    Ok(match info.pixel_format {
        jpeg_decoder::PixelFormat::L16 => two_bytes_each(&bytes, u16::from_ne_bytes),
        _ => one_byte_each(&bytes),
    })
}

fn jpeg_ls(frame: &[u8]) -> Result<Vec<u16>, CodecError> {
    let decoded = JpegLsCodec::decode_frame(frame).map_err(|err| CodecError::Codec {
        codec: "JPEG-LS",
        reason: err.to_string(),
    })?;
    Ok(if decoded.bits_per_sample > 8 {
        two_bytes_each(&decoded.pixels, u16::from_le_bytes)
    } else {
        one_byte_each(&decoded.pixels)
    })
}

/// Part 1 and Part 15 (high throughput) alike. Signed values keep their low 16 bits, from which the
/// pixel representation brings back the sign.
fn jpeg_2000(frame: &[u8]) -> Result<Vec<u16>, CodecError> {
    let image = jpeg2k::Image::from_bytes(frame).map_err(|err| CodecError::Codec {
        codec: "JPEG 2000",
        reason: err.to_string(),
    })?;
    let component = image.components().first().ok_or(CodecError::NoHeader)?;
    Ok(component.data().iter().map(|value| *value as u16).collect())
}

fn one_byte_each(bytes: &[u8]) -> Vec<u16> {
    bytes.iter().map(|value| u16::from(*value)).collect()
}

fn two_bytes_each(bytes: &[u8], read: impl Fn([u8; 2]) -> u16) -> Vec<u16> {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| read(*pair))
        .collect()
}

/// What a code stream says it holds.
struct Announced {
    rows: u32,
    columns: u32,
    components: u16,
}

impl Announced {
    fn expect(&self, header: &InstanceHeader) -> Result<(), CodecError> {
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
fn jpeg_size(frame: &[u8]) -> Result<Announced, CodecError> {
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
fn jpeg_2000_size(frame: &[u8]) -> Result<Announced, CodecError> {
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
