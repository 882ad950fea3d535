//! Voxels with a place in the world: stored values become Hounsfield units, slices become a stack.
//!
//! If this module is wrong, the tumour is measured wrongly or drawn beside itself, and nothing
//! crashes to say so. Hence three rules. Geometry comes from ImagePositionPatient and
//! ImageOrientationPatient alone; tags such as SpacingBetweenSlices, GantryDetectorTilt or
//! SliceLocation are hearsay. Voxels are never reoriented or resampled: what leaves lies on the grid
//! that came. And what cannot be placed or decoded for certain is refused with a reason.
//!
//! Conventions: LPS patient axes, millimetres; indices are (slice, row, column); PixelSpacing is
//! (between rows, between columns), PS3.3 §10.7.1.3.

mod arrange;
mod code_stream;
mod coding_styles;
mod compressed;
mod decode;
mod entropy;
mod findings;
mod fragments;
mod geometry;
mod hounsfield;
mod jpeg_extended;
mod jpeg_lossless;
mod jpeg_ls;
mod run_lengths;
mod stations;
mod steps;
#[cfg(test)]
mod vectors;
mod view;

pub use arrange::{FrameRef, MIN_SLICES, Stack, arrange};
pub use compressed::CodecError;
pub use decode::{DecodeError, FrameSource, HuSlice, decode};
pub use findings::{GeometryError, GeometryFinding};
pub use geometry::VolumeGeometry;
pub use hounsfield::AIR_HU;
pub use view::CanonicalView;
