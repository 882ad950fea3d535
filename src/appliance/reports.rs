//! What destinations report of commitments, whichever way the report comes in.
//!
//! A destination that hears success never reports again, and what it committed to may be removed
//! here. So success is only said with the journal's receipt in hand; a report that is not from a
//! destination that was asked changes nothing.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::deliveries::time_since_made;
use crate::{
    association::dimse::ReportStatus,
    chain,
    config::Config,
    deliver,
    dicom::{
        AeTitle, Uid,
        commitment::{Report, ReportError},
    },
    encode::ObjectKind,
    spool::journal::{Change, Journal, JournalError, Recorded},
    status::{FactsBoard, Notice, metric_names},
};

/// Hears reports.
pub(super) struct Reports {
    journal: Arc<Journal>,
    facts: Arc<FactsBoard>,
    /// The destinations that are asked, by AE title and name.
    asked: Vec<(AeTitle, String)>,
}

/// How asking a destination went.
pub(super) enum Asking {
    /// It was not asked, or it cannot be known.
    NoNews,
    Taken,
    /// A person has to act there.
    NotTaken {
        why: String,
    },
}

/// What is answered to a report.
pub(super) struct Heard {
    pub status: ReportStatus,
    /// Objects are to be sent once more.
    pub sends_again: bool,
}

impl From<ReportStatus> for Heard {
    fn from(status: ReportStatus) -> Self {
        Self {
            status,
            sends_again: false,
        }
    }
}

impl Reports {
    pub(super) fn new(config: &Config, journal: &Arc<Journal>, facts: &Arc<FactsBoard>) -> Self {
        let asked = config.committing();
        Self {
            journal: Arc::clone(journal),
            facts: Arc::clone(facts),
            asked: asked
                .map(|d| (d.ae_title.clone(), d.name.clone()))
                .collect(),
        }
    }

    /// Makes durable what `peer` reports, and says what it is answered.
    pub(super) fn hear(&self, peer: &AeTitle, report: Result<Report, ReportError>) -> Heard {
        let refused = |status: ReportStatus| {
            metrics::counter!(metric_names::REPORTS_REFUSED).increment(1);
            Heard::from(status)
        };
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(%peer, error = chain(&error), "a report on commitment is refused");
                return refused(ReportStatus::refused(error));
            }
        };
        let transaction = &report.transaction;
        let names: Vec<&str> = self
            .asked
            .iter()
            .filter_map(|(title, name)| (title == peer).then_some(&**name))
            .collect();
        let pause = |tries| {
            let pause = deliver::backoff(tries, &mut rand::rng());
            SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX)
        };
        let now = Timestamp::now();
        match self
            .journal
            .commitment_reported(&names, &report, pause, now)
        {
            Ok(Some(recorded)) => self.recorded(&recorded, transaction, now),
            Ok(None) => {
                tracing::warn!(%peer, %transaction, "a report on a commitment that this peer was not asked for is refused");
                refused(ReportStatus::UNKNOWN_TRANSACTION)
            }
            Err(error) => {
                tracing::error!(%peer, %transaction, error = chain(&error), "a report on commitment could not be recorded");
                refused(ReportStatus::NOT_RECORDED)
            }
        }
    }

    fn recorded(&self, recorded: &Recorded, transaction: &Uid, now: Timestamp) -> Heard {
        for change in &recorded.changes {
            tell(change, transaction, now);
        }
        for (_, name) in &self.asked {
            if recorded.changes.iter().any(|it| it.destination == *name)
                && let Err(error) = self.note(name, Asking::NoNews)
            {
                tracing::warn!(error = chain(&error), "commitments cannot be counted");
            }
        }
        self.facts.touch();
        Heard {
            status: ReportStatus::success(recorded),
            sends_again: recorded.changes.iter().any(|it| it.outcome.is_err()),
        }
    }

    /// Pins what a person should know of a destination's commitments: that it takes no requests,
    /// until one goes better, else how many came to nothing time and again.
    pub(super) fn note(&self, name: &str, asking: Asking) -> Result<(), JournalError> {
        let pinned = self.facts.read().destinations.remove(name);
        let pinned = pinned.and_then(|facts| facts.commitment);
        let destination = name.to_owned();
        let notice = match (asking, &pinned) {
            (Asking::NotTaken { why }, _) => Some(Notice::CommitmentNotTaken { destination, why }),
            (Asking::NoNews, Some(Notice::CommitmentNotTaken { .. })) => return Ok(()),
            _ => match self.journal.commitments_in_vain(name)? {
                0 => None,
                objects => Some(Notice::NotCommitted {
                    destination,
                    objects,
                }),
            },
        };
        if pinned != notice {
            self.facts.pin(|facts| {
                let facts = facts.destinations.entry(name.to_owned()).or_default();
                facts.commitment = notice;
            });
        }
        Ok(())
    }
}

fn tell(change: &Change, transaction: &Uid, now: Timestamp) {
    let Change {
        series,
        object,
        path,
        destination,
        outcome,
    } = change;
    let uid = &object.sop_instance;
    let counted = match outcome {
        Ok(()) => {
            tracing::info!(%series, destination, object = %uid, %transaction, "committed");
            let is_seg = ObjectKind::of(&object.sop_class) == Some(ObjectKind::Seg);
            if let Some(passed) = time_since_made(path, now).filter(|_| is_seg) {
                metrics::histogram!(metric_names::SEG_TO_COMMITTED).record(passed);
            }
            metric_names::COMMITTED
        }
        Err(reason) => {
            tracing::warn!(%series, destination, object = %uid, %transaction, %reason, "not committed");
            metric_names::COMMITMENT_FAILURES
        }
    };
    metrics::counter!(counted, "destination" => destination.clone()).increment(1);
}
