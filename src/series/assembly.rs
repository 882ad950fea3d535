//! Deciding when a series is complete.
//!
//! DICOM never says "that was the last slice". Waiting a fixed time for silence costs every patient
//! that time; deciding too early sends the PACS a result that the next slice makes stale. So a
//! series is complete when there is evidence:
//!
//! - the sender released its association and the slices are evenly spaced without a hole, or
//! - as many instances are there as the sender announced,
//!
//! and after a quiet period where there is none. Senders that spread a series over associations (one
//! a slice, or in batches) make the first kind worthless: whoever is seen doing it once gets the
//! quiet period from then on.
//!
//! This file only decides. It opens nothing, reads no clock and cannot fail, so every order of
//! arrival can be replayed in a test.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{
    InstanceHeader,
    gathering::{Association, Series},
};
use crate::dicom::{AeTitle, Uid};

/// Why a series is taken for complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// Released, and evenly spaced without a hole.
    Contiguous,
    /// As many instances as announced.
    CountReached,
    /// Nothing more came for the quiet period.
    Quiet,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Completed {
    pub series: Uid,
    pub evidence: Evidence,
}

pub struct Assembler {
    quiet_period: Duration,
    open: BTreeMap<Uid, Series>,
    /// Completed lately, oldest first: a late slice continues them.
    completed: VecDeque<(Uid, Series)>,
    /// Callers that spread a series over associations.
    chunking: BTreeSet<AeTitle>,
    newly_learned: Vec<AeTitle>,
}

/// Completed series whose slices are remembered; a late slice of an older one is judged alone.
const REMEMBERED: usize = 32;

impl Assembler {
    /// `chunking` are the callers learned in an earlier life.
    #[must_use]
    pub fn new(quiet_period: Duration, chunking: impl IntoIterator<Item = AeTitle>) -> Self {
        Self {
            quiet_period,
            open: BTreeMap::new(),
            completed: VecDeque::new(),
            chunking: chunking.into_iter().collect(),
            newly_learned: Vec::new(),
        }
    }

    /// An instance that was not there before is durable.
    ///
    /// Must be told in the order of the association's events, before
    /// [`Self::association_ended`] for its association.
    pub fn instance(
        &mut self,
        header: &InstanceHeader,
        association: u64,
        caller: &AeTitle,
        now: Instant,
    ) {
        let misjudged = self.reopen(&header.series);
        let series = self
            .open
            .entry(header.series.clone())
            .or_insert_with(|| Series::new(caller, now));
        let spread = series.continues_elsewhere(association) && series.caller == *caller;
        series.take(header, association, now);
        if (misjudged || spread) && self.chunking.insert(caller.clone()) {
            self.newly_learned.push(caller.clone());
        }
    }

    /// Instances of an earlier life, brought back at start: only silence can complete them.
    pub fn restore(&mut self, header: &InstanceHeader, caller: &AeTitle, now: Instant) {
        let series = self
            .open
            .entry(header.series.clone())
            .or_insert_with(|| Series::new(caller, now));
        series.note(header);
        series.last_arrival = now;
    }

    /// An association is over; `released` if its requestor ended it in order.
    pub fn association_ended(&mut self, association: u64, released: bool) {
        let how = if released {
            Association::Released
        } else {
            Association::Cut
        };
        for series in self.open.values_mut() {
            if !series.end(association, how) {
                continue;
            }
            if series.is_released_whole() && !self.chunking.contains(&series.caller) {
                series.evidence = series.evidence.or(Some(Evidence::Contiguous));
            }
        }
    }

    /// Takes out every series that is complete.
    pub fn take_complete(&mut self, now: Instant) -> Vec<Completed> {
        let quiet_period = self.quiet_period;
        let complete: Vec<_> = self
            .open
            .extract_if(.., |_, series| {
                if now.saturating_duration_since(series.last_arrival) >= quiet_period {
                    series.evidence = series.evidence.or(Some(Evidence::Quiet));
                }
                series.evidence.is_some()
            })
            .collect();
        let mut taken = Vec::new();
        for (series, known) in complete {
            taken.extend(known.evidence.map(|evidence| Completed {
                series: series.clone(),
                evidence,
            }));
            self.completed.push_back((series, known));
        }
        let excess = self.completed.len().saturating_sub(REMEMBERED);
        self.completed.drain(..excess);
        taken
    }

