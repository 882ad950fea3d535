//! What may be deleted, and when.
//!
//! The box must not fill up, and it must not delete what exists nowhere else. So only series that
//! reached an end are considered at all; what still has to be sent is never among them, however
//! full the disk is: then the box stops accepting instead. This file only decides.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{DiskSpace, journal::SeriesState};
use crate::dicom::Uid;

/// How long things are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Delivered and ignored series; sooner if space runs short.
    pub keep_delivered: Duration,
    /// Refused and failed series: somebody may still want to look, or press retry.
    pub keep_failed: Duration,
    /// Delivered and ignored series are removed before their time until this much is free, bytes.
    pub keep_free: u64,
}

/// A series as retention sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    pub series: Uid,
    pub state: SeriesState,
    /// When it reached that state; `None` while it is on its way.
    pub finished_at: Option<Timestamp>,
    /// A result was made that some destination does not have.
    pub unsent: bool,
    /// What removing its files frees.
    pub bytes: u64,
}

/// Why a series' files are removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Because {
    /// Its time is over.
    Age,
    /// Its time was not over, but space ran short.
    Space,
}

/// The series whose files may go now: all whose time is over, then the longest delivered until
/// enough is free.
#[must_use]
pub fn removable(
    policy: &Policy,
    candidates: &[Candidate],
    space: DiskSpace,
    now: Timestamp,
) -> Vec<(Uid, Because)> {
    let mut settled: Vec<(&Candidate, Timestamp)> = candidates
        .iter()
        .filter(|candidate| candidate.state.is_settled() && !candidate.unsent)
        .filter_map(|candidate| Some((candidate, candidate.finished_at?)))
        .collect();
    settled.sort_by_key(|(candidate, finished_at)| (*finished_at, &candidate.series));

    let is_over = |candidate: &Candidate, finished_at: Timestamp| {
        let keep = match candidate.state {
            SeriesState::Refused | SeriesState::Failed => policy.keep_failed,
            _ => policy.keep_delivered,
        };
        // A clock that went back makes ages negative, and keeps.
        let age = now.duration_since(finished_at);
        age > SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX)
    };
    let (over, rest): (Vec<_>, Vec<_>) = settled
        .into_iter()
        .partition(|(candidate, finished_at)| is_over(candidate, *finished_at));

    let freed: u64 = over.iter().map(|(candidate, _)| candidate.bytes).sum();
    let mut available = space.available.saturating_add(freed);
    let by_space = rest
        .into_iter()
        .filter(|(candidate, _)| {
            matches!(
                candidate.state,
                SeriesState::Delivered | SeriesState::Ignored
            )
        })
        .take_while(|(candidate, _)| {
            let short = available < policy.keep_free;
            available = available.saturating_add(candidate.bytes);
            short
        });
    let by_age = over.iter().map(|(candidate, _)| (*candidate, Because::Age));
    by_age
        .chain(by_space.map(|(candidate, _)| (candidate, Because::Space)))
        .map(|(candidate, because)| (candidate.series.clone(), because))
        .collect()
}
