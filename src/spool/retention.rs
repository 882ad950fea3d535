//! What may be deleted, and when.
//!
//! The box must not fill up, and it must not delete what exists nowhere else. So only series that
//! reached an end are considered at all; what still has to be sent, or to be committed to where that
//! is configured, is never among them, however full the disk is: then the box stops accepting
//! instead. This file only decides.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{DiskSpace, journal::SeriesState};
use crate::dicom::Uid;

/// How long things are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Delivered and ignored series; sooner if space runs short.
    pub keep_delivered: Duration,
    /// Refused and failed series: somebody may still want to look, or press retry; sooner, too, if
    /// nothing else is left to go.
    pub keep_failed: Duration,
    /// Series are removed before their time until this much is free, bytes.
    pub keep_free: u64,
}

/// A series as retention sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    pub series: Uid,
    pub state: SeriesState,
    /// When it reached that state; `None` while it is on its way.
    pub finished_at: Option<Timestamp>,
    /// A result was made that some destination does not have, or has not committed to where that is
    /// waited for.
    pub unsent: bool,
    /// What removing its files frees.
    pub bytes: u64,
}

impl Candidate {
    /// Whether nothing remains to be done with it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.is_settled() && !self.unsent
    }
}

/// Why a series' files are removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Because {
    /// Its time is over.
    Age,
    /// Its time was not over, but space ran short.
    Space,
}

/// The series whose files may go now: all whose time is over, then, until enough is free, the longest
/// delivered or ignored, then the longest refused, then the longest failed.
#[must_use]
pub fn removable(
    policy: &Policy,
    candidates: &[Candidate],
    space: DiskSpace,
    now: Timestamp,
) -> Vec<(Uid, Because)> {
    let mut settled: Vec<(&Candidate, Timestamp)> = candidates
        .iter()
        .filter(|candidate| candidate.has_ended())
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
    let (over, mut rest): (Vec<_>, Vec<_>) = settled
        .into_iter()
        .partition(|(candidate, finished_at)| is_over(candidate, *finished_at));

    let freed: u64 = over.iter().map(|(candidate, _)| candidate.bytes).sum();
    let mut available = space.available.saturating_add(freed);
    // Stable: within a rank, the longest settled stay first.
    rest.sort_by_key(|(candidate, _)| match candidate.state {
        SeriesState::Refused => 1,
        SeriesState::Failed => 2,
        _ => 0,
    });
    let holding = rest
        .into_iter()
        .filter(|(candidate, _)| candidate.bytes > 0);
    let by_space = holding.take_while(|(candidate, _)| {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    const POLICY: Policy = Policy {
        keep_delivered: Duration::from_hours(7 * 24),
        keep_failed: Duration::from_hours(30 * 24),
        keep_free: 1_000,
    };

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + number * DAY).unwrap()
    }

    /// 100 bytes of a series that ended on the day that is its number.
    fn ended(number: i64, state: SeriesState) -> Candidate {
        Candidate {
            series: Uid::parse(&format!("1.2.{number}")).unwrap(),
            state,
            finished_at: state.is_settled().then(|| day(number)),
            unsent: false,
            bytes: 100,
        }
    }

    fn removed(candidates: &[Candidate], available: u64, now: i64) -> Vec<(String, Because)> {
        let space = DiskSpace {
            total: 10_000,
            available,
        };
        removable(&POLICY, candidates, space, day(now))
            .into_iter()
            .map(|(series, because)| (series.to_string(), because))
            .collect()
    }

    #[test]
    fn a_delivered_series_goes_after_its_time_and_a_failed_one_after_longer() {
        let candidates = [
            ended(1, SeriesState::Delivered),
            ended(2, SeriesState::Failed),
            ended(3, SeriesState::Ignored),
            ended(4, SeriesState::Refused),
        ];
        let age = |number: i64| (format!("1.2.{number}"), Because::Age);
        assert_eq!(removed(&candidates, 5_000, 8), []);
        assert_eq!(removed(&candidates, 5_000, 9), [age(1)]);
        assert_eq!(removed(&candidates, 5_000, 20), [age(1), age(3)]);
        let all = [age(1), age(2), age(3), age(4)];
        assert_eq!(removed(&candidates, 5_000, 40), all);
    }

    #[test]
    fn when_space_runs_short_the_longest_delivered_go_until_enough_is_free() {
        let candidates = [
            ended(4, SeriesState::Delivered),
            ended(1, SeriesState::Failed),
            ended(3, SeriesState::Ignored),
            ended(2, SeriesState::Delivered),
        ];
        let space = |number: i64| (format!("1.2.{number}"), Because::Space);
        assert_eq!(removed(&candidates, 1_000, 5), []);
        assert_eq!(removed(&candidates, 999, 5), [space(2)]);
        assert_eq!(removed(&candidates, 850, 5), [space(2), space(3)]);
        let delivered = [space(2), space(3), space(4)];
        assert_eq!(removed(&candidates, 700, 5), delivered);
        assert_eq!(removed(&candidates, 0, 5)[..3], delivered);
        assert_eq!(
            removed(&candidates, 0, 5)[3..],
            [space(1)],
            "the failed last"
        );
    }

    #[test]
    fn where_nothing_but_refused_series_is_left_they_go_before_the_door_is_shut() {
        let candidates = [
            ended(2, SeriesState::Failed),
            ended(3, SeriesState::Refused),
            ended(4, SeriesState::Refused),
        ];
        let space = |number: i64| (format!("1.2.{number}"), Because::Space);
        assert_eq!(removed(&candidates, 950, 5), [space(3)]);
        assert_eq!(removed(&candidates, 850, 5), [space(3), space(4)]);
        assert_eq!(removed(&candidates, 0, 5), [space(3), space(4), space(2)]);
    }

    #[test]
    fn what_goes_by_age_counts_towards_the_space_that_is_needed() {
        let candidates = [
            ended(1, SeriesState::Delivered),
            ended(8, SeriesState::Delivered),
        ];
        let only = [("1.2.1".to_owned(), Because::Age)];
        assert_eq!(removed(&candidates, 900, 9), only);
    }

    #[test]
    fn a_clock_that_went_back_removes_nothing() {
        let candidates = [ended(100, SeriesState::Delivered)];
        assert_eq!(removed(&candidates, 5_000, 1), []);
    }

    proptest! {
        #[test]
        fn what_is_on_its_way_or_unsent_is_never_removed(
            states in prop::collection::vec(
                (prop::sample::select(&SeriesState::ALL[..]), any::<bool>()), 0..20
            ),
            available in 0u64..2_000,
            now in -10_000i64..10_000,
        ) {
            let candidates: Vec<Candidate> = states
                .iter()
                .zip(0..)
                .map(|((state, unsent), number)| Candidate {
                    unsent: *unsent,
                    ..ended(number, *state)
                })
                .collect();
            let removed = removed(&candidates, available, now);
            for (series, _) in &removed {
                let it = candidates.iter().find(|c| c.series.as_str() == series).unwrap();
                prop_assert!(it.state.is_settled() && !it.unsent);
            }
            let distinct: std::collections::BTreeSet<_> =
                removed.iter().map(|(series, _)| series).collect();
            prop_assert_eq!(distinct.len(), removed.len());
        }
    }
}
