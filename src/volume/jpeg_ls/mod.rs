//! JPEG-LS, lossless and near-lossless: one component of 2 to 16 bits.
//!
//! Written from the standard (ITU-T T.87, ISO/IEC 14495-1); the names are its names. Pure-Rust
//! decoders to be had fail on streams that CharLS writes, and CharLS itself needs a C++ tool chain
//! that a fresh machine lacks. Only what DICOM needs: no interleaving, no mapping tables, no restart
//! intervals.

#![deny(clippy::indexing_slicing)]

mod bits;
mod frame;

use self::{bits::Bits, frame::Frame};
use super::compressed::CodecError;
use crate::series::InstanceHeader;

/// Decodes one frame.
pub(super) fn decode(stream: &[u8], header: &InstanceHeader) -> Result<Vec<u16>, CodecError> {
    let (frame, scan) = Frame::parse(stream)?;
    frame.announced().expect(header)?;
    Scan::new(&frame, scan).decode()
}

fn corrupt(reason: &str) -> CodecError {
    CodecError::Codec {
        codec: "JPEG-LS",
        reason: reason.to_owned(),
    }
}

/// A.2.1: the variables of one context of the regular mode.
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

/// A.2.1: the variables of a run interruption context.
#[derive(Clone, Copy)]
struct RunContext {
    a: i32,
    n: i32,
    negative: i32,
}

/// A.2.1: the order of run lengths.
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

const REGULAR_CONTEXTS: usize = 365;

/// The decoder of one scan.
struct Scan<'a> {
    bits: Bits<'a>,
    frame: &'a Frame,
    /// 2 x NEAR + 1.
    quantum: i32,
    range: i32,
    quantised_bits: u32,
    limit: u32,
    contexts: [Context; REGULAR_CONTEXTS],
    run_contexts: [RunContext; 2],
    run_index: usize,
    /// Quantised gradients (A.3.3), for differences from -`max_value` to `max_value`.
    gradients: Vec<i8>,
}

impl<'a> Scan<'a> {
    fn new(frame: &'a Frame, bytes: &'a [u8]) -> Self {
        let quantum = 2 * frame.near + 1;
        let range = (frame.max_value + 2 * frame.near) / quantum + 1;
        let bits_of = |values: i32| i32::BITS - (values - 1).leading_zeros();
        let bits_per_pixel = bits_of(frame.max_value + 1).max(2);
        let a = ((range + 32) >> 6).max(2);
        Self {
            bits: Bits::new(bytes),
            frame,
            quantum,
            range,
            quantised_bits: bits_of(range),
            limit: 2 * (bits_per_pixel + bits_per_pixel.max(8)),
            contexts: [Context {
                a,
                b: 0,
                c: 0,
                n: 1,
            }; REGULAR_CONTEXTS],
            run_contexts: [RunContext {
                a,
                n: 1,
                negative: 0,
            }; 2],
            run_index: 0,
            gradients: (-frame.max_value..=frame.max_value)
                .map(|difference| quantise(difference, frame))
                .collect(),
        }
    }

    fn decode(mut self) -> Result<Vec<u16>, CodecError> {
        let columns = self.frame.columns;
        let mut samples = Vec::with_capacity(self.frame.rows * columns);
        // A sample at column x lies at x + 1; the ends repeat what the standard says lies beyond.
        let mut above = vec![0; columns + 2];
        let mut line = above.clone();
        for _ in 0..self.frame.rows {
            self.line(&above, &mut line)?;
            samples.extend(line.iter().skip(1).take(columns).map(|value| *value as u16));
            std::mem::swap(&mut above, &mut line);
        }
        Ok(samples)
    }

