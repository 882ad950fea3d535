//! One thread a destination: takes what is due from the journal, stores it, records the outcome; then
//! asks for commitments, where that is configured.
//!
//! A thread each, so that a stalled PACS delays nobody else's results. Everything that must not be
//! forgotten is in the journal; this loop can be killed at any instruction.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;
use rand::SeedableRng;
use tokio_util::sync::CancellationToken;

use super::{reports::Reports, trail};
use crate::{
    audit::{Event, Log, Transfer},
    deliver::{self, DeliverError, Destination, Outgoing, Sending},
    dicom::{Trouble, TroubleKind, Uid, sop_class},
    encode::ObjectKind,
    spool::journal::{DeliveryRecord, Journal, JournalError},
    status::{FactsBoard, Notice, metric_names},
};

/// Looks at the journal at least this often, whatever it promised.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

pub(super) struct Deliverer {
    pub destination: Destination,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
    pub audit: Log,
    /// Cancelled when the appliance stops: a stalled delivery is then left for the next start.
    pub stop: CancellationToken,
    pub reports: Reports,
}

/// What a delivery came to while the journal could not be written.
pub(super) type Unrecorded = Option<(DeliveryRecord, Result<(), DeliverError>)>;

impl Deliverer {
    /// Runs until the other end of `wake` is dropped.
    pub(super) fn run(self, wake: Receiver<()>) {
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let mut unrecorded = None;
        loop {
            // Nobody else sends to this destination.
            let worked = catch_unwind(AssertUnwindSafe(|| {
                self.deliver_what_is_due(&mut unrecorded, &mut rng)?;
                self.ask_to_commit(&mut rng)?;
                self.time_until_due()
            }));
            let sleep = match worked {
                Ok(Ok(sleep)) => sleep,
                Err(_panic) => {
                    tracing::error!(destination = self.destination.name, "delivering crashed");
                    LONGEST_SLEEP
                }
                Ok(Err(error)) => {
                    tracing::error!(
                        destination = self.destination.name,
                        error = &error as &dyn std::error::Error,
                        "journal not usable, deliveries wait"
                    );
                    LONGEST_SLEEP
                }
            };
            match wake.recv_timeout(sleep) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// What should be sent there now.
    pub(super) fn due(&self) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.journal
            .deliveries_due(&self.destination.name, Timestamp::now())
    }

    /// Sends one object after the other, each recorded before the next is begun. Nothing is sent
    /// that could not be recorded: it would be sent again and again.
    pub(super) fn deliver_what_is_due(
        &self,
        unrecorded: &mut Unrecorded,
        rng: &mut rand::rngs::StdRng,
    ) -> Result<(), JournalError> {
        if let Some((delivery, outcome)) = unrecorded {
            self.record(delivery, outcome, rng)?;
            *unrecorded = None;
        }
        let due = self.due()?;
        if due.is_empty() {
            return Ok(());
        }
        self.journal.check_writable()?;
        let objects: Vec<Outgoing> = due.iter().map(outgoing).collect();
        let mut sending = Sending::new(&self.destination, &objects, &self.stop);
        for (delivery, object) in due.into_iter().zip(&objects) {
            if self.stop.is_cancelled() {
                break;
            }
            let name = &self.destination.name;
            if !self.journal.still_waits(&delivery.object, name)? {
                continue;
            }
            if delivery.attempts == 0 {
                self.audit_transfer(&delivery, |transfer| Some(Event::Sending(transfer)))?;
            }
            let outcome = sending.store(object).map(|_status| ());
            // Neither the PACS' fault nor an attempt: it is still due at the next start.
            if let Err(DeliverError::Stopped { .. }) = outcome {
                break;
            }
            let ended = outcome.as_ref().copied();
            self.audit_transfer(&delivery, |transfer| {
                trail::ended(transfer, &delivery, ended)
            })?;
            if let Err(error) = self.record(&delivery, &outcome, rng) {
                *unrecorded = Some((delivery, outcome));
                return Err(error);
            }
            self.facts.touch();
        }
        Ok(())
    }

    /// For how long neither anything is to be sent nor asked.
    fn time_until_due(&self) -> Result<Duration, JournalError> {
        let now = Timestamp::now();
        let delivery = self.journal.next_delivery_at(&self.destination.name)?;
        let commitment = match self.destination.commitment {
            Some(_) => self.journal.next_commitment_at(&self.destination.name)?,
            None => None,
        };
        let next = delivery.into_iter().chain(commitment).min();
        let wait = next.map_or(LONGEST_SLEEP, |at| {
            Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
        });
        Ok(wait.min(LONGEST_SLEEP))
    }

    fn audit_transfer(
        &self,
        delivery: &DeliveryRecord,
        event: impl FnOnce(Transfer) -> Option<Event>,
    ) -> Result<(), JournalError> {
        if let Some(series) = self.journal.series(&delivery.series)? {
            let transfer = trail::outgoing(delivery, &series, &self.destination);
            if let Some(event) = event(transfer) {
                self.audit.record(event);
            }
        }
        Ok(())
    }

    fn record(
        &self,
        delivery: &DeliveryRecord,
        outcome: &Result<(), DeliverError>,
        rng: &mut rand::rngs::StdRng,
    ) -> Result<(), JournalError> {
        match outcome {
            Ok(()) => self.delivered(delivery),
            Err(DeliverError::NoPresentationContext { reason, .. })
                if accompanies(&delivery.object_sop_class) =>
            {
                self.declined(delivery, reason)
            }
            Err(error) => self.failed(delivery, error, rng),
        }
    }

    fn delivered(&self, delivery: &DeliveryRecord) -> Result<(), JournalError> {
        let now = Timestamp::now();
        let name = &self.destination.name;
        self.journal
            .delivery_attempted(&delivery.object, name, Ok(()), None, now)?;
        tracing::info!(series = %delivery.series, status = "delivered", destination = name, object = %delivery.object, "delivered");
        self.facts.pin(|facts| {
            let facts = facts.destinations.entry(name.clone()).or_default();
            facts.last_success = Some(now);
            facts.failing = None;
        });
        metrics::counter!(metric_names::DELIVERED, "destination" => name.clone()).increment(1);
        if !accompanies(&delivery.object_sop_class)
            && let Some(passed) = time_since_made(&delivery.path, now)
        {
            metrics::histogram!(metric_names::SEG_TO_STORED).record(passed);
        }
        Ok(())
    }

    /// A file that is gone or damaged is given up: the series then fails, and can be segmented again.
    fn failed(
        &self,
        delivery: &DeliveryRecord,
        error: &DeliverError,
        rng: &mut rand::rngs::StdRng,
    ) -> Result<(), JournalError> {
        let now = Timestamp::now();
        let name = &self.destination.name;
        let pause = (!error.is_for_good()).then(|| deliver::backoff(delivery.attempts + 1, rng));
        let trouble = error.trouble();
        self.journal.delivery_attempted(
            &delivery.object,
            name,
            Err(&trouble),
            pause.map(|pause| now + pause),
            now,
        )?;
        metrics::counter!(metric_names::DELIVERY_FAILURES, "destination" => name.clone())
            .increment(1);
        tracing::warn!(
            series = %delivery.series,
            destination = name,
            attempt = delivery.attempts + 1,
            retry_in = ?pause,
            error = error as &dyn std::error::Error,
            "not delivered{}",
            if pause.is_some() { " yet" } else { ", and given up" }
        );
        if !error.is_of_the_file() {
            self.facts.pin(|facts| {
                let facts = facts.destinations.entry(name.clone()).or_default();
                let since = facts.failing.take().map_or(now, |(since, _)| since);
                facts.failing = Some((since, trouble));
            });
        }
        Ok(())
    }

    /// The destination works and has the segmentation or will; it takes no objects of this class.
    fn declined(&self, delivery: &DeliveryRecord, reason: &str) -> Result<(), JournalError> {
        let name = &self.destination.name;
        let class = sop_class::name(&delivery.object_sop_class);
        let words = format!("{name} takes no {class}: {reason}");
        let trouble = Trouble::new(TroubleKind::ClassNotTaken, words);
        self.journal
            .delivery_declined(&delivery.object, name, &trouble, Timestamp::now())?;
        tracing::warn!(series = %delivery.series, destination = name, class, reason, "not accepted, and not sent again");
        metrics::counter!(metric_names::DECLINED, "destination" => name.clone()).increment(1);
        self.facts.pin(|facts| {
            let facts = facts.destinations.entry(name.clone()).or_default();
            let declined = Notice::Declined {
                destination: name.clone(),
                class: class.clone(),
                why: reason.to_owned(),
            };
            if !facts.declines.contains(&declined) {
                facts.declines.push(declined);
            }
        });
        Ok(())
    }
}

fn outgoing(delivery: &DeliveryRecord) -> Outgoing {
    Outgoing {
        sop_class: delivery.object_sop_class.clone(),
        sop_instance: delivery.object.clone(),
        path: delivery.path.clone(),
    }
}

/// How long an object is on its way; its file knows since when.
pub(super) fn time_since_made(path: &Path, now: Timestamp) -> Option<Duration> {
    let written = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    let written = Timestamp::try_from(written).ok()?;
    Duration::try_from(now.duration_since(written)).ok()
}

/// What comes beside the segmentation. A PACS that does not take it has the result all the same;
/// one that does not take the segmentation has nothing, and somebody must configure it.
fn accompanies(sop_class: &Uid) -> bool {
    !matches!(ObjectKind::of(sop_class), Some(ObjectKind::Seg) | None)
}
