use std::{ops::RangeInclusive, sync::LazyLock};

use crate::{engine::Logits, model::CLASSES};

/// What the network says of one slice, calibrated, at its own resolution and in its own orientation:
/// for each pixel, row by row, the logarithm of the odds of organ and of lesion against background.
///
/// A byte for each, because a whole series waits for its last slice: in sixteenths, which moves an
/// edge by a hundredth of a pixel, and up to e^8 either way, where nothing hangs on how sure it is.
#[derive(Clone, Debug, PartialEq)]
pub struct LogOdds {
    pub(super) side: usize,
    pub(super) pixels: Vec<[i8; CLASSES - 1]>,
}

/// Of one unit of log odds.
const STEPS: f32 = 16.0;

/// The odds for each byte of log odds, by its bits.
static ODDS: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|bits| (f32::from((bits as u8).cast_signed()) / STEPS).exp())
});

impl LogOdds {
    /// Of logits, each class divided by its temperature.
    ///
    /// # Panics
    /// If the logits are not `[classes, side, side]`, which every engine's are.
    #[must_use]
    pub fn of(logits: &Logits, temperature: &[f32; CLASSES]) -> Self {
        let (classes, side, columns) = logits.0.dim();
        assert_eq!((classes, side), (CLASSES, columns));
        let scale = temperature.map(|temperature| STEPS / temperature);
        let values = logits.0.as_standard_layout();
        let values = values.as_slice().expect("standard layout is one slice");
        let (background, others) = values.split_at(side * side);
        let (organ, lesion) = others.split_at(side * side);
        let pixels = background.iter().zip(organ).zip(lesion);
        let pixels = pixels.map(|((background, organ), lesion)| {
            let least = background * scale[0];
            [organ * scale[1], lesion * scale[2]].map(|scaled| nearest(scaled - least))
        });
        Self {
            side,
            pixels: pixels.collect(),
        }
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.pixels.as_slice())
    }

    /// As many as [`Self::bytes`], for [`Self::from_bytes`].
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let values = self.pixels.as_flattened().iter();
        values.map(|value| value.cast_unsigned()).collect()
    }

    /// Of what [`Self::to_bytes`] gave.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let (pixels, _) = bytes.as_chunks();
        let pixels = pixels.iter().map(|pixel| pixel.map(u8::cast_signed));
        let pixels: Vec<_> = pixels.collect();
        Self {
            side: pixels.len().isqrt(),
            pixels,
        }
    }

    /// Whether the pixel at a row and column is rather organ or lesion than background.
    pub(super) fn is_organ(&self, row: usize, column: usize) -> bool {
        let [background, ..] = probabilities(self.pixels[row * self.side + column]);
        background < 0.5
    }
}

/// The nearest byte; beyond the range its end.
fn nearest(value: f32) -> i8 {
    // The conversion cuts off and saturates. Rounding would be a call for each value where the
    // processor has no instruction for it.
    ((value + 128.5) as u8).wrapping_sub(128).cast_signed()
}

/// Of background, organ and lesion.
pub(super) fn probabilities(log_odds: [i8; CLASSES - 1]) -> [f32; CLASSES] {
    let [organ, lesion] = log_odds.map(|one| ODDS[usize::from(one.cast_unsigned())]);
    let background = 1.0 / (1.0 + organ + lesion);
    [background, organ * background, lesion * background]
}

/// Class probabilities of one slice, `[pixel][class]`, otherwise as [`LogOdds`].
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    pub(super) side: usize,
    pub(super) pixels: Vec<[f32; CLASSES]>,
}

impl Probabilities {
    /// Of a slice alone.
    #[must_use]
    pub fn of(log_odds: &LogOdds) -> Self {
        let pixels = log_odds.pixels.iter().map(|pixel| probabilities(*pixel));
        Self {
            side: log_odds.side,
            pixels: pixels.collect(),
        }
    }

