//! What the engine is given, in which order, and what comes back of it.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    dispatcher::Dispatcher,
    engine_room::{EngineRoom, SliceOutcome},
    live::Trust,
    turns::Turn,
};
use crate::{dicom::Uid, spool::journal::SeriesState};

impl Dispatcher {
    /// Gives the engine slices, and makes results of series whose slices are all encoded.
    pub(super) fn feed_engine(&mut self) {
        // What was begun can be fed at once.
        while self.feed_once() {}
    }

    /// Whether a series was begun.
    fn feed_once(&mut self) -> bool {
        let Some(current) = self.engine.clone() else {
            return false;
        };
        let mut ready = Vec::new();
        let begin = self.to_begin();
        let turn = Turn::of(&self.live, self.waiting.is_over());
        for (series, live) in &mut self.live {
            let complete = live.completed.is_some();
            if live.waits_to_begin() {
                continue;
            }
            if !(complete || live.trust == Trust::New) {
                continue;
            }
            let engine = live.engine.get_or_insert_with(|| Arc::clone(&current));
            let engine = Arc::clone(engine);
            while live.in_flight < EngineRoom::SHARE && turn.includes(series) {
                let Some((instance, frames)) = live.to_encode.pop_front() else {
                    break;
                };
                if let Some(header) = live.headers.get(&instance).cloned() {
                    let outbox = self.outbox.clone();
                    engine.encode(live, header, frames, &self.waiting, outbox);
                    live.in_flight += 1;
                }
            }
            if complete && live.segmenting && !live.making_result && live.encoded_all() {
                ready.push((series.clone(), engine));
            }
        }
        for (series, engine) in &ready {
            self.make_result(engine, series);
        }
        // Without the journal nothing is begun, and the first failure says so.
        !begin.is_empty() && begin.iter().all(|series| self.begin(series))
    }

    /// Complete series whose segmentation is not begun and may be: all of them, unless one is suspected
    /// of having ended the process. That one is next, and alone.
    fn to_begin(&self) -> Vec<Uid> {
        let all = || self.live.iter();
        let suspected =
            all().find(|(_, live)| live.trust == Trust::Suspect && live.waits_to_begin());
        let segmenting = || all().filter(|(_, live)| live.segmenting);
        let waiting = all().filter(|(_, live)| live.waits_to_begin());
        let next: Vec<_> = match suspected {
            _ if segmenting().any(|(_, live)| live.trust == Trust::Suspect) => Vec::new(),
            Some(_) if segmenting().next().is_some() => Vec::new(),
            Some(alone) => vec![alone],
            None => waiting.collect(),
        };
        next.into_iter().map(|(series, _)| series.clone()).collect()
    }

    /// Counts the attempt before the work starts, so that work that ends the process is counted.
    /// Whether the journal took it.
    fn begin(&mut self, series: &Uid) -> bool {
        match self
            .journal
            .advance(series, SeriesState::Segmenting, None, Timestamp::now())
        {
            Ok(_) => {
                if let Some(live) = self.live.get_mut(series) {
                    live.segmenting = true;
                }
                true
            }
            Err(error) => {
                self.journal_failed(&error);
                false
            }
        }
    }

    pub(super) fn slices(&mut self, outcome: SliceOutcome) {
        let Some(live) = self.live.get_mut(&outcome.series) else {
            return;
        };
        if live.number != outcome.number {
            return;
        }
        live.in_flight -= 1;
        match outcome.slices {
            Ok(slices) => {
                for (frame, slice) in slices {
                    live.encoded
                        .insert((outcome.sop_instance.clone(), frame), Arc::new(slice));
                }
                let encoded = u32::try_from(live.encoded.len()).unwrap_or(u32::MAX);
                self.facts.pin(|facts| {
                    facts.slices_encoded.insert(outcome.series, encoded);
                });
            }
            Err(reason) => {
                tracing::warn!(series = %outcome.series, instance = %outcome.sop_instance, %reason, "slice not usable");
                live.unreadable.insert(outcome.sop_instance, reason);
            }
        }
    }

    fn make_result(&mut self, engine: &Arc<EngineRoom>, series: &Uid) {
        let Some(live) = self.live.get_mut(series) else {
            return;
        };
        live.making_result = true;
        self.results.make(engine, series, live, self.outbox.clone());
    }
}
