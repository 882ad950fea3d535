use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{ListenerTls, Problem};
use crate::dicom::AeTitle;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listener {
    pub ae_title: AeTitle,
    pub address: SocketAddr,
    pub max_associations: usize,
    /// Whether unencrypted associations are accepted, at `address`.
    pub plain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            ae_title: AeTitle::parse("HEPAR").expect("a valid AE title"),
            address: SocketAddr::from(([0, 0, 0, 0], 11112)),
            max_associations: 32,
            plain: true,
            tls: None,
        }
    }
}

impl Listener {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.max_associations == 0 {
            return Err(Problem::NoAssociations);
        }
        match &self.tls {
            Some(tls) => tls.check(),
            None if self.plain => Ok(()),
            None => Err(Problem::NoWayIn),
        }
    }
}
