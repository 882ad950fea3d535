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
mod border;
mod certainty;
mod closing;
mod gates;
mod histogram;
mod label;
mod labels;
mod maps;
mod measure;
mod postprocess;
mod probabilities;
mod runs;
mod sample;
#[cfg(test)]
pub(crate) mod testing;
mod view;

pub use agreement::{Agreement, shift, slices_to_look_at_again};
pub use certainty::{Said, absorb_uncertain_lesions};
pub use gates::{Examination, Gate, Outcome, examine, not_asked, verdict};
pub use histogram::HuHistogram;
pub use label::label_slice;
pub use labels::{LabelSlice, Labels};
pub use maps::{Maps, map_slice};
pub use measure::{Findings, Lesion, measure};
pub use postprocess::{Changes, postprocess};
pub use probabilities::{LogOdds, Probabilities, neighbours};
pub use sample::OrganSample;
pub use view::View;
