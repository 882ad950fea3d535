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

mod label;
mod probabilities;

use ndarray::Array2;

pub use label::label_slice;
pub use probabilities::{Probabilities, neighbours};

/// The label map of a series: one `[row, column]` array per slice, in the order of the stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    pub slices: Vec<Array2<u8>>,
}
