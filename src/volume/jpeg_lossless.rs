//! JPEG Lossless (process 14): one component of 2 to 16 bits, predicted from its neighbours.
//!
//! Written from the standard (ITU-T T.81 Annex H); the names are its names. The JPEG library predicts on
//! across restart markers, from values that a point transform has shifted, and takes what is missing
//! for zeros, each without a word.

#![deny(clippy::indexing_slicing)]

use super::{
    code_stream::{Announced, DHT, DRI, SOS, jpeg_segments},
    compressed::CodecError,
    entropy::{Bits, Huffman, HuffmanTables},
};
use crate::series::InstanceHeader;

fn corrupt(reason: &str) -> CodecError {
    CodecError::Codec {
        codec: "JPEG Lossless",
        reason: reason.to_owned(),
    }
}

/// Whether the frame is one for this decoder (B.2.2).
pub(super) fn is_lossless(stream: &[u8]) -> bool {
    jpeg_segments(stream).any(|(marker, _)| marker == SOF3)
}

const SOF3: u8 = 0xC3;

/// Decodes one frame.
pub(super) fn decode(stream: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let mut tables = HuffmanTables::default();
    let (mut precision, mut restart_interval) = (None, 0);
    for segment in jpeg_segments(stream) {
        match segment {
            (SOF3, [bits @ 2..=16, y1, y0, x1, x0, components, ..]) => {
                let announced = Announced {
                    rows: u16::from_be_bytes([*y1, *y0]).into(),
                    columns: u16::from_be_bytes([*x1, *x0]).into(),
                    components: u16::from(*components),
                };
                announced.expect(header)?;
                precision = Some(*bits);
            }
            (DHT, segment) => tables.read(segment)?,
            (DRI, [high, low, ..]) => {
                restart_interval = usize::from(u16::from_be_bytes([*high, *low]));
            }
            // One component, its table, the predictor, and the point transform last.
            (SOS, [1, _, choice, predictor, _, shift, bytes @ ..]) => {
                let precision = precision.ok_or_else(|| corrupt("a scan before its frame"))?;
                let scan = Scan {
                    table: tables.dc(choice >> 4)?,
                    predict: predictor_of(*predictor)?,
                    point_transform: shift & 15,
                    precision,
                    restart_interval,
                };
                return scan.decode(bytes, header);
            }
            _ => {}
        }
    }
    Err(corrupt("there is no scan of one component"))
}

/// From the samples to the left (Ra), above (Rb), and above to the left (Rc).
type Predictor = fn(i32, i32, i32) -> i32;

/// Table H.1.
fn predictor_of(selection: u8) -> Result<Predictor, CodecError> {
    Ok(match selection {
        1 => |a, _, _| a,
        2 => |_, b, _| b,
        3 => |_, _, c| c,
        4 => |a, b, c| a + b - c,
        5 => |a, b, c| a + ((b - c) >> 1),
        6 => |a, b, c| b + ((a - c) >> 1),
        7 => |a, b, _| (a + b) >> 1,
        _ => return Err(corrupt("an unknown predictor")),
    })
}

struct Scan<'a> {
    table: &'a Huffman,
    predict: Predictor,
    point_transform: u8,
    precision: u8,
    /// Samples between restart markers; 0 if there are none.
    restart_interval: usize,
}

