//! Which series are ours, and when one is complete.
//!
//! A study that a scanner pushes is mostly not for us: localizers, reformats, dose reports, bolus
//! tracking. Taking one of those for a liver CT gives a wrong answer; passing over a liver CT gives
//! none. And DICOM never says "that was the last slice": ending too early litters the PACS with
//! superseded results, ending too late keeps the radiologist waiting. This module reads what a
//! decision needs from each instance ([`InstanceHeader`]), and decides. It opens nothing and reads
//! no clock.

mod assembly;
mod collect;
mod contiguity;
mod eligibility;
mod functional_groups;
mod gathering;
mod header;
pub(crate) mod part10;
#[cfg(test)]
pub(crate) mod sample;
mod values;

pub use assembly::{Assembler, Completed, Evidence};
pub use eligibility::{Eligibility, eligibility, is_slice, judge, too_few};
pub use header::{FrameHeader, HeaderError, InstanceHeader, PixelFormat, Rescale};
pub use part10::Part10Error;
