//! The bits of a scan and the code they are in.

#![deny(clippy::indexing_slicing)]

use super::{CodecError, corrupt};

/// A mapped error of 16-bit samples is no larger.
const LARGEST_MAPPED: u32 = 1 << 17;

/// The entropy-coded bits, without the zero bit that follows each FF byte (A.1).
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bit is the highest.
    cache: u64,
    cached: u32,
    /// How many of the cached bits are not in the stream.
    invented: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            cache: 0,
            cached: 0,
            invented: 0,
            after_ff: false,
        }
    }

    /// Fills the cache to more than 56 bits; beyond the end it invents zeros.
    fn refill(&mut self) {
        while self.cached <= 56 {
            let width = 8 - u32::from(self.after_ff);
            let byte = match self.bytes.split_first() {
                // A marker ends the scan.
                Some((byte, _)) if self.after_ff && *byte >= 0x80 => None,
                Some((byte, rest)) => {
                    self.bytes = rest;
                    Some(*byte)
                }
                None => None,
            };
            self.after_ff = byte == Some(0xFF);
            if byte.is_none() {
                self.bytes = &[];
                self.invented += width;
            }
            self.cache |= u64::from(byte.unwrap_or(0)) << (64 - self.cached - width);
            self.cached += width;
        }
    }

    /// Bits were used that the stream does not have.
    pub(super) fn overrun(&self) -> bool {
        self.invented > self.cached
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        if self.cached < count {
            self.refill();
        }
        // Two shifts, because one of 64 is not defined.
        let value = (self.cache >> 1 >> (63 - count)) as u32;
        self.skip(count);
        value
    }

    fn skip(&mut self, count: u32) {
        self.cache <<= count;
        self.cached -= count;
    }

    /// A.5.3: a value in the limited-length Golomb code of order `k`.
    pub(super) fn golomb(
        &mut self,
        k: u32,
        limit: u32,
        quantised_bits: u32,
    ) -> Result<i32, CodecError> {
        self.refill();
        let zeros = self.cache.leading_zeros();
        let longest = limit - quantised_bits - 1;
        if zeros > longest {
            return Err(corrupt("a code word is too long"));
        }
        self.skip(zeros + 1);
        let value = if zeros < longest {
            zeros << k | self.take(k)
        } else {
            self.take(quantised_bits) + 1
        };
        if value <= LARGEST_MAPPED {
            Ok(value.cast_signed())
        } else {
            Err(corrupt("an error is out of range"))
        }
    }
}
