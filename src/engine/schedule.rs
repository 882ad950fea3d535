//! Which job is next.
//!
//! Two scanners send at once, and a re-run may be waiting: live jobs go before re-runs, those before
//! what nobody waits for, and within each, series take turns job by job, so that a long series never holds up a short one. This file
//! only decides; it starts nothing.

use std::collections::{BTreeMap, VecDeque};

use crate::dicom::Uid;

/// Whether somebody is waiting at the scanner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Urgency {
    Live,
    Rerun,
    /// Nobody waits for it: the box tries itself.
    Idle,
}

/// Jobs waiting, by urgency and series.
pub(super) struct Schedule<J> {
    live: Lanes<J>,
    reruns: Lanes<J>,
    idle: Lanes<J>,
}

struct Lanes<J> {
    jobs: BTreeMap<Uid, VecDeque<J>>,
    /// Series with jobs, in the order in which they are next.
    turns: VecDeque<Uid>,
}

/// Jobs one series may have waiting. A job holds at most a decoded slice, half a megabyte, so that
/// a series waits with 16 MB; enough that no worker starves between two instances.
pub(super) const DEPTH: usize = 32;

impl<J> Schedule<J> {
    pub(super) fn new() -> Self {
        Self {
            live: Lanes::new(),
            reruns: Lanes::new(),
            idle: Lanes::new(),
        }
    }

    /// Gives the job back while the series has [`DEPTH`] waiting.
    pub(super) fn push(&mut self, series: &Uid, urgency: Urgency, job: J) -> Result<(), J> {
        self.lanes(urgency).push(series, job)
    }

    /// The next job.
    pub(super) fn pop(&mut self) -> Option<J> {
        let live = self.live.pop();
        let wanted = live.or_else(|| self.reruns.pop());
        wanted.or_else(|| self.idle.pop())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    fn lanes(&mut self, urgency: Urgency) -> &mut Lanes<J> {
        match urgency {
            Urgency::Live => &mut self.live,
            Urgency::Rerun => &mut self.reruns,
            Urgency::Idle => &mut self.idle,
        }
    }
}

impl<J> Lanes<J> {
    fn new() -> Self {
        Self {
            jobs: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    fn push(&mut self, series: &Uid, job: J) -> Result<(), J> {
        match self.jobs.get_mut(series) {
            Some(waiting) if waiting.len() >= DEPTH => return Err(job),
            Some(waiting) => waiting.push_back(job),
            None => {
                self.jobs.insert(series.clone(), VecDeque::from([job]));
                self.turns.push_back(series.clone());
            }
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<J> {
        let series = self.turns.pop_front()?;
        let waiting = self.jobs.get_mut(&series)?;
        let job = waiting.pop_front();
        if waiting.is_empty() {
            self.jobs.remove(&series);
        } else {
            self.turns.push_back(series);
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn drain(schedule: &mut Schedule<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| schedule.pop()).collect()
    }

    #[test]
    fn two_series_take_turns_however_long_the_first_one_is() {
        let mut schedule = Schedule::new();
        for job in ["a1", "a2", "a3", "a4"] {
            schedule.push(&uid("1.1"), Urgency::Live, job).unwrap();
        }
        for job in ["b1", "b2"] {
            schedule.push(&uid("1.2"), Urgency::Live, job).unwrap();
        }
        assert_eq!(drain(&mut schedule), ["a1", "b1", "a2", "b2", "a3", "a4"]);
    }

    #[test]
    fn live_slices_go_before_re_runs_and_those_before_what_nobody_waits_for() {
        let mut schedule = Schedule::new();
        schedule.push(&uid("1.3"), Urgency::Idle, "test").unwrap();
        schedule.push(&uid("1.1"), Urgency::Rerun, "again").unwrap();
        schedule.push(&uid("1.2"), Urgency::Live, "live 1").unwrap();
        schedule.push(&uid("1.2"), Urgency::Live, "live 2").unwrap();
        assert_eq!(drain(&mut schedule), ["live 1", "live 2", "again", "test"]);
    }

    #[test]
    fn a_full_series_is_held_back_and_the_others_are_not() {
        let mut schedule = Schedule::new();
        for _ in 0..DEPTH {
            schedule.push(&uid("1.1"), Urgency::Live, "a").unwrap();
        }
        assert_eq!(schedule.push(&uid("1.1"), Urgency::Live, "b"), Err("b"));
        assert_eq!(schedule.push(&uid("1.2"), Urgency::Live, "c"), Ok(()));
        assert_eq!(schedule.pop(), Some("a"));
        assert_eq!(schedule.push(&uid("1.1"), Urgency::Live, "b"), Ok(()));
    }
}
