//! JPEG Extended (process 4): sequential DCT with Huffman coding, one component of 12 bits.
//!
//! Written from the standard (ITU-T T.81); the names are its names. The JPEG library stops at 8 bits
//! for everything but lossless, and 8 bits are no CT.

#![deny(clippy::indexing_slicing)]

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use super::{
    code_stream::{Announced, DHT, DRI, SOS, jpeg_segments},
    compressed::CodecError,
    entropy::{Bits, Huffman, HuffmanTables},
};
use crate::series::InstanceHeader;

fn corrupt(reason: &str) -> CodecError {
    CodecError::Codec {
        codec: "JPEG Extended",
        reason: reason.to_owned(),
    }
}

/// Decodes one frame.
pub(super) fn decode(stream: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let mut tables = Tables::default();
    let scan = tables.read_to_scan(stream)?;
    let announced = Announced {
        rows: tables.rows as u32,
        columns: tables.columns as u32,
        components: 1,
    };
    announced.expect(header)?;
    tables.decode_scan(&scan)
}

/// Whether the frame is one for this decoder: extended sequential, 12 bits (B.2.2).
pub(super) fn is_twelve_bit(stream: &[u8]) -> bool {
    jpeg_segments(stream).any(|(marker, segment)| marker == SOF1 && segment.first() == Some(&12))
}

const SOF1: u8 = 0xC1;
const DQT: u8 = 0xDB;

#[derive(Default)]
struct Tables {
    rows: usize,
    columns: usize,
    quantisation_table: usize,
    /// In zigzag order.
    quantisation: [Option<[f32; 64]>; 4],
    huffman: HuffmanTables,
    /// Blocks between restart markers; 0 if there are none.
    restart_interval: usize,
}

/// What the start of scan chooses, and the entropy-coded bytes.
struct ScanStart<'a> {
    dc_table: u8,
    ac_table: u8,
    bytes: &'a [u8],
}

impl Tables {
    fn read_to_scan<'a>(&mut self, stream: &'a [u8]) -> Result<ScanStart<'a>, CodecError> {
        for (marker, segment) in jpeg_segments(stream) {
            match (marker, segment) {
                (SOF1, [12, y1, y0, x1, x0, 1, _, _, table, ..]) => {
                    self.rows = u16::from_be_bytes([*y1, *y0]).into();
                    self.columns = u16::from_be_bytes([*x1, *x0]).into();
                    self.quantisation_table = usize::from(*table);
                }
                (DQT, _) => self.read_quantisation(segment)?,
                (DHT, _) => self.huffman.read(segment)?,
                (DRI, [high, low, ..]) => {
                    self.restart_interval = u16::from_be_bytes([*high, *low]).into();
                }
                // One component, its tables, the spectrum from 0 to 63, no approximation.
                (SOS, [1, _, choice, 0, 63, 0, bytes @ ..]) => {
                    return Ok(ScanStart {
                        dc_table: choice >> 4,
                        ac_table: choice & 15,
                        bytes,
                    });
                }
                (SOS, _) => return Err(corrupt("not a sequential scan of one component")),
                _ => {}
            }
        }
        Err(corrupt("there is no scan"))
    }

    /// B.2.4.1.
    fn read_quantisation(&mut self, mut segment: &[u8]) -> Result<(), CodecError> {
        let bad = || corrupt("a bad quantisation table");
        while let [choice, rest @ ..] = segment {
            let wide = choice >> 4 != 0;
            let (bytes, next) = rest
                .split_at_checked(if wide { 128 } else { 64 })
                .ok_or_else(bad)?;
            let mut table = [0.0; 64];
            if wide {
                for (value, pair) in table.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *value = u16::from_be_bytes(*pair).into();
                }
            } else {
                for (value, byte) in table.iter_mut().zip(bytes) {
                    *value = f32::from(*byte);
                }
            }
            let slot = self.quantisation.get_mut(usize::from(choice & 15));
            *slot.ok_or_else(bad)? = Some(table);
            segment = next;
        }
        Ok(())
    }

    fn decode_scan(&self, scan: &ScanStart<'_>) -> Result<Vec<u16>, CodecError> {
        let dc_table = self.huffman.dc(scan.dc_table)?;
        let ac_table = self.huffman.ac(scan.ac_table)?;
        let quantisation = self
            .quantisation
            .get(self.quantisation_table)
            .copied()
            .flatten()
            .ok_or_else(|| corrupt("the quantisation table is missing"))?;

        let transform = Transform::new();
        let (blocks_down, blocks_across) = (self.rows.div_ceil(8), self.columns.div_ceil(8));
        let mut samples = vec![0; self.rows * self.columns];
        let mut bits = Bits::new(scan.bytes);
        let mut dc = 0;
        for block in 0..blocks_down * blocks_across {
            if self.restart_interval > 0 && block > 0 && block % self.restart_interval == 0 {
                bits.restart()?;
                dc = 0;
            }
            let coefficients = read_block(&mut bits, dc_table, ac_table, &mut dc, &quantisation)?;
            let block_samples = transform.inverse(&coefficients);
            let (top, left) = (block / blocks_across * 8, block % blocks_across * 8);
            let lines = samples.chunks_exact_mut(self.columns).skip(top);
            for (line, decoded) in lines.zip(block_samples.as_chunks::<8>().0) {
                for (sample, value) in line.iter_mut().skip(left).zip(decoded) {
                    // The level shift of 12 bits (A.3.1).
                    *sample = (value + 2048.0).round().clamp(0.0, 4095.0) as u16;
                }
            }
        }
        Ok(samples)
    }
}

