//! From logits to anatomy.
//!
//! The network answers on its own small grid; the radiologist looks at the scanner's. Labels are
//! made on the source grid, one slice at a time and never as a volume of floats per class, cleaned
//! as the bundle says, and measured with the geometry the series arrived with. A wrong millilitre
//! here is a wrong decision later, so volumes come from each slice's own place and thickness, and
//! what was changed after the network is counted.
//!
//! Conventions: labels are u8, 0 background, 1 organ, 2 lesion; indices are (slice, row, column),
//! slices in the order of the stack.

mod agreement;
mod closing;
mod gates;
mod histogram;
mod label;
mod maps;
mod measure;
mod postprocess;
mod probabilities;
mod runs;
mod sample;
#[cfg(test)]
pub(crate) mod testing;
mod view;

use ndarray::Array2;

pub use agreement::{Agreement, SHIFT, slices_to_look_at_again};
pub use gates::{Examination, Gate, Outcome, examine, not_asked, verdict};
pub use histogram::HuHistogram;
pub use label::label_slice;
pub use maps::{Maps, map_slice};
pub use measure::{Findings, Lesion, measure};
pub use postprocess::{Changes, postprocess};
pub use probabilities::{Probabilities, neighbours};
pub use sample::OrganSample;
pub use view::View;

use crate::volume::VolumeGeometry;

/// The label map of a series: one `[row, column]` array per slice, in the order of the stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    pub slices: Vec<Array2<u8>>,
}

impl Labels {
    fn assert_fits(&self, geometry: &VolumeGeometry) {
        let extent = (geometry.rows(), geometry.columns());
        assert_eq!(self.slices.len(), geometry.n_slices());
        assert!(self.slices.iter().all(|slice| slice.dim() == extent));
    }

    /// The labels under a run.
    fn of(&self, run: runs::Run) -> &[u8] {
        let row = self.slices[run.slice as usize].row(run.row as usize);
        let row = row.to_slice().expect("label slices are row-major");
        &row[run.start as usize..run.end as usize]
    }

    /// How many voxels under a run have this label.
    fn count(&self, run: runs::Run, label: u8) -> usize {
        self.of(run)
            .iter()
            .map(|found| usize::from(*found == label))
            .sum()
    }

    fn of_mut(&mut self, run: runs::Run) -> &mut [u8] {
        let row = self.slices[run.slice as usize].row_mut(run.row as usize);
        let row = row.into_slice().expect("label slices are row-major");
        &mut row[run.start as usize..run.end as usize]
    }
}