    /// The mean over slices of one series; `None` without any.
    ///
    /// # Panics
    /// If they are not of one size.
    #[must_use]
    pub fn mean<'a>(slices: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut slices = slices.into_iter();
        let mut mean = slices.next()?.clone();
        let mut count = 1_u16;
        for slice in slices {
            assert_eq!(slice.side, mean.side);
            let values = slice.pixels.as_flattened();
            for (sum, value) in mean.pixels.as_flattened_mut().iter_mut().zip(values) {
                *sum += value;
            }
            count += 1;
        }
        let share = 1.0 / f32::from(count);
        for value in mean.pixels.as_flattened_mut() {
            *value *= share;
        }
        Some(mean)
    }
}

/// The slices within `reach_mm` of a slice, itself included. `along_mm` are the slices' places
/// along their normal, rising; so neighbours are physical ones whatever the spacing, and the other
/// side of a gap is no neighbour.
#[must_use]
pub fn neighbours(along_mm: &[f64], slice: usize, reach_mm: f64) -> RangeInclusive<usize> {
    // Positions are rounded by their senders; a slice exactly in reach must not depend on that.
    let near = |other: &f64| (other - along_mm[slice]).abs() <= reach_mm + 0.01;
    let below = along_mm[..slice].iter().rev().take_while(|at| near(at));
    let above = along_mm[slice + 1..].iter().take_while(|at| near(at));
    slice - below.count()..=slice + above.count()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn log_odds(of_each_pixel: [f32; 3], temperature: [f32; 3]) -> LogOdds {
        let logits = Array3::from_shape_fn((3, 2, 2), |(class, ..)| of_each_pixel[class]);
        LogOdds::of(&Logits(logits), &temperature)
    }

    fn mean(slices: &[&LogOdds]) -> [f32; 3] {
        let slices: Vec<_> = slices.iter().map(|one| Probabilities::of(one)).collect();
        Probabilities::mean(&slices).unwrap().pixels[3]
    }

    #[test]
    fn probabilities_are_the_softmax_and_survive_huge_logits() {
        let even = mean(&[&log_odds([1.0, 1.0, 1.0], [1.0; 3])]);
        assert!(
            even.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-6),
            "{even:?}"
        );
        let tilted = mean(&[&log_odds([0.3, 1.1, -0.7], [1.0; 3])]);
        for (found, expected) in tilted.iter().zip([0.278_09, 0.618_90, 0.102_30]) {
            assert!((found - expected).abs() < 0.01, "{tilted:?}");
        }
        let [background, organ, lesion] = mean(&[&log_odds([-1e30, 1e30, -1e30], [1.0; 3])]);
        assert!(organ > 0.999 && background < 4e-4 && lesion < 4e-4);
    }

    #[test]
    fn log_odds_are_rounded_and_saturate() {
        for value in [
            -200.0_f32, -128.0, -127.6, -3.4, -0.6, 0.0, 0.4, 0.6, 126.7, 500.0,
        ] {
            assert_eq!(nearest(value), value.round() as i8, "{value}");
        }
    }

    #[test]
    fn a_temperature_makes_its_class_less_sure() {
        let at = |temperature| mean(&[&log_odds([0.0, 4.0, 0.0], temperature)])[1];
        assert!(at([1.0, 2.0, 1.0]) < at([1.0; 3]) - 0.1);
    }

    #[test]
    fn neighbours_are_physical_ones_and_a_gap_has_none() {
        let along = [0.0, 1.0, 2.0, 3.0, 10.0, 11.0];
        assert_eq!(neighbours(&along, 1, 1.0), 0..=2);
        assert_eq!(neighbours(&along, 3, 3.0), 0..=3);
        assert_eq!(neighbours(&along, 4, 3.0), 4..=5);
        assert_eq!(neighbours(&along, 2, 0.0), 2..=2);
    }

    #[test]
    fn the_mean_is_taken_over_the_slices_given() {
        let sure = log_odds([0.0, 30.0, 0.0], [1.0; 3]);
        let none = log_odds([30.0, 0.0, 0.0], [1.0; 3]);
        let [background, organ, _] = mean(&[&sure, &none, &none]);
        assert!((background - 2.0 / 3.0).abs() < 1e-3);
        assert!((organ - 1.0 / 3.0).abs() < 1e-3);
        assert_eq!(Probabilities::mean([]), None);
    }
}
