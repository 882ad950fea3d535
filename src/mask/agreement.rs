use super::{Labels, LogOdds};

/// How much of the organ the network finds again when a slice is moved under it.
///
/// A mask that follows the anatomy moves along; one that hangs on chance, or on where in the field
/// something lies, does not. A handful of slices says as much about a series as all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Agreement {
    both: usize,
    first: usize,
    again: usize,
}

/// Slices of a series that are looked at again, at most: what this costs does not grow with it.
pub const LOOKS: usize = 5;
/// By how much a slice is moved, down and to the patient's left, in pixels of the network's image.
/// Neither is a whole number of the patches that an encoder divides a slice into.
const SHIFT: [usize; 2] = [6, 10];

/// The same in pixels of the output, of which one is `stride` pixels of the image.
#[must_use]
pub fn shift(stride: usize) -> [usize; 2] {
    SHIFT.map(|pixels| (pixels / stride).max(1))
}

impl Agreement {
    /// Adds one slice: what was found in it, and what was found when it was moved by a [`shift`].
    /// What that moved out of the field is left out.
    ///
    /// # Panics
    /// If the two are not of one size.
    pub fn add(&mut self, first: &LogOdds, moved: &LogOdds, [down, left]: [usize; 2]) {
        assert_eq!(first.side, moved.side);
        let side = first.side;
        for row in 0..side.saturating_sub(down) {
            for column in 0..side.saturating_sub(left) {
                let here = first.is_organ(row, column);
                let there = moved.is_organ(row + down, column + left);
                self.first += usize::from(here);
                self.again += usize::from(there);
                self.both += usize::from(here && there);
            }
        }
    }

    /// Dice; `None` where neither look found any organ.
    #[must_use]
    pub fn dice(&self) -> Option<f64> {
        let total = self.first + self.again;
        (total > 0).then(|| 2.0 * self.both as f64 / total as f64)
    }
}

/// The slices to look at again: spread evenly over those that hold organ.
#[must_use]
pub fn slices_to_look_at_again(labels: &Labels) -> Vec<usize> {
    let holds_organ = |slice: &usize| !labels.slices[*slice].is_background();
    let holding: Vec<usize> = (0..labels.slices.len()).filter(holds_organ).collect();
    let looks = LOOKS.min(holding.len());
    // The middle one of each of as many equal shares.
    let middle = |look: usize| holding[(2 * look + 1) * holding.len() / (2 * looks)];
    (0..looks).map(middle).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

    use super::*;
    use crate::{engine::Logits, model::CLASSES};

    /// A square of organ whose upper left corner lies at a row and column.
    fn organ_at(row: usize, column: usize) -> LogOdds {
        let logits = Array3::from_shape_fn((CLASSES, 32, 32), |(class, r, c)| {
            let inside = (row..row + 10).contains(&r) && (column..column + 10).contains(&c);
            if class == usize::from(inside) {
                9.0
            } else {
                0.0
            }
        });
        LogOdds::of(&Logits(logits), &[1.0; CLASSES])
    }

    #[test]
    fn a_mask_that_moves_along_agrees_and_one_that_stays_does_not() {
        let dice = |moved: &LogOdds| {
            let mut agreement = Agreement::default();
            agreement.add(&organ_at(10, 10), moved, shift(2));
            agreement.dice().unwrap()
        };
        assert!((dice(&organ_at(13, 15)) - 1.0).abs() < 1e-9);
        assert!((dice(&organ_at(10, 10)) - 0.35).abs() < 1e-9);
    }

    #[test]
    fn what_the_shift_moved_out_of_the_field_is_no_disagreement() {
        let mut agreement = Agreement::default();
        agreement.add(&organ_at(10, 22), &organ_at(13, 27), shift(2));
        assert_eq!(agreement.dice(), Some(1.0));
        assert_eq!(Agreement::default().dice(), None);
    }

    #[test]
    fn the_slices_looked_at_are_few_and_spread_over_the_organ() {
        let labels = |organ: std::ops::Range<usize>| -> Labels {
            (0..60)
                .map(|slice| Array2::from_elem((4, 4), u8::from(organ.contains(&slice))))
                .collect()
        };
        assert_eq!(
            slices_to_look_at_again(&labels(10..60)),
            [15, 25, 35, 45, 55]
        );
        assert_eq!(slices_to_look_at_again(&labels(7..9)), [7, 8]);
        assert_eq!(slices_to_look_at_again(&labels(0..0)), [0_usize; 0]);
    }
}
