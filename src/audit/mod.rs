//! Who sent, what was sent out, who looked and who was turned away: the audit trail.
//!
//! After an incident this is what remains, so it is append-only, durable before it counts, and says
//! when something could not be recorded. Parts hand [`Event`]s to a [`Log`] and go on; a thread
//! writes them as DICOM audit messages into files in the state directory, and, where a syslog
//! server is configured, another thread sends them there, from the files, until the server's side has
//! acknowledged them.
//!
//! The messages follow PS3.15 A.5: the schema of A.5.1 and the conventions of A.5.2, of the events
//! Application Activity (A.5.3.1), Begin Transferring DICOM Instances (A.5.3.3), Data Export
//! (A.5.3.4), DICOM Instances Accessed (A.5.3.6), DICOM Instances Transferred (A.5.3.7), Security
//! Alert (A.5.3.11) and User Authentication (A.5.3.12), with the codes of PS3.16 CID 400, 401, 402,
//! 404 and 405. On the wire they are syslog messages (RFC 5424, as PS3.15 A.6 wants them: MSGID
//! `DICOM+RFC3881`, a byte order mark before the XML) framed by their length (RFC 5425). The standard
//! has no event for an association that is merely accepted: who sent is in Instances Transferred, who
//! was refused in Security Alert.
//! Who looked at a patient is in Instances Accessed, once for each login and series; without a login,
//! on loopback, nobody is asked who they are, and looking is not recorded.
//!
//! Patients are named by a keyed hash of the Patient ID, unless the configuration wants the ID: the
//! same patient has the same pseudonym on this box for ever, and nobody without the key can check a
//! guess. The key is in the state directory, readable to us alone. Names never get here.

mod code;
mod event;
mod file;
mod message;
mod patient;
mod record;
mod recorder;
mod refusals;
mod send_queue;
mod syslog;
#[cfg(test)]
pub(crate) mod tests;

use std::{io, path::PathBuf};

pub use event::{Actor, Event, Handled, Peer, Transfer};
pub use file::{Cursor, Trail};
pub use patient::Patients;
pub use recorder::{Log, Recorder, Settings};
pub use refusals::Refusals;
pub use syslog::Syslog;

use crate::{dicom::Remedy, secrets::SecretError};

/// Why there can be no audit trail.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("cannot use the audit trail {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("cannot use the key for patients' pseudonyms")]
    Key(#[from] SecretError),
    #[error(
        "{path} holds {length} bytes instead of the {} of a key for patients' pseudonyms; restore \
         it, or remove it, and a new one is made by which every patient has another pseudonym",
        patient::KEY
    )]
    KeyLength { path: PathBuf, length: usize },
    #[error("cannot start the audit thread")]
    Thread(#[source] io::Error),
}

impl AuditError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}
