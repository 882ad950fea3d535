//! RLE Lossless.

#![deny(clippy::indexing_slicing)]

use super::compressed::{CodecError, pixels};
use crate::series::InstanceHeader;

/// PS3.5 Annex G: one PackBits segment a byte of the sample, the most significant first.
pub(super) fn decode(frame: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
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