    /// When [`Self::take_complete`] is next worth calling; `None` while nothing is open.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.open
            .values()
            .map(|series| match series.evidence {
                Some(_) => series.last_arrival,
                None => series.last_arrival + self.quiet_period,
            })
            .min()
    }

    /// Callers learned since this was last asked, to be remembered beyond this life.
    pub fn take_newly_learned(&mut self) -> Vec<AeTitle> {
        std::mem::take(&mut self.newly_learned)
    }

    /// How many instances the sender of an open series says there are; `None`: it does not say.
    #[must_use]
    pub fn announced(&self, series: &Uid) -> Option<u32> {
        self.open.get(series)?.announced()
    }

    /// Callers for whom only counts and silence complete a series.
    pub fn chunking(&self) -> impl Iterator<Item = &AeTitle> {
        self.chunking.iter()
    }

    /// Opens a series again if it had been completed, with all that is known of it. Whether it had
    /// been completed on evidence, which was wrong then.
    fn reopen(&mut self, series: &Uid) -> bool {
        let at = self.completed.iter().position(|(known, _)| known == series);
        let Some((series, mut known)) = at.and_then(|at| self.completed.remove(at)) else {
            return false;
        };
        let evidence = known.evidence.take();
        self.open.insert(series, known);
        evidence.is_some_and(|evidence| evidence != Evidence::Quiet)
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;
    use dicom_dictionary_std::tags;
    use proptest::prelude::*;

    use super::*;
    use crate::series::sample::{Sample, series};

    const QUIET: Duration = Duration::from_secs(5);

    /// Replays a story; every event takes a tenth of a second.
    struct Story {
        assembler: Assembler,
        now: Instant,
    }

    fn caller() -> AeTitle {
        AeTitle::parse("CT1").unwrap()
    }

    impl Story {
        fn new() -> Self {
            Self {
                assembler: Assembler::new(QUIET, []),
                now: Instant::now(),
            }
        }

        fn send(
            &mut self,
            slices: impl IntoIterator<Item = Sample>,
            association: u64,
        ) -> &mut Self {
            for header in series(slices) {
                self.now += QUIET / 50;
                self.assembler
                    .instance(&header, association, &caller(), self.now);
            }
            self
        }

        fn announced(&self) -> Option<u32> {
            self.assembler.announced(self.assembler.open.keys().next()?)
        }

        fn end(&mut self, association: u64, released: bool) -> &mut Self {
            self.now += QUIET / 50;
            self.assembler.association_ended(association, released);
            self
        }

        fn wait(&mut self) -> &mut Self {
            self.now += QUIET;
            self
        }

        fn complete(&mut self) -> Vec<(String, Evidence)> {
            let complete = self.assembler.take_complete(self.now);
            complete
                .into_iter()
                .map(|completed| (completed.series.to_string(), completed.evidence))
                .collect()
        }
    }

    fn one(evidence: Evidence) -> Vec<(String, Evidence)> {
        vec![("1.2.3.4".to_owned(), evidence)]
    }

    fn slices(numbers: std::ops::Range<i32>) -> impl Iterator<Item = Sample> {
        numbers.map(Sample::slice)
    }

    #[test]
    fn a_released_contiguous_series_is_complete_at_once_and_once() {
        let mut story = Story::new();
        assert_eq!(story.send(slices(0..10), 1).complete(), []);
        assert_eq!(story.end(1, true).complete(), one(Evidence::Contiguous));
        assert_eq!(story.wait().complete(), []);
        assert_eq!(story.assembler.deadline(), None);
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
            let mut story = Story::new();
            story.send(order.map(Sample::slice), 1);
            assert_eq!(story.end(1, true).complete(), one(Evidence::Contiguous));
        }
    }

    #[test]
    fn a_hole_leaves_the_quiet_period_to_decide() {
        let mut story = Story::new();
        story.send(slices(0..4).chain(slices(5..9)), 1).end(1, true);
        assert_eq!(story.complete(), []);
        let deadline = story.assembler.deadline().unwrap();
        assert!(deadline > story.now && deadline <= story.now + QUIET);
        assert_eq!(story.wait().complete(), one(Evidence::Quiet));
    }

    #[test]
    fn an_abort_is_no_evidence() {
        let mut story = Story::new();
        story.send(slices(0..10), 1).end(1, false);
        assert_eq!(story.complete(), []);
        assert_eq!(story.wait().complete(), one(Evidence::Quiet));
    }

    #[test]
    fn a_sender_that_comes_again_after_an_abort_is_not_taken_for_a_chunking_one() {
        let mut story = Story::new();
        story.send(slices(0..4), 1).end(1, false);
        story.send(slices(4..9), 2).end(2, true);
        assert!(story.assembler.take_newly_learned().is_empty());
        assert_eq!(story.complete(), one(Evidence::Contiguous));
    }

    #[test]
    fn silence_on_an_open_association_completes_a_series() {
        let mut story = Story::new();
        assert_eq!(
            story.send(slices(0..10), 1).wait().complete(),
            one(Evidence::Quiet)
        );
    }

    #[test]
    fn a_sender_of_one_slice_an_association_gets_the_quiet_period() {
        let mut story = Story::new();
        for number in 0_i32..6 {
            let association = u64::from(number.unsigned_abs());
            story
                .send(slices(number..number + 1), association)
                .end(association, true);
            assert_eq!(story.complete(), []);
        }
        assert_eq!(story.assembler.take_newly_learned(), [caller()]);
        assert_eq!(story.wait().complete(), one(Evidence::Quiet));
    }

    #[test]
    fn a_caller_that_continued_a_completed_series_is_learned_and_no_longer_trusted() {
        let mut story = Story::new();
        story.send(slices(0..5), 1).end(1, true);
        assert_eq!(story.complete(), one(Evidence::Contiguous));
        assert!(story.assembler.take_newly_learned().is_empty());

        story.send(slices(5..9), 2).end(2, true);
        assert_eq!(story.assembler.take_newly_learned(), [caller()]);
        assert_eq!(story.complete(), []);
        assert_eq!(story.wait().complete(), one(Evidence::Quiet));
        assert!(story.assembler.chunking().eq([&caller()]));

        let mut next_life = Story::new();
        next_life.assembler = Assembler::new(QUIET, [caller()]);
        next_life.send(slices(0..5), 1).end(1, true);
        assert_eq!(next_life.complete(), []);
    }

    #[test]
    fn series_interleaved_on_one_association_complete_together_at_its_release() {
        let other = |number| {
            Sample::slice(number)
                .with(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.9")
                .of_instance(&format!("1.2.3.9.{number}"))
        };
        let mut story = Story::new();
        for number in 0..5 {
            story.send([Sample::slice(number), other(number)], 1);
        }
        assert_eq!(story.complete(), []);
        let both = [
            ("1.2.3.4", Evidence::Contiguous),
            ("1.2.3.9", Evidence::Contiguous),
        ]
        .map(|(series, evidence)| (series.to_owned(), evidence));
        assert_eq!(story.end(1, true).complete(), both);
        assert!(story.assembler.take_newly_learned().is_empty());
    }

    #[test]
    fn an_announced_count_completes_a_series_while_the_association_is_open() {
        let announced = |number| {
            Sample::slice(number).with(tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, "5")
        };
        let mut story = Story::new();
        assert_eq!(story.send((0..4).map(announced), 1).complete(), []);
        assert_eq!(story.announced(), Some(5));
        assert_eq!(
            story.send([announced(4)], 1).complete(),
            one(Evidence::CountReached)
        );
    }

    #[test]
    fn the_count_of_an_acquisition_needs_every_acquisition_and_no_hole() {
        let of_acquisition = |number: i32| {
            Sample::slice(number)
                .with(tags::IMAGES_IN_ACQUISITION, VR::IS, "4")
                .with(tags::ACQUISITION_NUMBER, VR::IS, (number / 4).to_string())
        };
        let mut story = Story::new();
        assert_eq!(story.send((0..3).map(of_acquisition), 1).complete(), []);
        // One of the second acquisition is there before the last of the first.
        assert_eq!(story.announced(), Some(4));
        assert_eq!(story.send([4, 3].map(of_acquisition), 1).complete(), []);
        assert_eq!(story.announced(), Some(8));
        assert_eq!(
            story.send((5..8).map(of_acquisition), 1).complete(),
            one(Evidence::CountReached)
        );
    }

    #[test]
    fn the_same_instance_again_counts_once() {
        let announced = |number| {
            Sample::slice(number).with(tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, "3")
        };
        let mut story = Story::new();
        assert_eq!(story.send([0, 0, 1, 1].map(announced), 1).complete(), []);
    }

    #[test]
    fn a_pause_longer_than_the_quiet_period_completes_a_series_twice() {
        let mut story = Story::new();
        story.send(slices(0..5), 1).wait();
        assert_eq!(story.complete(), one(Evidence::Quiet));
        // The late slices are judged together with those before the pause.
        story.send(slices(5..9), 1);
        assert_eq!(story.complete(), []);
        assert_eq!(story.end(1, true).complete(), one(Evidence::Contiguous));
        assert!(story.assembler.take_newly_learned().is_empty());
    }

    proptest! {
        /// Slices of three series, ends of associations and silences in any order.
        #[test]
        fn every_series_with_something_new_is_completed_once_by_silence(
            events in prop::collection::vec((0_u8..10, 0_i32..3, 0_i32..8, 1_u64..4), 1..40),
        ) {
            let mut story = Story::new();
            let mut waiting = BTreeSet::new();
            for (kind, series, number, association) in events {
                match kind {
                    0 => story.end(association, number % 2 == 0),
                    1 => story.wait(),
                    _ => {
                        let uid = format!("1.2.3.{}", 100 + series);
                        waiting.insert(uid.clone());
                        let slice = Sample::slice(number)
                            .with(tags::SERIES_INSTANCE_UID, VR::UI, uid.as_str())
                            .of_instance(&format!("{uid}.{}", 1 + number));
                        story.send([slice], association)
                    }
                };
                for (series, _) in story.complete() {
                    prop_assert!(waiting.remove(&series), "completed without anything new");
                }
            }
            let open = story.assembler.deadline();
            prop_assert_eq!(open.is_some(), !waiting.is_empty());
            for (series, _) in story.wait().complete() {
                prop_assert!(waiting.remove(&series));
            }
            prop_assert!(waiting.is_empty());
            prop_assert_eq!(story.assembler.deadline(), None);
        }
    }

    #[test]
    fn what_is_restored_after_a_restart_waits_for_silence() {
        let mut story = Story::new();
        for header in series(slices(0..5)) {
            story.assembler.restore(&header, &caller(), story.now);
        }
        assert_eq!(story.complete(), []);
        assert_eq!(story.wait().complete(), one(Evidence::Quiet));
    }
}
