use std::ops::RangeInclusive;

use half::{f16, slice::HalfFloatSliceExt};

use crate::{engine::Logits, model::CLASSES};

/// Calibrated class probabilities of one slice at the network's resolution, `[class, row, column]`
/// in the network's orientation. Half precision: a whole series waits for its last slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    pub(super) side: usize,
    pub(super) values: Vec<f16>,
}

impl Probabilities {
    /// The softmax of the logits, each class divided by its temperature.
    ///
    /// # Panics
    /// If the logits are not `[classes, side, side]`, which every engine's are.
    #[must_use]
    pub fn of(logits: &Logits, temperature: &[f32; CLASSES]) -> Self {
        let (classes, side, columns) = logits.0.dim();
        assert_eq!((classes, side), (CLASSES, columns));
        let mut scaled: Vec<f32> = Vec::with_capacity(logits.0.len());
        for (class, temperature) in logits.0.outer_iter().zip(temperature) {
            scaled.extend(class.iter().map(|logit| logit / temperature));
        }
        let pixels = side * side;
        for i in 0..pixels {
            let of = [scaled[i], scaled[pixels + i], scaled[2 * pixels + i]];
            let highest = of.into_iter().fold(f32::MIN, f32::max);
            let exponentials = of.map(|logit| (logit - highest).exp());
            let sum: f32 = exponentials.iter().sum();
            for (class, exponential) in exponentials.into_iter().enumerate() {
                scaled[class * pixels + i] = exponential / sum;
            }
        }
        Self::from_single(side, &scaled)
    }

    /// The mean over slices of one series; `None` without any.
    ///
    /// # Panics
    /// If they are not of one size.
    #[must_use]
    pub fn mean<'a>(slices: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut slices = slices.into_iter();
        let first = slices.next()?;
        let mut sums = first.to_single();
        let mut count = 1_u16;
        for slice in slices {
            assert_eq!(slice.side, first.side);
            for (sum, value) in sums.iter_mut().zip(slice.to_single()) {
                *sum += value;
            }
            count += 1;
        }
        for sum in &mut sums {
            *sum /= f32::from(count);
        }
        Some(Self::from_single(first.side, &sums))
    }

    pub(super) fn to_single(&self) -> Vec<f32> {
        let mut single = vec![0.0; self.values.len()];
        self.values.convert_to_f32_slice(&mut single);
        single
    }

    fn from_single(side: usize, single: &[f32]) -> Self {
        let mut values = vec![f16::ZERO; single.len()];
        values.convert_from_f32_slice(single);
        Self { side, values }
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

    fn logits(of_each_pixel: [f32; 3]) -> Logits {
        Logits(Array3::from_shape_fn((3, 2, 2), |(class, ..)| {
            of_each_pixel[class]
        }))
    }

    #[test]
    fn probabilities_add_up_and_survive_huge_logits() {
        let even = Probabilities::of(&logits([1.0, 1.0, 1.0]), &[1.0; 3]).to_single();
        assert!(even.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-3));
        let sure = Probabilities::of(&logits([-1e30, 1e30, 0.0]), &[1.0; 3]).to_single();
        assert_eq!(
            sure,
            [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
        );
    }

    #[test]
    fn a_temperature_makes_its_class_less_sure() {
        let at =
            |temperature| Probabilities::of(&logits([0.0, 4.0, 0.0]), &temperature).to_single()[4];
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
        let sure = Probabilities::of(&logits([0.0, 30.0, 0.0]), &[1.0; 3]);
        let none = Probabilities::of(&logits([30.0, 0.0, 0.0]), &[1.0; 3]);
        let mean = Probabilities::mean([&sure, &none, &none])
            .unwrap()
            .to_single();
        assert!((mean[0] - 2.0 / 3.0).abs() < 1e-3);
        assert!((mean[4] - 1.0 / 3.0).abs() < 1e-3);
        assert_eq!(Probabilities::mean([&sure]), Some(sure.clone()));
        assert_eq!(Probabilities::mean([]), None);
    }
}
