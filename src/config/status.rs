use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Problem;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Status {
    pub address: SocketAddr,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
        }
    }
}

impl Status {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if !self.address.ip().is_loopback() {
            return Err(Problem::PageBeyondLoopback(self.address));
        }
        Ok(())
    }
}
