//! A journal that cannot be written, and how work goes on once it can.
//!
//! A full disk is the usual reason, and it passes. Until then instances are kept as files, which are
//! the truth about them, and no work is begun, because work is in the journal before it starts. Then
//! everything is taken up from the journal and the files, as a start would.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{dispatcher::Dispatcher, recovery::record_unknown_instances};
use crate::{
    chain,
    dicom::{Remedy, Trouble, TroubleKind},
    series::Assembler,
    spool::journal::{JournalError, SeriesState},
    status::Notice,
};

/// How long the journal is left alone after a failure.
const RETRY: Duration = Duration::from_secs(15);

/// A journal that could not be written when it was last tried.
#[derive(Debug)]
pub(super) struct Outage {
    retry_at: Instant,
}

impl Outage {
    pub(super) fn retry_at(&self) -> Instant {
        self.retry_at
    }
}

impl Dispatcher {
    /// Puts work down until the journal can be written again.
    pub(super) fn journal_failed(&mut self, error: &JournalError) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the journal is not usable; instances are kept, work waits"
        );
        let notice = Notice::JournalUnusable { why: chain(error) };
        self.facts
            .pin(|facts| facts.journal_unusable = Some(notice));
        let now = Instant::now();
        let retry_at = match &self.outage {
            Some(outage) if outage.retry_at > now => outage.retry_at,
            _ => now + RETRY,
        };
        self.outage = Some(Outage { retry_at });
    }

    /// Takes everything up again, if there was trouble and it is time to try. Returns whether work
    /// can go on.
    pub(super) fn outage_is_over(&mut self) -> bool {
        let Some(outage) = &self.outage else {
            return true;
        };
        // What the engine or a result still works on belongs to the picture that is given up.
        let busy = self
            .live
            .values()
            .any(|live| live.in_flight > 0 || live.making_result);
        if busy || outage.retry_at > Instant::now() {
            return false;
        }
        match self.take_up_again() {
            Ok(()) => {
                tracing::info!("the journal is usable again");
                self.facts.pin(|facts| facts.journal_unusable = None);
                self.outage = None;
                true
            }
            Err(error) => {
                self.journal_failed(&error);
                false
            }
        }
    }

    fn take_up_again(&mut self) -> Result<(), JournalError> {
        self.journal.check_writable()?;
        record_unknown_instances(&self.intake)?;
        // The process is alive: no attempt that was cut off counts.
        let trouble = Trouble::new(TroubleKind::Journal, "the journal could not be written");
        let put_down = Some((&trouble, Remedy::Wait));
        for record in self.journal.in_states(&[SeriesState::Segmenting])? {
            self.journal.advance(
                &record.series,
                SeriesState::Queued,
                put_down,
                Timestamp::now(),
            )?;
        }
        self.assembler = Assembler::new(self.quiet_period, self.journal.chunking_callers()?);
        self.live.clear();
        self.resume()
    }
}