    /// Decodes one line below `above`.
    #[allow(
        clippy::indexing_slicing,
        reason = "both lines have columns + 2 values, and x stays in 1..=columns"
    )]
    fn line(&mut self, above: &[i32], line: &mut [i32]) -> Result<(), CodecError> {
        let columns = self.frame.columns;
        // A.2.1: before the line lies what is above its start; the value that was there for the
        // line above is above and left of it.
        let beyond = above[columns];
        line[0] = above[1];
        let mut x = 1;
        while x <= columns {
            let (left, up, up_left) = (line[x - 1], above[x], above[x - 1]);
            let up_right = if x == columns { beyond } else { above[x + 1] };
            let gradients = [up_right - up, up - up_left, up_left - left];
            let near = self.frame.near;
            if gradients.iter().all(|gradient| gradient.abs() <= near) {
                let run = self.run_length(columns + 1 - x)?;
                line[x..x + run].fill(left);
                x += run;
                if x <= columns {
                    line[x] = self.run_interruption(left, above[x])?;
                    self.run_index = self.run_index.saturating_sub(1);
                    x += 1;
                }
            } else {
                line[x] = self.regular(gradients, left, up, up_left)?;
                x += 1;
            }
        }
        if self.bits.overrun() {
            return Err(corrupt("the stream is truncated"));
        }
        Ok(())
    }

    /// A.4 to A.6: one sample of the regular mode.
    #[allow(
        clippy::indexing_slicing,
        reason = "samples lie in 0..=max_value, so gradients index their table, and 4 x 91 is 364"
    )]
    fn regular(
        &mut self,
        gradients: [i32; 3],
        left: i32,
        up: i32,
        up_left: i32,
    ) -> Result<i32, CodecError> {
        let max_value = self.frame.max_value;
        let [q1, q2, q3] =
            gradients.map(|gradient| i32::from(self.gradients[(gradient + max_value) as usize]));
        let signed = 81 * q1 + 9 * q2 + q3;
        let sign = if signed < 0 { -1 } else { 1 };
        let context = &mut self.contexts[signed.unsigned_abs() as usize];

        // Whichever lies between the other two: in noise no branch could be foreseen, so there is none
        // here, nor where the error is unmapped and where the context learns.
        let (low, high) = (left.min(up), left.max(up));
        let predicted = (left + up - up_left).clamp(low, high);
        let predicted = (predicted + sign * context.c).clamp(0, max_value);

        let k = golomb_order(context.a, context.n);
        let mapped = self.bits.golomb(k, self.limit, self.quantised_bits)?;
        // A.5.2: odd is negative, or even, if the mapping is inverted.
        let inverted = self.frame.near == 0 && k == 0 && 2 * context.b <= -context.n;
        let negative = (mapped & 1) ^ i32::from(inverted);
        let error = (mapped >> 1) ^ -negative;
        context.update(error, self.quantum, self.frame.reset);
        Ok(self.reconstruct(predicted + sign * error * self.quantum))
    }

    /// A.7.1.2: how many samples repeat the one before, at most `left_in_line`.
    fn run_length(&mut self, left_in_line: usize) -> Result<usize, CodecError> {
        let mut run = 0;
        while self.bits.take(1) == 1 {
            let whole = 1 << self.run_order();
            let length = whole.min(left_in_line - run);
            run += length;
            if length == whole {
                self.run_index = (self.run_index + 1).min(J.len() - 1);
            }
            if run == left_in_line {
                return Ok(run);
            }
        }
        run += self.bits.take(self.run_order()) as usize;
        if run < left_in_line {
            Ok(run)
        } else {
            Err(corrupt("a run leaves its line"))
        }
    }

    fn run_order(&self) -> u32 {
        J.get(self.run_index).copied().unwrap_or(15)
    }

    /// A.7.2: the sample that ends a run.
    fn run_interruption(&mut self, left: i32, up: i32) -> Result<i32, CodecError> {
        let alike = (left - up).abs() <= self.frame.near;
        let limit = self.limit - self.run_order() - 1;
        let [unlike_context, alike_context] = &mut self.run_contexts;
        let (context, kind) = if alike {
            (alike_context, 1)
        } else {
            (unlike_context, 0)
        };
        let k = golomb_order(context.a + kind * (context.n >> 1), context.n);
        let mapped = self.bits.golomb(k, limit, self.quantised_bits)?;
        let error = context.error(mapped + kind, k);
        context.update(error, mapped, kind, self.frame.reset);
        let sign = if !alike && left > up { -1 } else { 1 };
        let predicted = if alike { left } else { up };
        Ok(self.reconstruct(predicted + sign * error * self.quantum))
    }

    /// A.4.5: back into the range of samples.
    fn reconstruct(&self, value: i32) -> i32 {
        let (max_value, near) = (self.frame.max_value, self.frame.near);
        let modulus = self.range * self.quantum;
        let value = if value < -near {
            value + modulus
        } else if value > max_value + near {
            value - modulus
        } else {
            value
        };
        value.clamp(0, max_value)
    }
}

