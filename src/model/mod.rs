//! What the weights promise, checked before the first patient.
//!
//! A bundle is a directory: `bundle.toml` (the promises), `encoder.onnx` and `head.onnx` (the
//! network), `golden.npz` (one input and the output it must give). A wrong window, a swapped class
//! or a damaged file would not crash anything: it would put a plausible mask in the wrong place.
//! So a [`Bundle`] exists only after its manifest parsed without an unknown key, its values made
//! sense together and every file had the hash the manifest names. Whether the network computes
//! what it should is the engine's check, against the golden output, at every load. Who made it is
//! the signature's word: only bundles of makers this box trusts are loaded from disk.

#![deny(clippy::indexing_slicing)]

mod bundle;
mod contents;
mod gates;
mod golden;
mod manifest;
mod signature;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;

pub use bundle::{Bundle, BundleError};
pub use contents::{Contents, ContentsError};
pub use gates::{GateThresholds, Limits};
pub use golden::{Golden, GoldenError};
pub use manifest::{
    GoldenTolerance, InputContract, Manifest, ManifestError, Metric, OutputContract, Postprocess,
    Provenance, Quantisation, SegmentSpec,
};
pub use signature::{KeyError, Origin, SignatureError, Trust, TrustedKey};

/// Label of the organ in every label map, and of the first segment.
pub const ORGAN: u8 = 1;
/// Label of lesions inside the organ, and of the second segment.
pub const LESION: u8 = 2;
/// Background, organ, lesion.
pub const CLASSES: usize = 3;
