//! Removes what [`retention`](super::retention) says may go.

use std::{io, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    Disk, Spool,
    journal::{Journal, JournalError},
    retention::{Because, Policy, removable},
};
use crate::dicom::{Remedy, Uid};

/// A series whose files were removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Swept {
    pub series: Uid,
    pub because: Because,
    pub instances: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("could not remove old files")]
    Files(#[from] io::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl SweepError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Files(_) => Remedy::Service,
            Self::Journal(err) => err.remedy(),
        }
    }
}

/// Removes the files of every series that may go, and what was set apart long enough ago. Blocking.
///
/// `committing` are the destinations whose commitment is waited for. `running` is the time since the last sweep of this process, zero at the first; see
/// [`RetentionClock`](super::RetentionClock). Files go before their journal entries. Interrupted in between, the next sweep does it again; the
/// other way round the next start would find files that nobody knows, and receive them anew.
pub fn sweep<D: Disk>(
    spool: &Spool<D>,
    journal: &Journal,
    policy: &Policy,
    committing: &[String],
    running: Duration,
    now: Timestamp,
) -> Result<Vec<Swept>, SweepError> {
    let by = journal.retention_clock(running, now)?.at;
    let candidates = journal.retention_candidates(committing)?;
    let removable = removable(policy, &candidates, spool.free_space(), by);
    if !removable.is_empty() {
        let series = removable.iter().map(|(series, _)| series.clone()).collect();
        spool.remove_results(&series)?;
    }
    let mut swept = Vec::new();
    for (series, because) in removable {
        let instances = journal.every_instance_of(&series)?;
        spool.remove_all(&instances)?;
        journal.note_purged(&series, &instances, now)?;
        swept.push(Swept {
            series,
            because,
            instances: instances.len(),
        });
    }
    let keep = SignedDuration::try_from(policy.keep_failed).unwrap_or(SignedDuration::MAX);
    let then = by.saturating_sub(keep).unwrap_or(Timestamp::MIN);
    spool.remove_set_apart(then)?;
    journal.forget_quarantined(then)?;
    Ok(swept)
}
