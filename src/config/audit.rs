use serde::{Deserialize, Serialize};

use super::{PeerTls, Problem};

/// `[audit]`: the trail of who sent, looked and was refused. It is always written; this says how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Audit {
    pub patients: PatientNaming,
    /// Files of 8 MiB that are kept; a file holds some 5000 events.
    pub keep_files: usize,
    /// `host:port` of a syslog server that takes the trail over TLS (RFC 5425).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<String>,
    /// How the syslog server is believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<PeerTls>,
}

/// How patients are named in the trail.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatientNaming {
    /// By a keyed hash of the Patient ID.
    #[default]
    Pseudonym,
    /// By the Patient ID.
    PatientId,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            patients: PatientNaming::default(),
            keep_files: 64,
            syslog: None,
            tls: None,
        }
    }
}

impl Audit {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.keep_files < 2 {
            return Err(Problem::KeepFiles(self.keep_files));
        }
        match (&self.syslog, &self.tls) {
            (None, None) => Ok(()),
            (Some(address), Some(tls)) => {
                super::destination::check_address("audit.syslog", address)?;
                tls.check("audit.syslog")
            }
            _ => Err(Problem::SyslogTls),
        }
    }
}
