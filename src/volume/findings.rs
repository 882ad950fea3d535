//! What can be said about a stack, and why there is none, in sentences for a technician.

use serde::{Deserialize, Serialize};

use super::arrange::MIN_SLICES;
use crate::dicom::{Remedy, TroubleKind};

/// What a radiologist should know about the stack. `Display` is the sentence to show.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum GeometryFinding {
    #[error("{} missing between {} and {:.1}", slices(*.missing), place(.from), .to[2])]
    Gap {
        missing: usize,
        from: [f64; 3],
        to: [f64; 3],
    },
    #[error("slices are unevenly spaced, {from_mm:.2} to {to_mm:.2} mm")]
    Uneven { from_mm: f64, to_mm: f64 },
    #[error("slices are stacked {degrees:.1} degrees off their normal (tilted gantry)")]
    Tilted { degrees: f64 },
    #[error("stacks overlap: {which} is segmented, {left_out} images are left out")]
    OneOfSeveral { left_out: usize, which: String },
    #[error("the series reaches {mm:.0} mm beyond what is segmented")]
    Beyond { mm: f64 },
    #[error("{left_out} images that are no axial slices are left out")]
    NotSlices { left_out: usize },
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GeometryError {
    #[error(
        "a volume needs at least {MIN_SLICES} slices at different positions, this series has {0}"
    )]
    TooFewSlices(usize),
    #[error("slices of {}x{} and of {}x{} pixels are mixed", .0[0], .0[1], .1[0], .1[1])]
    MixedSizes([u16; 2], [u16; 2]),
    #[error("pixel spacings of {:.4}x{:.4} and {:.4}x{:.4} mm are mixed", .0[0], .0[1], .1[0], .1[1])]
    MixedSpacings([f64; 2], [f64; 2]),
    #[error("slices are rotated by {degrees:.1} degrees against each other")]
    Rotated { degrees: f64 },
    #[error("slices belong to several frames of reference")]
    MixedFramesOfReference,
    #[error("images at {} coincide and nothing tells them apart", place(.0))]
    Coincident([f64; 3]),
}

impl GeometryError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Resend
    }

    #[must_use]
    pub fn kind(&self) -> TroubleKind {
        match self {
            Self::TooFewSlices(_) => TroubleKind::TooFewSlices,
            Self::MixedSizes(..) | Self::MixedSpacings(..) | Self::MixedFramesOfReference => {
                TroubleKind::MixedSlices
            }
            Self::Rotated { .. } => TroubleKind::RotatedSlices,
            Self::Coincident(_) => TroubleKind::CoincidentSlices,
        }
    }
}

fn slices(count: usize) -> String {
    if count == 1 {
        "slice".to_owned()
    } else {
        format!("{count} slices")
    }
}

/// How a technician names a position: by its z.
fn place([_, _, z]: &[f64; 3]) -> String {
    format!("z={z:.1}")
}
