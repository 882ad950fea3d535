use serde::{Deserialize, Serialize};

use super::Problem;
use crate::dicom::AeTitle;
pub use crate::encode::ObjectKind;

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
        if self.objects.is_empty() {
            return Err(Problem::WantsNothing(name.clone()));
        }
        Ok(())
    }
}
