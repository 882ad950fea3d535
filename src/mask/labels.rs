use std::ops::Range;

use ndarray::{Array2, ArrayView1, s};

use super::runs::{Run, skip_background};
use crate::volume::VolumeGeometry;

/// The label map of a series: one slice after the other, in the order of the stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    pub slices: Vec<LabelSlice>,
}

impl FromIterator<Array2<u8>> for Labels {
    /// Of whole slices, `[row, column]`.
    fn from_iter<T: IntoIterator<Item = Array2<u8>>>(slices: T) -> Self {
        Self {
            slices: slices.into_iter().map(LabelSlice::from).collect(),
        }
    }
}

impl Labels {
    pub(super) fn assert_fits(&self, geometry: &VolumeGeometry) {
        let extent = (geometry.rows(), geometry.columns());
        assert_eq!(self.slices.len(), geometry.n_slices());
        assert!(self.slices.iter().all(|slice| slice.dim() == extent));
    }

    /// The labels under a run.
    pub(super) fn of(&self, run: Run) -> &[u8] {
        let slice = &self.slices[run.slice as usize];
        let (row, columns) = slice.place(run);
        let row = slice.rectangle.row(row).to_slice();
        &row.expect("a rectangle is row-major")[columns]
    }

    pub(super) fn of_mut(&mut self, run: Run) -> &mut [u8] {
        let slice = &mut self.slices[run.slice as usize];
        let (row, columns) = slice.place(run);
        let row = slice.rectangle.row_mut(row).into_slice();
        &mut row.expect("a rectangle is row-major")[columns]
    }

    /// How many voxels under a run have this label.
    pub(super) fn count(&self, run: Run, label: u8) -> usize {
        self.of(run)
            .iter()
            .map(|found| usize::from(*found == label))
            .sum()
    }
}

/// The labels of one slice. Only the rectangle that just holds what is not background is kept: a
/// fifth of a slice through the middle of a liver, and nothing of the others.
#[derive(Clone, Debug)]
pub struct LabelSlice {
    /// Rows and columns of the slice.
    extent: (usize, usize),
    /// Where the rectangle begins. The column is a multiple of eight, so that in most images each
    /// of its rows begins at a whole byte of a frame with one bit a voxel.
    row: usize,
    column: usize,
    rectangle: Array2<u8>,
}

/// Voxels of a frame with one bit each that share a byte.
const IN_A_BYTE: usize = 8;

impl LabelSlice {
    /// A slice of so many rows and columns with nothing in it.
    #[must_use]
    pub fn background(extent: (usize, usize)) -> Self {
        Self {
            extent,
            row: 0,
            column: 0,
            rectangle: Array2::zeros((0, 0)),
        }
    }

    /// Rows and columns.
    #[must_use]
    pub fn dim(&self) -> (usize, usize) {
        self.extent
    }

    /// `[row, column]`, background included.
    #[must_use]
    pub fn whole(&self) -> Array2<u8> {
        let mut whole = Array2::zeros(self.extent);
        let (rows, columns) = self.rectangle.dim();
        let (row, column) = (self.row, self.column);
        whole
            .slice_mut(s![row..row + rows, column..column + columns])
            .assign(&self.rectangle);
        whole
    }

    /// How many voxels have a label that is not background.
    #[must_use]
    pub fn count(&self, label: u8) -> usize {
        self.rectangle.iter().filter(|one| **one == label).count()
    }

    #[must_use]
    pub fn is_background(&self) -> bool {
        self.rectangle.iter().all(|label| *label == 0)
    }

    /// Row, first column and labels of stretches outside which there is only background.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (usize, usize, &[u8])> {
        let lines = self.rectangle.rows().into_iter().enumerate();
        lines.map(|(line, labels)| {
            let labels = labels.to_slice().expect("a rectangle is row-major");
            (self.row + line, self.column, labels)
        })
    }

    /// Where a run lies in the rectangle.
    ///
    /// # Panics
    /// If it lies outside.
    fn place(&self, run: Run) -> (usize, Range<usize>) {
        let [start, end] = [run.start, run.end].map(|column| column as usize - self.column);
        (run.row as usize - self.row, start..end)
    }
}

impl From<Array2<u8>> for LabelSlice {
    /// Of a whole slice, `[row, column]`.
    fn from(whole: Array2<u8>) -> Self {
        let whole = whole.as_standard_layout();
        // The first column with a label and the one behind the last.
        let reach = |line: ArrayView1<'_, u8>| {
            let line = line.to_slice().expect("it is row-major");
            let first = skip_background(line, 0);
            let last = line[first..].iter().rposition(|label| *label != 0)?;
            Some([first, first + last + 1])
        };
        let lines = whole.rows().into_iter().enumerate();
        let labelled: Vec<(usize, [usize; 2])> = lines
            .filter_map(|(row, line)| Some((row, reach(line)?)))
            .collect();
        let [Some((top, _)), Some((bottom, _))] = [labelled.first(), labelled.last()] else {
            return Self::background(whole.dim());
        };
        let ends = labelled.iter().map(|(_, ends)| *ends);
        let [left, right] = ends.fold([usize::MAX, 0], |[left, right], [first, end]| {
            [left.min(first), right.max(end)]
        });
        let left = left - left % IN_A_BYTE;
        Self {
            extent: whole.dim(),
            row: *top,
            column: left,
            rectangle: whole.slice(s![*top..=*bottom, left..right]).to_owned(),
        }
    }
}

/// By what they show: how much of the background is kept does not count.
impl PartialEq for LabelSlice {
    fn eq(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_slice_is_what_it_was_made_of(
            rows in 1_usize..12,
            columns in 1_usize..40,
            labels in prop::collection::vec((0_usize..12 * 40, 1_u8..3), 0..4),
        ) {
            let mut whole = Array2::zeros((rows, columns));
            for (at, label) in labels {
                whole[[at / 40 % rows, at % columns]] = label;
            }
            for layout in [whole.clone(), whole.clone().reversed_axes()] {
                let slice = LabelSlice::from(layout.clone());
                prop_assert_eq!(slice.dim(), layout.dim());
                prop_assert_eq!(slice.count(2), layout.iter().filter(|one| **one == 2).count());
                prop_assert_eq!(slice.is_background(), layout.iter().all(|one| *one == 0));
                let mut painted = Array2::zeros(layout.dim());
                for (row, column, stretch) in slice.stretches() {
                    prop_assert_eq!(column % IN_A_BYTE, 0);
                    for (at, label) in stretch.iter().enumerate() {
                        painted[[row, column + at]] = *label;
                    }
                }
                prop_assert_eq!(&painted, &layout);
                prop_assert_eq!(slice.whole(), layout);
            }
        }
    }

    #[test]
    fn only_what_holds_labels_is_kept() {
        let mut whole = Array2::zeros((512, 512));
        assert_eq!(LabelSlice::from(whole.clone()).rectangle.len(), 0);
        whole.slice_mut(s![100..200, 203..300]).fill(1);
        assert_eq!(LabelSlice::from(whole).rectangle.dim(), (100, 100));
    }
}
