//! How good a segmentation is, in numbers that mean the same as in the literature.
//!
//! A figure without its definition is worth nothing: the same predictions score 0.67, 0.76 or 0.80
//! of "tumour Dice" depending on who averages what, and ten tools give ten Hausdorff distances. What
//! is computed here, always:
//!
//! * The *liver* is liver and tumour together, as LiTS and its successors score it; the *tumour* is
//!   tumour alone.
//! * Surfaces are masks without their 6-neighbour erosion, padded by a voxel; distances are exact,
//!   in mm, with the slice step taken from positions (`surface`). HD95 is the larger of the two
//!   directed percentiles; `hd95_pooled` and the area-weighted `surfel` forms stand beside it.
//! * Tumour Dice three ways: the mean over cases that have a tumour, pooled over all voxels, and
//!   lesion by lesion (26-connected).
//! * Where neither mask has a voxel a case is left out of a structure's means, and counted. Where
//!   only one has: Dice and NSD are 0, distances are the diagonal of the volume.
//! * Intervals are 95 % percentile bootstrap over patients, each with all its cases.

mod cases;
mod distance;
mod fourier;
mod html;
mod image;
mod lesions;
mod overlap;
mod report;
mod scores;
mod slices;
mod statistics;
mod surface;
mod surfel;
mod table;

use ndarray::Array3;
use serde::Serialize;

pub use cases::{CaseError, CasePaths, pairs};
pub use fourier::{BoundaryOrder, Descriptors, boundary_order};
pub use html::HtmlReport;
pub use image::{ImageError, series_image};
pub use lesions::{Lesion, Lesions};
pub use overlap::Counts;
pub use report::{LesionWise, Pooled, Report, SizeClass, StructureReport, evaluate};
pub use scores::{CaseReport, Metric, Outcome, Scores};
pub use slices::{LabelledSlice, SliceDataError, SlicePaths, slices};
pub use statistics::{Resampling, Summary, percentile};
pub use surface::{Cropped, Directed};
pub use surfel::Surfels;

/// One volume or slice of a patient: what was predicted and what is true, on the same grid.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// Who shares what makes cases alike.
    pub patient: String,
    /// 0 background, 1 liver, 2 tumour; [slice, row, column].
    pub prediction: Array3<u8>,
    pub truth: Array3<u8>,
    /// Between slices, rows and columns. Without it nothing is measured in mm or ml.
    pub spacing_mm: Option<[f64; 3]>,
    pub labelled: Labelled,
    /// Hounsfield units under the overlays of the HTML report.
    pub image: Option<Array3<i16>>,
}

/// What a metric is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Structure {
    /// Liver and tumours together.
    Liver,
    Tumour,
}

impl Structure {
    #[must_use]
    pub fn holds(self, label: u8) -> bool {
        match self {
            Self::Liver => label >= 1,
            Self::Tumour => label == 2,
        }
    }
}

/// What the truth distinguishes. A tumour predicted where tumours were never labelled is neither
/// right nor wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labelled {
    LiverAndTumour,
    LiverOnly,
}

/// What to do with a case in which neither mask has a voxel of a structure.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BothEmpty {
    /// Left out of the means and counted: the default.
    Exclude,
    /// Dice, IoU and NSD 1, distances 0, as MetricsReloaded scores it.
    ScorePerfect,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Options {
    pub both_empty: BothEmpty,
    pub resampling: Resampling,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            both_empty: BothEmpty::Exclude,
            resampling: Resampling {
                resamples: 10_000,
                seed: 1,
            },
        }
    }
}
