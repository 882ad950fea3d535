//! What every Huffman-coded JPEG has in common: tables of codes, and the bits between markers.
//!
//! Written from the standard (ITU-T T.81); the names are its names.

#![deny(clippy::indexing_slicing)]

use super::compressed::CodecError;

fn corrupt(reason: &str) -> CodecError {
    CodecError::Codec {
        codec: "JPEG",
        reason: reason.to_owned(),
    }
}

/// The tables of a stream, of direct and of alternating coefficients; lossless differences are coded by
/// the former.
#[derive(Default)]
pub(super) struct HuffmanTables {
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
}

impl HuffmanTables {
    /// Takes what a DHT segment defines (B.2.4.2).
    pub(super) fn read(&mut self, mut segment: &[u8]) -> Result<(), CodecError> {
        let bad = || corrupt("a bad Huffman table");
        while let [choice, rest @ ..] = segment {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(bad)?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, next) = rest.split_at_checked(total).ok_or_else(bad)?;
            let tables = if choice >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let slot = tables.get_mut(usize::from(choice & 15));
            *slot.ok_or_else(bad)? = Some(Huffman::new(counts, values).ok_or_else(bad)?);
            segment = next;
        }
        Ok(())
    }

    pub(super) fn dc(&self, at: u8) -> Result<&Huffman, CodecError> {
        chosen(&self.dc, at)
    }

    pub(super) fn ac(&self, at: u8) -> Result<&Huffman, CodecError> {
        chosen(&self.ac, at)
    }
}

fn chosen(tables: &[Option<Huffman>; 4], at: u8) -> Result<&Huffman, CodecError> {
    let table = tables.get(usize::from(at)).and_then(Option::as_ref);
    table.ok_or_else(|| corrupt("a Huffman table is missing"))
}

/// Annex C: codes by length.
pub(super) struct Huffman {
    /// For each length from 1: the first code, how many there are, and where their values start.
    lengths: [(u32, u32, u32); 16],
    values: Vec<u8>,
    /// By the next eight bits: the value of the code they begin with and its length; length 0 if it is
    /// longer than they are.
    short: [(u8, u8); 256],
}

impl Huffman {
    fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let (mut code, mut start) = (0, 0);
        let mut lengths = [(0, 0, 0); 16];
        let mut short = [(0, 0); 256];
        for (length, (entry, count)) in (1_u8..).zip(lengths.iter_mut().zip(counts)) {
            let count = u32::from(*count);
            *entry = (code, count, start);
            if code + count > 1 << length {
                return None;
            }
            if let Some(spare) = 8_u8.checked_sub(length) {
                let coded = values.get(start as usize..)?.iter().take(count as usize);
                for (code, value) in (code..).zip(coded) {
                    let begins = (code << spare) as usize..((code + 1) << spare) as usize;
                    short.get_mut(begins)?.fill((*value, length));
                }
            }
            code = (code + count) << 1;
            start += count;
        }
        Some(Self {
            lengths,
            values: values.to_vec(),
            short,
        })
    }

    /// F.2.2.3.
    pub(super) fn decode(&self, bits: &mut Bits<'_>) -> Result<u8, CodecError> {
        let next = bits.peek();
        let (value, length) = self
            .short
            .get((next >> 8) as usize)
            .copied()
            .unwrap_or_default();
        if length > 0 {
            bits.skip(length.into())?;
            return Ok(value);
        }
        for (length, (first, count, start)) in (1..).zip(self.lengths) {
            let index = (next >> (16 - length)).wrapping_sub(first);
            if index < count {
                bits.skip(length)?;
                let value = self.values.get((start + index) as usize);
                return value
                    .copied()
                    .ok_or_else(|| corrupt("a code without a value"));
            }
        }
        Err(corrupt("an unknown Huffman code"))
    }
}

/// The entropy-coded bits, without the zero byte that follows each FF (F.1.2.3).
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bits, the first of them uppermost.
    cache: u64,
    cached: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            cache: 0,
            cached: 0,
        }
    }

    /// The next 16 bits; zeros stand for what lies beyond a marker or the end.
    fn peek(&mut self) -> u32 {
        if self.cached < 16 {
            self.fill();
        }
        (self.cache >> 48) as u32
    }

    fn fill(&mut self) {
        while self.cached <= 56 {
            let (byte, rest) = match self.bytes {
                [0xFF, 0x00, rest @ ..] => (0xFF, rest),
                [0xFF, ..] | [] => return,
                [byte, rest @ ..] => (*byte, rest),
            };
            self.bytes = rest;
            self.cache |= u64::from(byte) << (56 - self.cached);
            self.cached += 8;
        }
    }

    fn skip(&mut self, count: u32) -> Result<(), CodecError> {
        let left = self.cached.checked_sub(count);
        self.cached = left.ok_or_else(|| corrupt("the stream is truncated"))?;
        self.cache <<= count;
        Ok(())
    }

    /// F.2.2.1, EXTEND: a difference or coefficient of `size` bits.
    pub(super) fn signed(&mut self, size: u32) -> Result<i32, CodecError> {
        if size > 16 {
            return Err(corrupt("a coefficient of more than 16 bits"));
        }
        let value = (self.peek() >> (16 - size)).cast_signed();
        self.skip(size)?;
        let negative = size > 0 && value < 1 << (size - 1);
        Ok(if negative {
            value - (1 << size) + 1
        } else {
            value
        })
    }

    /// F.2.2.5: drops the rest of the byte and takes the marker that must follow.
    pub(super) fn restart(&mut self) -> Result<(), CodecError> {
        self.fill();
        match self.bytes {
            [0xFF, 0xD0..=0xD7, rest @ ..] if self.cached < 8 => {
                *self = Self::new(rest);
                Ok(())
            }
            _ => Err(corrupt("a restart marker is missing")),
        }
    }
}
