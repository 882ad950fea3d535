//! The end of a series in work: from the evidence that it is complete to what becomes of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{dispatcher::Dispatcher, live::Live, recovery::ATTEMPTS, results::ResultError, trail};
use crate::{
    dicom::{Remedy, Trouble, TroubleKind, Uid},
    series::{Completed, Eligibility, InstanceHeader, judge, too_few},
    spool::journal::SeriesState,
    status::metric_names,
};

/// How long a result that failed for want of something passing (disk space, say) is left alone.
const RETRY: Duration = Duration::from_secs(30);

impl Dispatcher {
    pub(super) fn complete_series(&mut self) {
        let now = Instant::now();
        for completed in self.assembler.take_complete(now) {
            let Some(live) = self.live.get_mut(&completed.series) else {
                continue;
            };
            if live.making_result {
                // Its result lacks the slices that came since; they are looked at when it is done.
                live.completed_again = Some(completed.evidence);
            } else if live.completed.is_none() {
                self.complete(completed);
            }
        }
        let waited = |live: &Live| live.retry_at.is_some_and(|at| at <= now);
        for live in self.live.values_mut().filter(|live| waited(live)) {
            live.retry_at = None;
        }
    }

    fn complete(&mut self, Completed { series, evidence }: Completed) {
        let Some(live) = self.live.get_mut(&series) else {
            return;
        };
        let headers: Vec<InstanceHeader> = live.headers.values().cloned().collect();
        tracing::info!(%series, instances = headers.len(), ?evidence, "series complete");
        if let Ok(Some(record)) = self.journal.series(&series)
            && let Some(event) = trail::received(&record, &headers, &self.intake.spool)
        {
            self.audit.record(event);
        }
        let ignored = match judge(&headers) {
            Eligibility::Eligible => None,
            Eligibility::NotYet => Some(too_few(&headers)),
            Eligibility::Ignored { reason } => Some(reason),
        };
        if let Some(reason) = ignored {
            let trouble = Trouble::new(TroubleKind::NotSegmentable, reason);
            return self.settle(&series, SeriesState::Ignored, &trouble, Remedy::Resend);
        }
        live.completed = Some(evidence);
        if let Err(error) =
            self.journal
                .advance(&series, SeriesState::Queued, None, Timestamp::now())
        {
            self.journal_failed(&error);
        }
    }

    pub(super) fn result(
        &mut self,
        series: &Uid,
        instances: usize,
        outcome: Result<SeriesState, ResultError>,
    ) {
        let Some(live) = self.live.get_mut(series) else {
            return;
        };
        live.making_result = false;
        let overtaken = live.headers.len() > instances;
        match outcome {
            Ok(state) => {
                self.wake_deliverers();
                metrics::counter!(metric_names::SERIES, "state" => state.as_str()).increment(1);
                if overtaken {
                    self.make_again(series);
                } else {
                    self.forget(series);
                }
            }
            Err(ResultError::Journal(error)) => self.journal_failed(&error),
            // What it lacked may be what came meanwhile.
            Err(_) if overtaken => self.make_again(series),
            Err(error @ ResultError::NotComputed(_)) => {
                let trouble = error.trouble();
                self.doubt_engine(&trouble);
                self.compute_anew(series, &trouble);
            }
            Err(error) if error.remedy() == Remedy::Wait => {
                tracing::warn!(%series, error = &error as &dyn std::error::Error, "no result yet, trying again");
                live.segmenting = false;
                live.retry_at = Some(Instant::now() + RETRY);
                let back = error.trouble();
                if let Err(error) = self.journal.advance(
                    series,
                    SeriesState::Queued,
                    Some((&back, Remedy::Wait)),
                    Timestamp::now(),
                ) {
                    self.journal_failed(&error);
                }
            }
            Err(error) => {
                let state = match error.remedy() {
                    Remedy::Resend => SeriesState::Refused,
                    Remedy::Wait | Remedy::Service => SeriesState::Failed,
                };
                self.settle(series, state, &error.trouble(), error.remedy());
            }
        }
    }

    /// The network gave no numbers. Another engine, or the same one loaded anew, gets one more chance.
    fn compute_anew(&mut self, series: &Uid, trouble: &Trouble) {
        let record = match self.journal.series(series) {
            Ok(record) => record,
            Err(error) => return self.journal_failed(&error),
        };
        if record.is_none_or(|record| record.attempts >= ATTEMPTS) {
            return self.settle(series, SeriesState::Failed, trouble, Remedy::Service);
        }
        tracing::warn!(%series, reason = %trouble, "no result yet, the engine is checked first");
        // Without a reason to wait, the attempt counts.
        if let Err(error) =
            self.journal
                .advance(series, SeriesState::Queued, None, Timestamp::now())
        {
            self.journal_failed(&error);
        }
        if let Some(live) = self.live.remove(series) {
            self.live.insert(series.clone(), live.anew());
        }
    }

    /// Slices came while the result was being made.
    fn make_again(&mut self, series: &Uid) {
        if let Err(error) = self.journal.reopen(series, Timestamp::now()) {
            return self.journal_failed(&error);
        }
        let Some(live) = self.live.get_mut(series) else {
            return;
        };
        live.segmenting = false;
        live.completed = None;
        if let Some(evidence) = live.completed_again.take() {
            self.complete(Completed {
                series: series.clone(),
                evidence,
            });
        }
    }

    fn settle(&mut self, series: &Uid, state: SeriesState, reason: &Trouble, remedy: Remedy) {
        tracing::info!(%series, status = %state, %reason, "series has no result");
        metrics::counter!(metric_names::SERIES, "state" => state.as_str()).increment(1);
        let now = Timestamp::now();
        if let Err(error) = self
            .journal
            .advance(series, state, Some((reason, remedy)), now)
        {
            self.journal_failed(&error);
        }
        self.forget(series);
    }

    fn forget(&mut self, series: &Uid) {
        if let Some(live) = self.live.remove(series) {
            let encoded = u32::try_from(live.encoded.len()).unwrap_or(u32::MAX);
            if let Err(error) = self.journal.note_encoded(series, encoded) {
                self.journal_failed(&error);
            }
        }
        self.facts.pin(|facts| {
            facts.slices_encoded.remove(series);
        });
    }
}
