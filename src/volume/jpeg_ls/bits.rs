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

    /// Fills the cache to at least 56 bits; beyond the end it invents zeros.
    fn refill(&mut self) {
        if self.cached >= 56 {
            return;
        }
        // Eight bytes of which none is FF are bits as they stand: as many as fit.
        if let Some(eight) = self.bytes.first_chunk::<8>().filter(|_| !self.after_ff) {
            let value = u64::from_be_bytes(*eight);
            if !holds_ff(value) {
                let fitting = (63 - self.cached) / 8;
                self.bytes = self.bytes.get(fitting as usize..).unwrap_or_default();
                // The first bits of a byte that does not fit are cached as well, and come again.
                self.cache |= value >> self.cached;
                self.cached += 8 * fitting;
                return;
            }
        }
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

/// Whether one of the eight bytes is FF.
fn holds_ff(bytes: u64) -> bool {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = LOWEST << 7;
    // FF is zero in the complement; only a zero byte borrows into a highest bit that was clear.
    (!bytes).wrapping_sub(LOWEST) & bytes & HIGHEST != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ff_is_found_in_every_place_and_nothing_else_is_taken_for_it() {
        for place in 0..8 {
            for other in [0x00, 0x01, 0x7F, 0x80, 0xFE] {
                let bytes = [other; 8];
                assert!(!holds_ff(u64::from_be_bytes(bytes)), "{bytes:x?}");
                let with = u64::from_be_bytes(bytes) | 0xFF << (8 * place);
                assert!(holds_ff(with), "{with:x}");
            }
        }
    }

    #[test]
    fn bits_come_in_order_whatever_is_taken_at_once_and_stuffed_zeros_are_none() {
        // FF is followed by seven bits (A.1).
        let bytes: Vec<u8> = (0..300_u32)
            .flat_map(|i| match i % 23 {
                7 => vec![0xFF, (i % 128) as u8],
                _ => vec![(i * 37 % 255) as u8],
            })
            .collect();
        let mut expected = String::new();
        let mut after_ff = false;
        for byte in &bytes {
            let all = format!("{byte:08b}");
            expected.push_str(all.get(usize::from(after_ff)..).unwrap());
            after_ff = *byte == 0xFF;
        }
        for step in [1, 3, 7, 8, 13, 31, 32] {
            let mut bits = Bits::new(&bytes);
            let taken: Vec<String> = (0..expected.len() / step)
                .map(|_| format!("{:0step$b}", bits.take(step as u32)))
                .collect();
            let taken = taken.concat();
            assert_eq!(taken, expected.get(..taken.len()).unwrap(), "{step}");
            assert!(!bits.overrun());
            for _ in 0..=step {
                bits.take(1);
            }
            assert!(bits.overrun(), "{step}");
        }
    }
}