impl Scan<'_> {
    fn decode(&self, bytes: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
        let (rows, columns) = (usize::from(header.rows), usize::from(header.columns));
        // An interval is so many whole lines (H.1.1).
        if !self.restart_interval.is_multiple_of(columns.max(1)) {
            return Err(corrupt("a restart within a line"));
        }
        let interval = match self.restart_interval / columns.max(1) {
            0 => rows,
            lines => lines,
        };
        let mut samples = vec![0; rows * columns];
        let mut bits = Bits::new(bytes);
        let mut above: &[u16] = &[];
        for (at, line) in samples.chunks_exact_mut(columns.max(1)).enumerate() {
            if at % interval > 0 {
                self.line(line, above, &mut bits)?;
            } else {
                if at > 0 {
                    bits.restart()?;
                }
                self.first_line(line, &mut bits)?;
            }
            above = line;
        }
        for sample in &mut samples {
            *sample <<= self.point_transform;
        }
        Ok(samples)
    }

    /// The first line of an interval is predicted from the left alone (H.1.2.1).
    fn first_line(&self, line: &mut [u16], bits: &mut Bits<'_>) -> Result<(), CodecError> {
        let half = self.precision.checked_sub(self.point_transform + 1);
        let half = half.ok_or_else(|| corrupt("the point transform leaves no bits"))?;
        let mut left = 1 << half;
        for sample in line {
            *sample = self.sample(left, bits)?;
            left = i32::from(*sample);
        }
        Ok(())
    }

    fn line(&self, line: &mut [u16], above: &[u16], bits: &mut Bits<'_>) -> Result<(), CodecError> {
        // The first sample is predicted from above.
        let (mut left, mut corner) = (None, 0);
        for (sample, above) in line.iter_mut().zip(above) {
            let above = i32::from(*above);
            let predicted = left.map_or(above, |left| (self.predict)(left, above, corner));
            *sample = self.sample(predicted, bits)?;
            (left, corner) = (Some(i32::from(*sample)), above);
        }
        Ok(())
    }

    /// H.1.2.2: modulo 2^16; the one difference of 16 bits has no bits of its own.
    fn sample(&self, predicted: i32, bits: &mut Bits<'_>) -> Result<u16, CodecError> {
        let difference = match self.table.decode(bits)? {
            16 => 1 << 15,
            size => bits.signed(size.into())?,
        };
        Ok((predicted + difference) as u16)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use super::{decode as decode_frame, *};
    use crate::volume::vectors::{self, COLUMNS, JPEG_LOSSLESS_SHIFTED, ROWS, bytes, image};

    fn decode(stream: &[u8]) -> Result<Vec<u16>, CodecError> {
        decode_frame(stream, &vectors::header(ROWS, COLUMNS))
    }

    /// What a stream made by hand says of itself.
    #[derive(Clone, Copy, Debug)]
    struct Made {
        precision: u8,
        predictor: u8,
        point_transform: u8,
        lines_to_restart: usize,
    }

    /// Every category of differences has a code of five bits.
    fn encode(image: &[u16], made: Made) -> Vec<u8> {
        let mut stream = vec![0xFF, 0xD8, 0xFF, SOF3, 0, 11, made.precision];
        stream.extend([0, ROWS as u8, 0, COLUMNS as u8, 1, 1, 0x11, 0]);
        stream.extend([0xFF, DHT, 0, 36, 0, 0, 0, 0, 0, 17]);
        stream.extend([0; 11]);
        stream.extend(0..17);
        let interval = (made.lines_to_restart * COLUMNS) as u8;
        stream.extend([0xFF, DRI, 0, 4, 0, interval]);
        stream.extend([
            0xFF,
            SOS,
            0,
            8,
            1,
            1,
            0,
            made.predictor,
            0,
            made.point_transform,
        ]);
        let mut written = String::new();
        for (at, line) in image.chunks(COLUMNS).enumerate() {
            let first = match made.lines_to_restart {
                0 => at == 0,
                lines => at % lines == 0,
            };
            if first && at > 0 {
                stuff(&mut stream, &mut written);
                stream.extend([0xFF, 0xD0 + (at / made.lines_to_restart - 1) as u8 % 8]);
            }
            for column in 0..line.len() {
                let value = |row: usize, column: usize| {
                    i32::from(image[row * COLUMNS + column] >> made.point_transform)
                };
                let predicted = match (column, first) {
                    (0, true) => 1 << (made.precision - made.point_transform - 1),
                    (_, true) => value(at, column - 1),
                    (0, false) => value(at - 1, 0),
                    _ => {
                        let (a, b) = (value(at, column - 1), value(at - 1, column));
                        let c = value(at - 1, column - 1);
                        let all = [a, b, c, a + b - c, a + (b - c).div_euclid(2)];
                        let others = [b + (a - c).div_euclid(2), (a + b).div_euclid(2)];
                        [&all[..], &others].concat()[usize::from(made.predictor) - 1]
                    }
                };
                difference((value(at, column) - predicted) as i16, &mut written);
            }
        }
        stuff(&mut stream, &mut written);
        stream.extend([0xFF, 0xD9]);
        stream
    }

    /// Table H.2.
    fn difference(difference: i16, written: &mut String) {
        let size = 16 - difference.unsigned_abs().leading_zeros() as usize;
        written.extend(format!("{size:05b}").chars());
        if size < 16 {
            let negative = i32::from(difference < 0);
            let bits = i32::from(difference) + negative * ((1 << size) - 1);
            written.extend(format!("{bits:0size$b}").chars().take(size));
        }
    }

    /// Whole bytes, filled up with ones, and a zero byte after each FF.
    fn stuff(stream: &mut Vec<u8>, written: &mut String) {
        while !written.len().is_multiple_of(8) {
            written.push('1');
        }
        for at in (0..written.len()).step_by(8) {
            let byte = u8::from_str_radix(&written[at..at + 8], 2).unwrap();
            stream.push(byte);
            if byte == 0xFF {
                stream.push(0);
            }
        }
        written.clear();
    }

    #[test]
    fn every_predictor_gives_back_what_was_compressed_across_restarts_and_shifted() {
        for (precision, image) in [(12, image(1, 4095)), (16, image(37, 65535))] {
            for predictor in 1..=7 {
                for (point_transform, lines_to_restart) in [(0, 0), (0, 1), (0, 4), (1, 0), (3, 2)]
                {
                    let made = Made {
                        precision,
                        predictor,
                        point_transform,
                        lines_to_restart,
                    };
                    let kept = image
                        .iter()
                        .map(|v| v >> point_transform << point_transform);
                    let decoded = decode(&encode(&image, made)).unwrap();
                    assert_eq!(decoded, kept.collect::<Vec<_>>(), "{made:?}");
                }
            }
        }
    }

    #[test]
    fn a_shifted_stream_of_dcmtk_is_decoded() {
        let kept: Vec<u16> = image(1, 4095).iter().map(|v| v >> 1 << 1).collect();
        assert_eq!(decode(&bytes(JPEG_LOSSLESS_SHIFTED)).unwrap(), kept);
    }

    #[test]
    fn no_flipped_bit_panics_and_every_cut_is_noticed() {
        let made = Made {
            precision: 12,
            predictor: 6,
            point_transform: 1,
            lines_to_restart: 2,
        };
        let stream = encode(&image(1, 4095), made);
        for length in 0..stream.len() - 3 {
            assert!(decode(stream.get(..length).unwrap()).is_err(), "{length}");
        }
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            *damaged.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            let _ = decode(&damaged);
        }
    }
}
