//! What the running parts say of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    callers::Callers,
    notice::{CertificateUse, NotReceiving, Notice},
};
use crate::{
    device::Reading,
    dicom::{Trouble, Uid},
    tls::{Certificate, Validity},
};

/// Which engine runs which model, as the page and `/api/status` name it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EngineFacts {
    pub name: String,
    /// The provider and hardware that really run.
    pub device: String,
    /// Name and version of the model bundle.
    pub model: String,
    pub version: String,
    /// SHA-256 of the bundle, lower-case hexadecimal.
    pub digest: String,
    /// Who vouches for the bundle, in words.
    pub origin: String,
}

impl EngineFacts {
    /// Enough of the digest to tell bundles apart by eye.
    #[must_use]
    pub fn short_digest(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }
}

/// How a destination answered last.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DestinationFacts {
    pub last_success: Option<Timestamp>,
    /// Since when it has been failing, and the latest reason; `None` while it works.
    pub failing: Option<(Timestamp, Trouble)>,
    /// What it was offered and does not take, each once.
    pub declines: Vec<Notice>,
    /// What stands in the way of its commitments; `None`: nothing, or it is not asked.
    pub commitment: Option<Notice>,
}

/// A certificate that this box shows to others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertificateFacts {
    pub used_for: CertificateUse,
    pub name: String,
    pub fingerprint: String,
    pub starts: Timestamp,
    pub expires: Timestamp,
}

impl CertificateFacts {
    #[must_use]
    pub fn new(used_for: CertificateUse, certificate: &Certificate) -> Self {
        Self {
            used_for,
            name: certificate.name(),
            fingerprint: certificate.fingerprint.to_string(),
            starts: certificate.starts,
            expires: certificate.expires,
        }
    }

    /// What a person should know about its validity at `now`.
    #[must_use]
    pub fn notice(&self, now: Timestamp) -> Option<Notice> {
        let validity = Validity::at(now, self.starts, self.expires)?;
        Some(Notice::Certificate {
            used_for: self.used_for.clone(),
            validity,
            day: match validity {
                Validity::ToCome => self.starts,
                Validity::Over | Validity::Ending { .. } => self.expires,
            },
        })
    }
}

/// How the last self-test went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SelfTestFacts {
    pub at: Timestamp,
    pub passed: bool,
    /// What was measured, or why nothing was.
    pub words: String,
    pub seconds: f64,
    /// Of the SEG against the phantom's truth; `None` where none came.
    pub liver_dice: Option<f64>,
    pub tumour_dice: Option<f64>,
}

/// Everything that is not in the journal.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    /// Why instances cannot be received and kept; `None`: they can.
    pub not_receiving: Option<NotReceiving>,
    /// Why no work can be recorded, so that it waits; `None`: it can.
    pub journal_unusable: Option<Notice>,
    /// `Err`: why nothing can be segmented (receive and keep only).
    pub engine: Option<Result<EngineFacts, Trouble>>,
    /// What happened at start-up that a person should know (a journal set aside, say).
    pub notices: Vec<Notice>,
    /// Slices encoded so far of series in work.
    pub slices_encoded: BTreeMap<Uid, u32>,
    pub destinations: BTreeMap<String, DestinationFacts>,
    pub disk_free_bytes: u64,
    pub disk_total_bytes: u64,
    /// At the rate of the last hours; `None` while it does not fill, or too little is known.
    pub disk_hours_left: Option<f64>,
    /// How the board was when it was last looked at.
    pub board: Reading,
    pub self_test: Option<SelfTestFacts>,
    pub self_testing: bool,
    pub associations: usize,
    /// Instances whose UID was here already with other bytes, by sender.
    pub contradicted: BTreeMap<String, u64>,
    /// Callers that spread a series over associations; for these only counts and silence complete
    /// a series.
    pub chunking_callers: BTreeSet<String>,
    /// Who called lately.
    #[serde(skip)]
    pub callers: Callers,
    /// Certificates of ours in use, with what for in words.
    pub certificates: Vec<CertificateFacts>,
    /// Why the audit trail does not reach its server; `None`: it does, or there is none.
    pub audit_not_sent: Option<Notice>,
    /// Callers turned away, by reason.
    pub refused_callers: BTreeMap<String, u64>,
}

/// Where parts pin their facts; whoever watches is told that something changed.
#[derive(Debug)]
pub struct FactsBoard {
    facts: Mutex<Facts>,
    changed: watch::Sender<u64>,
}

impl Default for FactsBoard {
    fn default() -> Self {
        Self {
            facts: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl FactsBoard {
    fn lock(&self) -> MutexGuard<'_, Facts> {
        // A panic elsewhere must not blind the page.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the facts and tells the watchers.
    pub fn pin(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.lock());
        self.touch();
    }

    /// Tells the watchers that the journal changed.
    pub fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    #[must_use]
    pub fn read(&self) -> Facts {
        self.lock().clone()
    }

    /// Changes whenever a fact or the journal does.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
