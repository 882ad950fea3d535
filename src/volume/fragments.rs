//! Which fragments of encapsulated pixel data belong to which frame (PS3.5 §A.4).

#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use super::DecodeError;
use crate::{dicom::elements::Element, series::part10::Part10};

/// All of one instance's, in their order.
pub(super) struct Fragments {
    ranges: Vec<Range<usize>>,
    /// Where each frame's first fragment starts, counted from the first fragment's item tag; empty
    /// if the sender gave no table.
    offsets: Vec<usize>,
}

impl Fragments {
    pub(super) fn of(
        pixel_data: &Element<'_>,
        part10: &Part10<'_>,
        extended_offsets: Vec<usize>,
    ) -> Result<Self, DecodeError> {
        let mut items = pixel_data.fragments();
        let table = items.next().ok_or(DecodeError::NoPixelData)?;
        let basic_offsets = offsets::<4>(table.value, |bytes| u32::from_le_bytes(bytes) as usize);
        let mut ranges = Vec::new();
        for item in items {
            if item.truncated {
                return Err(DecodeError::Truncated {
                    got: item.value.len(),
                    needed: item.announced,
                });
            }
            ranges.push(range_in(&part10.data_set, item.value));
        }
        Ok(Self {
            ranges,
            offsets: if extended_offsets.is_empty() {
                basic_offsets
            } else {
                extended_offsets
            },
        })
    }

    /// The fragments of each frame.
    pub(super) fn by_frame(self, frames: usize) -> Result<Vec<Vec<Range<usize>>>, DecodeError> {
        let fragments = self.ranges.len();
        let unclear = DecodeError::Fragments { fragments, frames };
        if frames == 1 && fragments > 0 {
            return Ok(vec![self.ranges]);
        }
        if fragments == frames {
            return Ok(self.ranges.into_iter().map(|range| vec![range]).collect());
        }
        let Some(first) = self.ranges.first() else {
            return Err(unclear);
        };
        let origin = first.start - ITEM_HEADER;
        let mut by_frame: Vec<Vec<Range<usize>>> = Vec::new();
        for range in self.ranges {
            let offset = range.start - ITEM_HEADER - origin;
            if self.offsets.get(by_frame.len()) == Some(&offset) {
                by_frame.push(Vec::new());
            }
            match by_frame.last_mut() {
                Some(frame) => frame.push(range),
                None => return Err(unclear),
            }
        }
        if by_frame.len() == frames {
            Ok(by_frame)
        } else {
            Err(unclear)
        }
    }
}

/// The entries of an offset table.
pub(super) fn offsets<const N: usize>(table: &[u8], read: impl Fn([u8; N]) -> usize) -> Vec<usize> {
    table
        .as_chunks::<N>()
        .0
        .iter()
        .map(|bytes| read(*bytes))
        .collect()
}

/// Where `part`, a slice of `whole`, lies in it.
pub(super) fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// Tag and length.
const ITEM_HEADER: usize = 8;
