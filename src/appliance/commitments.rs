//! A destination that is configured so is asked to answer for what it stored.
//!
//! Its deliverer asks, on the same thread: what is to be sent goes first, and one association at a
//! time is what small archives allow. A request is in the journal before it is made, so that a report
//! is known however soon it comes, and a process that ends in between asks again.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};

use super::{deliveries::Deliverer, reports::Asking};
use crate::{
    deliver::{self, Commitments, DeliverError},
    dicom::{Remedy, Uid, commitment::Referenced},
    spool::journal::{JournalError, ToCommit},
    status::metric_names,
};

/// A request that was begun and not concluded is made again after this: a process that ended in
/// between says no more of it. Longer than any answer is waited for.
const ASKING: Duration = Duration::from_mins(5);

/// How long an association stays open for the report, as long as nothing is to be sent: an archive
/// that reports on the same one does so at once.
const LINGER: Duration = Duration::from_secs(5);

/// How often it is looked whether the report came by another way.
const TICK: Duration = Duration::from_millis(250);

/// An archive fails or keeps a request as a whole.
const LARGEST_REQUEST: usize = 100;

impl Deliverer {
    /// Asks for what is due, if the destination is asked at all.
    pub(super) fn ask_to_commit(&self, rng: &mut StdRng) -> Result<(), JournalError> {
        let Some(wait) = self.destination.commitment else {
            return Ok(());
        };
        let name = &self.destination.name;
        let due = self.journal.commitments_due(name, Timestamp::now())?;
        if due.is_empty() || self.stop.is_cancelled() {
            return self.reports.note(name, Asking::NoNews);
        }
        let mut asked = Vec::new();
        let outcome = match Commitments::open(&self.destination, &self.stop) {
            Ok(mut session) => {
                let outcome = self.ask_each(&mut session, &due, wait, &mut asked, rng)?;
                match &outcome {
                    Err(error) if error.ends_the_association() => session.leave(&outcome),
                    _ if asked.is_empty() => session.leave(&outcome),
                    _ => {
                        let heard = self.listen(&mut session, &asked)?;
                        session.leave(&heard);
                    }
                }
                outcome
            }
            Err(error) => {
                self.not_asked(&due, &error, rng)?;
                Err(error)
            }
        };
        self.facts.touch();
        let asking = match outcome {
            _ if !asked.is_empty() => Asking::Taken,
            // Whatever else is wrong shows when something is sent.
            Err(
                error @ (DeliverError::NoPresentationContext { .. } | DeliverError::Status { .. }),
            ) if error.remedy() == Remedy::Service => Asking::NotTaken {
                why: error.to_string(),
            },
            _ => Asking::NoNews,
        };
        self.reports.note(name, asking)
    }

    /// One request for each series, until the association is lost; those that were taken go into
    /// `asked`.
    fn ask_each(
        &self,
        session: &mut Commitments,
        due: &[ToCommit],
        wait: Duration,
        asked: &mut Vec<Uid>,
        rng: &mut StdRng,
    ) -> Result<Result<(), DeliverError>, JournalError> {
        let name = &self.destination.name;
        let mut refused = Ok(());
        let mut rest = due;
        for of_series in due.chunk_by(|a, b| a.series == b.series) {
            for request in of_series.chunks(LARGEST_REQUEST) {
                let transaction = Uid::random(rng);
                let objects: Vec<Referenced> = request.iter().map(|it| it.object.clone()).collect();
                let uids: Vec<Uid> = objects.iter().map(|it| it.sop_instance.clone()).collect();
                let now = Timestamp::now();
                self.journal
                    .commitment_asking(&transaction, name, &uids, now + ASKING, now)?;
                let mut hear =
                    |report| self.reports.hear(&self.destination.ae_title, report).status;
                let outcome = session.ask(&transaction, &objects, &mut hear);
                rest = rest.get(request.len()..).unwrap_or_default();
                match outcome {
                    Ok(()) => {
                        let again_at = Timestamp::now() + wait;
                        self.journal.commitment_asked(&transaction, again_at)?;
                        for it in request {
                            tracing::info!(series = %it.series, destination = name, object = %it.object.sop_instance, %transaction, "asked to commit");
                        }
                        asked.push(transaction);
                    }
                    // It is asked again soon after the next start.
                    Err(stopped @ DeliverError::Stopped { .. }) => return Ok(Err(stopped)),
                    Err(error) => {
                        self.not_asked(request, &error, rng)?;
                        if error.ends_the_association() {
                            self.not_asked(rest, &error, rng)?;
                            return Ok(Err(error));
                        }
                        refused = Err(error);
                    }
                }
            }
        }
        Ok(refused)
    }

    fn not_asked(
        &self,
        objects: &[ToCommit],
        error: &DeliverError,
        rng: &mut impl Rng,
    ) -> Result<(), JournalError> {
        if let DeliverError::Stopped { .. } = error {
            return Ok(());
        }
        let (name, now) = (&self.destination.name, Timestamp::now());
        let tries = objects.iter().map(|it| it.tries).min().unwrap_or(0);
        let pause = deliver::backoff(tries.saturating_add(1), rng);
        let uids: Vec<Uid> = objects
            .iter()
            .map(|it| it.object.sop_instance.clone())
            .collect();
        self.journal
            .commitment_not_asked(name, &uids, &error.trouble(), now + pause, now)?;
        for it in objects {
            metrics::counter!(metric_names::COMMITMENT_FAILURES, "destination" => name.clone())
                .increment(1);
            tracing::warn!(
                series = %it.series,
                destination = name,
                object = %it.object.sop_instance,
                retry_in = ?pause,
                error = error as &dyn std::error::Error,
                "not asked to commit yet"
            );
        }
        Ok(())
    }

    /// Hears reports on the association until all came, here or at the listener, or until there is
    /// something better to do.
    fn listen(
        &self,
        session: &mut Commitments,
        asked: &[Uid],
    ) -> Result<Result<(), DeliverError>, JournalError> {
        let until = Instant::now() + LINGER;
        let mut hear = |report| self.reports.hear(&self.destination.ae_title, report).status;
        while Instant::now() < until
            && !self.stop.is_cancelled()
            && self.journal.commitments_open(asked)?
            && self.due()?.is_empty()
        {
            if let Err(error) = session.listen(TICK, &mut hear) {
                tracing::debug!(
                    destination = self.destination.name,
                    error = &error as &dyn std::error::Error,
                    "no report on this association"
                );
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}