/// A.3.3.
fn quantise(difference: i32, frame: &Frame) -> i8 {
    let [t1, t2, t3] = frame.thresholds;
    let size = difference.abs();
    let region = if size <= frame.near {
        0
    } else if size < t1 {
        1
    } else if size < t2 {
        2
    } else if size < t3 {
        3
    } else {
        4
    };
    if difference < 0 { -region } else { region }
}

/// A.5.1: the smallest k for which n x 2^k reaches a; a stays below 2^25.
fn golomb_order(a: i32, n: i32) -> u32 {
    // As many bits as a has, or one more.
    let k = n.leading_zeros().saturating_sub(a.leading_zeros());
    k + u32::from((n << k) < a)
}

impl Context {
    /// A.6: learns from an error.
    fn update(&mut self, error: i32, quantum: i32, reset: i32) {
        self.b += error * quantum;
        self.a += error.abs();
        if self.n == reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        // Up where the bias is too low, down where it is too high.
        let step = i32::from(self.b > 0) - i32::from(self.b <= -self.n);
        self.b = (self.b - step * self.n).clamp(1 - self.n, 0);
        self.c = (self.c + step).clamp(-128, 127);
    }
}

impl RunContext {
    /// A.7.2.2, inverted.
    fn error(&self, mapped: i32, k: u32) -> i32 {
        let odd = mapped & 1;
        let size = (mapped + odd) >> 1;
        let negative_is_odd = k != 0 || 2 * self.negative >= self.n;
        if negative_is_odd == (odd == 1) {
            -size
        } else {
            size
        }
    }

    fn update(&mut self, error: i32, mapped: i32, kind: i32, reset: i32) {
        self.negative += i32::from(error < 0);
        self.a += (mapped + 1 - kind) >> 1;
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negative >>= 1;
        }
        self.n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{decode as decode_frame, *};
    use crate::volume::vectors::{
        self, JPEG_LS_8, JPEG_LS_12, JPEG_LS_12_NEAR_2, JPEG_LS_16, JPEG_LS_OF_THE_STANDARD, bytes,
        image, worst,
    };

    fn decode(stream: &[u8]) -> Result<Vec<u16>, CodecError> {
        decode_frame(stream, &vectors::header(vectors::ROWS, vectors::COLUMNS))
    }

    #[test]
    fn streams_of_charls_are_decoded_to_the_bit() {
        assert_eq!(decode(&bytes(JPEG_LS_8)).unwrap(), image(1, 255));
        assert_eq!(decode(&bytes(JPEG_LS_12)).unwrap(), image(1, 4095));
        assert_eq!(decode(&bytes(JPEG_LS_16)).unwrap(), image(37, 65535));
    }

    #[test]
    fn the_example_of_the_standard_is_decoded() {
        let expected = [
            [0, 0, 90, 74],
            [68, 50, 43, 205],
            [64, 145, 145, 145],
            [100, 145, 145, 145],
        ];
        let header = vectors::header(4, 4);
        let decoded = decode_frame(&bytes(JPEG_LS_OF_THE_STANDARD), &header).unwrap();
        assert_eq!(decoded, expected.as_flattened());
    }

    #[test]
    fn near_lossless_stays_within_its_promise() {
        let decoded = decode(&bytes(JPEG_LS_12_NEAR_2)).unwrap();
        assert_eq!(worst(&decoded, &image(1, 4095)), 2);
    }

    #[test]
    fn no_flipped_bit_panics_and_every_cut_is_noticed() {
        for stream in [JPEG_LS_8, JPEG_LS_12, JPEG_LS_12_NEAR_2, JPEG_LS_16].map(bytes) {
            for length in 0..stream.len() - 8 {
                assert!(decode(stream.get(..length).unwrap()).is_err(), "{length}");
            }
            for bit in 0..stream.len() * 8 {
                let mut damaged = stream.clone();
                *damaged.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
                let _ = decode(&damaged);
            }
        }
    }
}
