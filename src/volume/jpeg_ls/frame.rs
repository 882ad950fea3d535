//! The marker segments before the scan.

#![deny(clippy::indexing_slicing)]

use super::{CodecError, corrupt};
use crate::volume::code_stream::Announced;

/// Start of frame, LSE parameters and start of scan together.
pub(super) struct Frame {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) max_value: i32,
    pub(super) near: i32,
    pub(super) thresholds: [i32; 3],
    pub(super) reset: i32,
}

impl Frame {
    /// Walks the marker segments up to the entropy-coded bytes, which it returns too.
    pub(super) fn parse(stream: &[u8]) -> Result<(Self, &[u8]), CodecError> {
        let truncated = || corrupt("the stream ends within its header");
        let mut rest = stream.get(2..).ok_or_else(truncated)?;
        let mut start_of_frame: Option<(u32, usize, usize)> = None;
        // MAXVAL, T1, T2, T3, RESET; 0 means the default.
        let mut preset = [0; 5];
        loop {
            let [fill, marker, high, low, ..] = *rest else {
                return Err(truncated());
            };
            if fill != 0xFF {
                return Err(corrupt("a marker is expected"));
            }
            if marker == 0xFF {
                rest = rest.get(1..).ok_or_else(truncated)?;
                continue;
            }
            let length = usize::from(u16::from_be_bytes([high, low])).max(2);
            let segment = rest.get(4..2 + length).ok_or_else(truncated)?;
            rest = rest.get(2 + length..).ok_or_else(truncated)?;
            match (marker, segment) {
                (SOF55, [precision, y1, y0, x1, x0, 1, ..]) => {
                    let rows = u16::from_be_bytes([*y1, *y0]).into();
                    let columns = u16::from_be_bytes([*x1, *x0]).into();
                    start_of_frame = Some((u32::from(*precision), rows, columns));
                }
                (LSE, [1, parameters @ ..]) => {
                    for (value, bytes) in preset.iter_mut().zip(parameters.as_chunks::<2>().0) {
                        *value = i32::from(u16::from_be_bytes(*bytes));
                    }
                }
                (LSE | DRI, _) => {
                    return Err(corrupt("mapping tables and restarts are not for DICOM"));
                }
                (SOS, [1, _, 0, near, _, 0, ..]) => {
                    let (precision, rows, columns) =
                        start_of_frame.ok_or_else(|| corrupt("a scan before its frame"))?;
                    let frame = Self::new(precision, (rows, columns), (*near).into(), preset)?;
                    return Ok((frame, rest));
                }
                (SOS | SOF55, _) => {
                    return Err(corrupt("not one component without a mapping table"));
                }
                _ => {}
            }
        }
    }

    pub(super) fn announced(&self) -> Announced {
        Announced {
            rows: self.rows as u32,
            columns: self.columns as u32,
            components: 1,
        }
    }

    /// C.2.4.1.1: defaults, and the limits on what a stream may set.
    fn new(
        precision: u32,
        (rows, columns): (usize, usize),
        near: i32,
        [max_value, t1, t2, t3, reset]: [i32; 5],
    ) -> Result<Self, CodecError> {
        if !(2..=16).contains(&precision) || rows == 0 || columns == 0 {
            return Err(corrupt("not 2 to 16 bits, or no size"));
        }
        let highest = (1 << precision) - 1;
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let max_value = or(max_value, highest);
        let [d1, d2, d3] = default_thresholds(max_value, near);
        let frame = Self {
            columns,
            rows,
            max_value,
            near,
            thresholds: [or(t1, d1), or(t2, d2), or(t3, d3)],
            reset: or(reset, 64),
        };
        let [t1, t2, t3] = frame.thresholds;
        let sane = (1..=highest).contains(&max_value)
            && near <= (max_value / 2).min(255)
            && near < t1
            && t1 <= t2
            && t2 <= t3
            && t3 <= max_value
            && (3..=255).contains(&frame.reset);
        if sane {
            Ok(frame)
        } else {
            Err(corrupt("coding parameters out of range"))
        }
    }
}

const SOF55: u8 = 0xF7;
const LSE: u8 = 0xF8;
const DRI: u8 = 0xDD;
const SOS: u8 = 0xDA;

/// C.2.4.1.1.1.
fn default_thresholds(max_value: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, least: i32| {
        if value > max_value || value < least {
            least
        } else {
            value
        }
    };
    let [t1, t2, t3] = if max_value >= 128 {
        let factor = (max_value.min(4095) + 128) >> 8;
        [factor + 2, factor * 4 + 3, factor * 17 + 4]
    } else {
        let factor = 256 / (max_value + 1);
        [
            (3 / factor).max(2),
            (7 / factor).max(3),
            (21 / factor).max(4),
        ]
    };
    let t1 = clamp(t1 + 3 * near, near + 1);
    let t2 = clamp(t2 + 5 * near, t1);
    let t3 = clamp(t3 + 7 * near, t2);
    [t1, t2, t3]
}
