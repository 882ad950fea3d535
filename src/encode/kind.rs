use dicom_dictionary_std::uids;
use serde::{Deserialize, Serialize};

use crate::dicom::Uid;

/// What is made from a series, and can be sent to a destination.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// DICOM Segmentation.
    Seg,
    /// TID 1500 measurement report.
    Report,
    /// Secondary capture with burnt-in contours.
    Preview,
}

impl ObjectKind {
    pub const ALL: [Self; 3] = [Self::Seg, Self::Report, Self::Preview];

    /// The class its objects have, and a destination must take.
    #[must_use]
    pub fn sop_class(self) -> &'static str {
        match self {
            Self::Seg => uids::SEGMENTATION_STORAGE,
            Self::Report => uids::COMPREHENSIVE3_DSR_STORAGE,
            Self::Preview => uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        }
    }

    /// The kind whose objects have this class.
    #[must_use]
    pub fn of(sop_class: &Uid) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.sop_class() == sop_class.as_str())
    }

    /// As the configuration and the page name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seg => "seg",
            Self::Report => "report",
            Self::Preview => "preview",
        }
    }
}
