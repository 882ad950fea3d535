use serde::{Deserialize, Serialize};

use super::Problem;
use crate::dicom::AeTitle;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Destination {
    pub name: String,
    pub ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
    #[serde(default = "only_seg")]
    pub objects: Vec<ObjectKind>,
}

/// What can be sent to a destination.
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

fn only_seg() -> Vec<ObjectKind> {
    vec![ObjectKind::Seg]
}

impl Destination {
    /// `others`: the destinations named before this one.
    pub(super) fn check(&self, others: &[Self]) -> Result<(), Problem> {
        let name = &self.name;
        if others.iter().any(|d| d.name == *name) {
            return Err(Problem::DestinationNamedTwice(name.clone()));
        }
        let port = self.address.rsplit_once(':').map(|(_, port)| port);
        if port
            .and_then(|p| p.parse::<u16>().ok())
            .is_none_or(|p| p == 0)
        {
            return Err(Problem::NotHostAndPort {
                destination: name.clone(),
                address: self.address.clone(),
            });
        }
        if let Some(&object) = self.objects.iter().find(|o| **o != ObjectKind::Seg) {
            return Err(Problem::NotBuilt {
                destination: name.clone(),
                object,
            });
        }
        Ok(())
    }
}
