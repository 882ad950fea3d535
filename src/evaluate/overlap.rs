//! How many voxels agree.

use ndarray::ArrayView3;
use serde::Serialize;

/// Voxels by what the truth and the prediction say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    pub true_positive: u64,
    pub false_positive: u64,
    pub false_negative: u64,
    pub true_negative: u64,
}

impl Counts {
    /// Counts the voxels of two equally shaped label volumes for which `is` holds.
    pub fn of(
        prediction: ArrayView3<'_, u8>,
        truth: ArrayView3<'_, u8>,
        is: impl Fn(u8) -> bool,
    ) -> Self {
        let mut counts = Self::default();
        ndarray::Zip::from(prediction).and(truth).for_each(|p, t| {
            let cell = match (is(*p), is(*t)) {
                (true, true) => &mut counts.true_positive,
                (true, false) => &mut counts.false_positive,
                (false, true) => &mut counts.false_negative,
                (false, false) => &mut counts.true_negative,
            };
            *cell += 1;
        });
        counts
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            true_positive: self.true_positive + other.true_positive,
            false_positive: self.false_positive + other.false_positive,
            false_negative: self.false_negative + other.false_negative,
            true_negative: self.true_negative + other.true_negative,
        }
    }

    #[must_use]
    pub fn predicted(&self) -> u64 {
        self.true_positive + self.false_positive
    }

    #[must_use]
    pub fn true_total(&self) -> u64 {
        self.true_positive + self.false_negative
    }

    /// 2 TP / (2 TP + FP + FN). The same number as F1. `None` if nobody sees anything.
    #[must_use]
    pub fn dice(&self) -> Option<f64> {
        ratio(
            2 * self.true_positive,
            2 * self.true_positive + self.false_positive + self.false_negative,
        )
    }

    #[must_use]
    pub fn iou(&self) -> Option<f64> {
        ratio(
            self.true_positive,
            self.true_positive + self.false_positive + self.false_negative,
        )
    }

    #[must_use]
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_total())
    }

    #[must_use]
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive, self.predicted())
    }

    /// Of all voxels of the volume, air included: near 1 even for an empty prediction.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        ratio(
            self.true_positive + self.true_negative,
            self.predicted() + self.false_negative + self.true_negative,
        )
    }

    /// Signed, in percent of the true volume.
    #[must_use]
    pub fn volume_error_percent(&self) -> Option<f64> {
        ratio(self.predicted(), self.true_total()).map(|share| 100.0 * (share - 1.0))
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The CHAOS example of 1,342,595 true, 1,333,673 predicted and 1,309,276 common voxels, whose
    /// Dice and volume error its authors publish.
    #[test]
    fn ratios_are_those_published_for_a_known_case() {
        let counts = Counts {
            true_positive: 1_309_276,
            false_positive: 1_333_673 - 1_309_276,
            false_negative: 1_342_595 - 1_309_276,
            true_negative: 78 * 512 * 512 - 1_333_673 - (1_342_595 - 1_309_276),
        };
        let near = |value: Option<f64>, expected: f64| {
            assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?}");
        };
        near(counts.dice(), 0.978_434_1);
        near(counts.iou(), 0.957_778_8);
        near(counts.volume_error_percent(), -0.664_534);
        assert_eq!(Counts::default().dice(), None);
    }
}
