use crate::{encode::Segmentation, phantom::Phantom};

/// How well the mask must fit the truth, liver and tumour: well below what the model in the binary
/// reaches on this phantom, well above what any wrong mask does.
const LEAST_DICE: [f64; 2] = [0.8, 0.4];

/// How far the volume of the liver may be off, as a share.
const VOLUME_TOLERANCE: f64 = 0.25;

/// What arrived, beside the truth.
pub(super) struct Comparison {
    /// Of liver and tumour.
    pub dice: [f64; 2],
    pub liver_ml: f64,
    pub truth_ml: f64,
}

impl Comparison {
    pub(super) fn holds(&self) -> bool {
        // Written so that NaN does not hold.
        let fits = self
            .dice
            .iter()
            .zip(LEAST_DICE)
            .all(|(dice, least)| *dice >= least);
        let off = (self.liver_ml - self.truth_ml).abs();
        fits && off <= VOLUME_TOLERANCE * self.truth_ml
    }

    pub(super) fn words(&self) -> String {
        let [liver, tumour] = self.dice;
        let [least_liver, least_tumour] = LEAST_DICE;
        format!(
            "liver {:.0} ml of {:.0} ml, Dice {liver:.2} ({least_liver} needed), tumour Dice \
             {tumour:.2} ({least_tumour} needed)",
            self.liver_ml, self.truth_ml
        )
    }
}

/// Dice of one segment over all voxels; frames are placed by their position.
pub fn dice(segmentation: &Segmentation, phantom: &Phantom, segment: u16) -> f64 {
    let (mut both, mut sum) = (0_u64, 0_u64);
    for (plane, truth) in phantom.planes.iter().zip(phantom.truth.outer_iter()) {
        let near = |a: &[f64; 3]| {
            let axes = a.iter().zip(plane.position);
            axes.into_iter().all(|(a, b)| (a - b).abs() < 1e-3)
        };
        let frame = segmentation
            .frames
            .iter()
            .find(|frame| frame.segment == segment && near(&frame.position));
        for (at, &value) in truth.iter().enumerate() {
            let there = u16::from(value) == segment;
            let found = frame.is_some_and(|frame| frame.mask.get(at) == Some(&true));
            both += u64::from(there && found);
            sum += u64::from(there) + u64::from(found);
        }
    }
    if sum == 0 {
        1.0
    } else {
        2.0 * both as f64 / sum as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_that_fits_badly_or_measures_wrong_does_not_pass() {
        let right = Comparison {
            dice: [0.95, 0.8],
            liver_ml: 1000.0,
            truth_ml: 1010.0,
        };
        assert!(right.holds());
        let wrong = [
            ([0.5, 0.8], 1000.0),
            ([0.95, 0.0], 1000.0),
            ([f64::NAN, 0.8], 1000.0),
            ([0.95, 0.8], 500.0),
            ([0.95, 0.8], f64::NAN),
        ];
        for (dice, liver_ml) in wrong {
            let comparison = Comparison {
                dice,
                liver_ml,
                truth_ml: 1010.0,
            };
            assert!(!comparison.holds(), "{}", comparison.words());
        }
    }
}
