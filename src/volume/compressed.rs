//! One compressed frame to stored values.
//!
//! The codecs are libraries written for files one trusts: they allocate what a code stream announces
//! and may index by it. So what a code stream announces is read first, here, and one that is not one
//! component of exactly the instance's rows and columns is never decoded.

#![deny(clippy::indexing_slicing)]

use dicom_dictionary_std::uids;
use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::{
    code_stream::{
        Announced, jpeg_2000_ended, jpeg_2000_precision, jpeg_2000_size, jpeg_2000_stream,
    },
    coding_styles, jpeg_extended, jpeg_lossless, jpeg_ls, run_lengths,
};
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
        uids::RLE_LOSSLESS => run_lengths::decode(frame, header)?,
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => {
            if jpeg_extended::is_twelve_bit(frame) {
                jpeg_extended::decode(frame, header)?
            } else if jpeg_lossless::is_lossless(frame) {
                jpeg_lossless::decode(frame, header)?
            } else {
                jpeg(frame, header)?
            }
        }
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => jpeg_ls::decode(frame, header)?,
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => {
            let stream = jpeg_2000_stream(frame)?;
            jpeg_2000_size(stream)?.expect(header)?;
            coding_styles::check(stream)?;
            jpeg_2000(stream)?
        }
        uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => {
            let stream = jpeg_2000_stream(frame)?;
            jpeg_2000_size(stream)?.expect(header)?;
            coding_styles::check(stream)?;
            high_throughput_jpeg_2000(stream)?
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

pub(super) fn pixels(header: &InstanceHeader) -> usize {
    usize::from(header.rows) * usize::from(header.columns)
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

/// ITU-T T.81, with a library. What counts is which start of frame it takes, for it forgives what stands
/// between the segments: by another reading of the stream it could be another one.
fn jpeg(frame: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let failed = |err: jpeg_decoder::Error| CodecError::Codec {
        codec: "JPEG",
        reason: err.to_string(),
    };
    let mut decoder = jpeg_decoder::Decoder::new(frame);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or(CodecError::NoHeader)?;
    announced(info).expect(header)?;
    // What is plainly lossless has a decoder of its own.
    if info.coding_process == jpeg_decoder::CodingProcess::Lossless {
        return Err(CodecError::NoHeader);
    }
    let bytes = decoder.decode().map_err(failed)?;
    Ok(one_byte_each(&bytes))
}

fn announced(info: jpeg_decoder::ImageInfo) -> Announced {
    Announced {
        rows: info.height.into(),
        columns: info.width.into(),
        components: match info.pixel_format {
            jpeg_decoder::PixelFormat::L8 | jpeg_decoder::PixelFormat::L16 => 1,
            jpeg_decoder::PixelFormat::RGB24 => 3,
            jpeg_decoder::PixelFormat::CMYK32 => 4,
        },
    }
}

/// ISO/IEC 15444-1. A stream that breaks off is refused, not filled up. Signed values keep their low 16
/// bits, from which the pixel representation brings back the sign.
fn jpeg_2000(frame: &[u8]) -> Result<Vec<u16>, CodecError> {
    let failed = |reason: String| CodecError::Codec {
        codec: "JPEG 2000",
        reason,
    };
    let (bits, signed) = jpeg_2000_precision(frame)?;
    if bits > 16 {
        return Err(failed(format!("{bits} bits a value")));
    }
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        strict: true,
        target_resolution: None,
    };
    let ended = jpeg_2000_ended(frame);
    let image = Image::new(&ended, &settings).map_err(|err| failed(err.to_string()))?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context);
    let decoded = decoded.map_err(|err| failed(err.to_string()))?;
    let component = decoded.components().first().ok_or(CodecError::NoHeader)?;
    // The library shifts signed values up as if they were not (A.5.1 and G.1.2).
    let shift = if signed { 1 << (bits - 1) } else { 0 };
    let largest = ((1_u32 << bits) - 1) as f32;
    // What was compressed with loss may come back beyond the range.
    let stored = |value: &f32| (value.round().clamp(0.0, largest) as i32 - shift) as u16;
    Ok(component.samples().iter().map(stored).collect())
}

/// ISO/IEC 15444-15, with signs as in [`jpeg_2000`].
fn high_throughput_jpeg_2000(frame: &[u8]) -> Result<Vec<u16>, CodecError> {
    let image = jpeg2k::Image::from_bytes(frame).map_err(|err| CodecError::Codec {
        codec: "HTJ2K",
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

#[cfg(test)]
mod tests;
