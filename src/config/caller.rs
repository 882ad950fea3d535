use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Destination, Problem};
use crate::dicom::AeTitle;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Caller {
    pub ae_title: AeTitle,
    /// Where this caller must call from; `None`: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Names of destinations for this caller's results; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<String>>,
}

impl Caller {
    pub(super) fn check(&self, destinations: &[Destination]) -> Result<(), Problem> {
        for name in self.destinations.iter().flatten() {
            if destinations.iter().all(|d| d.name != *name) {
                return Err(Problem::UnknownDestination {
                    caller: self.ae_title.clone(),
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }
}
