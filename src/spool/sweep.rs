//! Removes what [`retention`](super::retention) says may go.

use std::{io, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    Disk, DiskSpace, RetentionClock, Spool, SpoolError,
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

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Sweep {
    pub swept: Vec<Swept>,
    /// How many objects that were set apart went before their time.
    pub set_apart_early: usize,
    /// What could not be removed. The next sweep tries again.
    pub left: Vec<SweepError>,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("could not remove the files of series {series}")]
    Series { series: Uid, source: io::Error },
    #[error("could not remove what was set apart")]
    SetApart(#[source] io::Error),
    #[error("could not tell how much room there is")]
    Space(#[from] SpoolError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl SweepError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Series { .. } | Self::SetApart(_) => Remedy::Service,
            Self::Space(err) => err.remedy(),
            Self::Journal(err) => err.remedy(),
        }
    }
}

/// Removes the files of every series that may go, and what was set apart long enough ago; sooner, where
/// space is short and there is no series left that may go. Blocking.
///
/// `committing` are the destinations whose commitment is waited for. `running` is the time since the
/// last sweep of this process, zero at the first; see [`RetentionClock`]. Files
/// go before their journal entries. Interrupted in between, the next sweep does it again; the other way
/// round the next start would find files that nobody knows, and receive them anew.
///
/// What cannot be removed keeps nothing else from going. Nor does a journal that cannot be written: it
/// may be the full disk that is to be relieved.
pub fn sweep<D: Disk>(
    spool: &Spool<D>,
    journal: &Journal,
    policy: &Policy,
    committing: &[String],
    running: Duration,
    now: Timestamp,
) -> Result<Sweep, JournalError> {
    let clock = journal.retention_clock()?;
    let clock = clock.map_or(RetentionClock::starting(now), |it| it.after(running, now));
    let candidates = journal.retention_candidates(committing)?;
    let mut sweep = Sweep::default();
    // Unknown, it makes nothing go before its time.
    let space = spool.free_space().unwrap_or_else(|error| {
        sweep.left.push(error.into());
        DiskSpace {
            total: 0,
            available: u64::MAX,
        }
    });
    for (series, because) in removable(policy, &candidates, space, clock.at) {
        match remove(spool, journal, &series, committing, now) {
            Ok(Some(instances)) => sweep.swept.push(Swept {
                series,
                because,
                instances,
            }),
            Ok(None) => {}
            Err(error) => sweep.left.push(error),
        }
    }
    let keep = SignedDuration::try_from(policy.keep_failed).unwrap_or(SignedDuration::MAX);
    let then = clock.at.saturating_sub(keep).unwrap_or(Timestamp::MIN);
    // A file system may take a moment to count what was just removed.
    let enough = || {
        let room = || Ok::<_, SpoolError>(spool.free_space()?.available >= policy.keep_free);
        !sweep.swept.is_empty() || room().unwrap_or(true)
    };
    let (gone, removed) = spool.remove_set_apart(then, enough);
    sweep.set_apart_early = gone.early;
    // What is still there stays on the page.
    let removed = removed.map_err(SweepError::SetApart);
    let forgotten = removed.and_then(|()| Ok(journal.forget_quarantined(gone.before)?));
    let kept = journal.keep_retention_clock(&clock);
    sweep.left.extend(forgotten.err());
    sweep.left.extend(kept.err().map(SweepError::from));
    Ok(sweep)
}

/// Removes one series, unless something came of it since it was chosen; returns how many instances it
/// had.
fn remove<D: Disk>(
    spool: &Spool<D>,
    journal: &Journal,
    series: &Uid,
    committing: &[String],
    now: Timestamp,
) -> Result<Option<usize>, SweepError> {
    let instances = journal.every_instance_of(series)?;
    let mut judged = Ok(false);
    let removed = spool.remove_series(series, &instances, || {
        judged = journal.may_be_removed(series, committing);
        matches!(judged, Ok(true))
    });
    judged?;
    match removed {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(source) => {
            let series = series.clone();
            return Err(SweepError::Series { series, source });
        }
    }
    journal.note_purged(series, &instances, now)?;
    Ok(Some(instances.len()))
}
