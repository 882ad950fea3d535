//! The network runs.
//!
//! An engine computes a wrong mask as quietly as a right one, so none is trusted because it loaded:
//! every one is [checked](check()) against the bundle's golden output before the first patient, and
//! its values are checked to be finite on every slice. What it is called and where it runs is what
//! really happened, never what was asked for.
//!
//! The network is slice-wise: [`preprocess()`] lays one slice as the bundle wants it, the encoder
//! turns it into an embedding, the head turns that into [`Logits`]. Encoder and head are two graphs,
//! so that a head can be exchanged; they run one after the other, and what passes between them stays
//! where the engine has it. [`Workers`] run jobs on threads that each own one engine.

mod check;
mod choice;
mod graph;
mod interface;
mod onnxruntime;
mod preprocess;
mod schedule;
#[cfg(test)]
mod suite;
#[cfg(test)]
pub(crate) mod testing;
mod tract;
mod workers;

use std::path::PathBuf;

use ndarray::Array3;
use serde::Serialize;

pub use check::{Agreement, check};
pub use choice::{EngineChoice, EngineOptions};
pub use graph::GraphError;
pub use interface::InterfaceError;
pub use preprocess::{Placement, preprocess};
pub use schedule::Urgency;
pub use workers::{Pending, Workers};

use crate::dicom::{Remedy, TroubleKind};

/// One network on one piece of hardware. `&mut` because scratch memory and device contexts are not
/// shareable: each worker thread owns one.
pub trait Engine: Send {
    /// What runs, where.
    fn info(&self) -> &EngineInfo;
    /// Encoder and head over one slice.
    fn predict(&mut self, image: &Image) -> Result<Prediction, EngineError>;
}

/// What really runs: shown on the page and written into every result.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EngineInfo {
    /// "tract" or "onnxruntime".
    pub name: String,
    /// "CPU", "CUDA" or "TensorRT".
    pub device: String,
    /// Of the library.
    pub version: String,
}

/// One slice as the encoder takes it: `[1, 3, S, S]`, row-major, values 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub size: usize,
    pub values: Vec<f32>,
}

impl Image {
    /// The same slice lying further down and to the right in its field, by pixels; what comes in
    /// from outside is air.
    #[must_use]
    pub fn moved(&self, [down, right]: [usize; 2]) -> Self {
        let size = self.size;
        let mut values = vec![0.0; self.values.len()];
        let lines = self.values.chunks_exact(size).enumerate();
        for (line, from) in lines.filter(|(line, _)| line % size + down < size) {
            let kept = size.saturating_sub(right);
            let to = (line + down) * size;
            values[to + size - kept..to + size].copy_from_slice(&from[..kept]);
        }
        Self { size, values }
    }
}

/// What the network says of one slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    pub logits: Logits,
    /// The encoder's probability that the slice shows the organ at all; `None` if it does not judge.
    pub organ_in_view: Option<f32>,
    /// How far the slice lies from those the network was trained on, in standard deviations of
    /// theirs; `None` if the encoder does not say.
    pub distance: Option<f32>,
}

/// `[class, row, column]` at the network's output resolution; finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits(pub Array3<f32>);

type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the bundle's graphs do not fit its manifest")]
    Interface(#[from] InterfaceError),
    #[error("ONNX Runtime cannot be used from {}", path.display())]
    Library { path: PathBuf, source: Cause },
    #[error("engine \"{0}\" needs onnxruntime-library to be set")]
    NoLibrary(&'static str),
    #[error("{engine} cannot load {file}")]
    Load {
        engine: &'static str,
        file: &'static str,
        source: Cause,
    },
    #[error("{engine} failed in {step}")]
    Run {
        engine: &'static str,
        step: &'static str,
        source: Cause,
    },
    #[error("{engine} computed a value that is not finite in {step}")]
    NotFinite {
        engine: &'static str,
        step: &'static str,
    },
    #[error("{engine} is wrong about the bundle's golden slice: {agreement}")]
    Golden {
        engine: String,
        agreement: Agreement,
    },
    #[error("the engine's worker threads could not be started")]
    Threads(#[source] std::io::Error),
    #[error("the engine was stopped")]
    Stopped,
}

impl EngineError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            // Stopping is the appliance's own doing; the series is queued again at boot.
            Self::Stopped | Self::Threads(_) => Remedy::Wait,
            Self::Interface(_)
            | Self::Library { .. }
            | Self::NoLibrary(_)
            | Self::Load { .. }
            | Self::Run { .. }
            | Self::NotFinite { .. }
            | Self::Golden { .. } => Remedy::Service,
        }
    }

    #[must_use]
    pub fn kind(&self) -> TroubleKind {
        match self {
            Self::Golden { .. } => TroubleKind::GoldenCheck,
            Self::Interface(_) => TroubleKind::Model,
            Self::Library { .. }
            | Self::NoLibrary(_)
            | Self::Load { .. }
            | Self::Run { .. }
            | Self::NotFinite { .. }
            | Self::Threads(_)
            | Self::Stopped => TroubleKind::Engine,
        }
    }
}

/// An ONNX file without what quantises activations, as tract and accelerators get it.
pub fn without_activation_quantisation(file: &[u8]) -> Result<Vec<u8>, GraphError> {
    let graph = graph::Graph::parse(file)?;
    Ok(graph.without_activation_quantisation().encode())
}

/// Whether every value is a number. In blocks, so that many are looked at in one instruction.
fn all_finite(values: &[f32]) -> bool {
    let is_finite = |block: &[f32]| {
        block
            .iter()
            .fold(true, |all, value| all & value.is_finite())
    };
    values.chunks(64).all(is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_is_no_number_is_found_wherever_it_stands() {
        for length in [0, 1, 63, 64, 65, 200] {
            let values = vec![f32::MAX; length];
            assert!(all_finite(&values));
            for at in 0..length {
                for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values = values.clone();
                    values[at] = wrong;
                    assert!(!all_finite(&values), "{wrong} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_moved_slice_shows_air_where_it_came_from() {
        let values: Vec<f32> = (1..=27_u8).map(f32::from).collect();
        let moved = Image { size: 3, values }.moved([1, 2]);
        let channel = |first: f32| [0.0, 0.0, 0.0, 0.0, 0.0, first, 0.0, 0.0, first + 3.0];
        assert_eq!(moved.values, [1.0, 10.0, 19.0].map(channel).concat());
    }
}