/// F.2.2.1 and F.2.2.2: the dequantised coefficients of one block, row by row.
fn read_block(
    bits: &mut Bits<'_>,
    dc_table: &Huffman,
    ac_table: &Huffman,
    dc: &mut i32,
    quantisation: &[f32; 64],
) -> Result<[f32; 64], CodecError> {
    let mut coefficients = [0.0; 64];
    let mut put = |zigzag: usize, value: i32| {
        let scale = quantisation.get(zigzag).copied().unwrap_or_default();
        let place = ZIGZAG.get(zigzag).map(|place| usize::from(*place));
        if let Some(coefficient) = place.and_then(|place| coefficients.get_mut(place)) {
            *coefficient = value as f32 * scale;
        }
    };
    let size = u32::from(dc_table.decode(bits)?);
    *dc = dc.wrapping_add(bits.signed(size)?);
    put(0, *dc);
    let mut at = 1;
    while at < 64 {
        let symbol = ac_table.decode(bits)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += run;
                put(at, bits.signed(size)?);
                at += 1;
            }
        }
    }
    Ok(coefficients)
}

/// Where the n-th transmitted coefficient belongs (A.3.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The inverse DCT of 8 x 8 coefficients, A.3.3, one axis after the other.
struct Transform {
    /// Row u, sample x: C(u)/2 cos((2x+1) u pi / 16).
    basis: [[f32; 8]; 8],
}

impl Transform {
    fn new() -> Self {
        let basis = std::array::from_fn(|u| {
            let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 } / 2.0;
            std::array::from_fn(|x| scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos())
        });
        Self { basis }
    }

    fn inverse(&self, coefficients: &[f32; 64]) -> [f32; 64] {
        let along_rows = self.one_axis(coefficients);
        self.one_axis(&along_rows)
    }

    /// Transforms each row and transposes, so that twice does both axes.
    fn one_axis(&self, block: &[f32; 64]) -> [f32; 64] {
        let mut columns = [[0.0_f32; 8]; 8];
        for (row, values) in block.as_chunks::<8>().0.iter().enumerate() {
            let mut samples = [0.0_f32; 8];
            for (value, basis) in values.iter().zip(&self.basis) {
                for (sample, factor) in samples.iter_mut().zip(basis) {
                    *sample += value * factor;
                }
            }
            for (column, sample) in columns.iter_mut().zip(samples) {
                if let Some(place) = column.get_mut(row) {
                    *place = sample;
                }
            }
        }
        let mut transposed = [0.0; 64];
        for (place, value) in transposed.iter_mut().zip(columns.as_flattened()) {
            *place = *value;
        }
        transposed
    }
}

#[cfg(test)]
mod tests {
    use super::{decode as decode_frame, *};
    use crate::volume::vectors::{self, JPEG_EXTENDED_12, bytes, ramp, worst};

    fn decode(stream: &[u8]) -> Result<Vec<u16>, CodecError> {
        decode_frame(stream, &vectors::header(11, 18))
    }

    #[test]
    fn a_stream_of_dcmtk_is_decoded_as_closely_as_its_quality_allows() {
        let stream = bytes(JPEG_EXTENDED_12);
        assert!(is_twelve_bit(&stream));
        // DCMTK's own decoder is off by 24 of 4095.
        assert!(worst(&decode(&stream).unwrap(), &ramp()) <= 25);
    }

    #[test]
    fn no_flipped_bit_panics_and_every_cut_is_noticed() {
        let stream = bytes(JPEG_EXTENDED_12);
        for length in 0..stream.len() - 4 {
            assert!(decode(stream.get(..length).unwrap()).is_err(), "{length}");
        }
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            *damaged.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            let _ = decode(&damaged);
        }
    }
}
