//! What the radiologist opens: a DICOM SEG of the liver and its tumours, the numbers as a structured
//! report, and a picture.
//!
//! Everything here ends up in a viewer somebody trusts. A mask that is shifted by a slice, mirrored
//! or filed under another patient is worse than none, and validators miss most of it; the rules
//! this module keeps are the ones viewers were seen to break over, and `tests/oracle` reads every
//! kind of object back with two readers that share no code with it.
//!
//! Conventions: masks stay on the source grid in the source's orientation; attributes of the
//! patient, the study and the geometry are repeated as sent; UIDs are computed, so making a result
//! again makes the same instance; the only clock is the `now` that is passed in.

mod caption;
mod capture;
mod content;
mod elements;
mod equipment;
mod file;
mod frames;
mod functional_groups;
mod identity;
mod kind;
mod modules;
mod packing;
mod picture;
mod preview;
mod read;
mod report;
mod segmentation;
mod segments;
mod series_module;
mod source;
mod source_slices;

use crate::{
    dicom::{ElementError, Remedy, Uid},
    mask::Labels,
    model::SegmentSpec,
    series::{InstanceHeader, Part10Error},
    volume::Stack,
};

pub use capture::{CaptureInput, capture};
pub use kind::ObjectKind;
pub use modules::COPIED;
pub use picture::{EdgePixel, Window, edges, picture};
pub use preview::{preview, slice_to_show};
pub use read::{ReadError, SegmentFrame, Segmentation};
pub use report::{ReportInput, report};
pub use segmentation::segmentation;

/// Everything a segmentation object is made from.
pub struct SegInput<'a> {
    /// The Part 10 file of one source instance: patient, study and frame of reference are copied
    /// from it.
    pub template: &'a [u8],
    /// Of the source instances, in any order; at least those that `stack` names.
    pub headers: &'a [InstanceHeader],
    pub stack: &'a Stack,
    /// One slice a frame of `stack`, in its order.
    pub labels: &'a Labels,
    /// Segment number n is the n-th of these.
    pub segments: &'a [SegmentSpec],
    pub equipment: &'a Equipment,
    pub model: Model<'a>,
    /// Of everything that changes what comes out besides the model.
    pub configuration_digest: &'a str,
    /// Counts the results of this source series, from 1: the InstanceNumber.
    pub revision: u32,
    pub now: &'a jiff::Zoned,
}

/// This box, as PS3.3 C.7.5.2 wants it named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Equipment {
    pub manufacturer: String,
    pub model_name: String,
    pub serial_number: String,
    pub software_versions: Vec<String>,
}

/// Which weights a result comes from.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// SHA-256 of the bundle in hexadecimal.
    pub digest: &'a str,
}

impl Model<'_> {
    /// Name, version and enough of the digest to tell two builds of one version apart.
    fn named(&self) -> String {
        let digest: String = self.digest.chars().take(12).collect();
        format!("{} {} sha256:{digest}", self.name, self.version)
    }
}

/// A finished object.
#[derive(Clone, Debug)]
pub struct EncodedObject {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub series: Uid,
    /// A Part 10 file in Explicit VR Little Endian.
    pub bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("the source instance to copy the patient from cannot be read")]
    Template(#[source] Part10Error),
    #[error("the data set to copy the patient from cannot be read")]
    TemplateDataSet(#[source] ElementError),
    #[error("there is no header, or no plane, for frame {frame} of source instance {instance}")]
    NoPlane { instance: Uid, frame: usize },
    #[error("the stack has no slices")]
    NoSlices,
    #[error("{slices} slices of labels for {frames} source frames")]
    SliceCount { slices: usize, frames: usize },
    #[error("slice {slice} has {found:?} rows and columns of labels, its image has {expected:?}")]
    SliceSize {
        slice: usize,
        found: (usize, usize),
        expected: (usize, usize),
    },
    #[error("the mask needs {bytes} bytes; a DICOM value has at most 4294967294")]
    TooLarge { bytes: u64 },
    #[error("the data set cannot be written")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl EncodeError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Template(_) | Self::TemplateDataSet(_) => Remedy::Resend,
            Self::NoPlane { .. }
            | Self::NoSlices
            | Self::SliceCount { .. }
            | Self::SliceSize { .. }
            | Self::TooLarge { .. }
            | Self::Write(_) => Remedy::Service,
        }
    }
}
