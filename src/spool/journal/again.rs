//! What a person may ask for: the same result sent once more, or a new result of the same slices.

use jiff::Timestamp;

use super::{
    DeliveryState, Durable, Journal, JournalError, SeriesRecord, SeriesState,
    columns::Micros,
    commitments,
    series::{load, step},
};
use crate::dicom::Uid;

impl Journal {
    /// Has the last result sent again. Where some destination lacks it, those are tried again, at
    /// once; else every destination that has it gets it once more, with the same UIDs.
    pub fn send_again(&self, series: &Uid, now: Timestamp) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "send a result again", |tx| {
            let record = load(tx, series)?;
            let of_result = |state| {
                let mut deliveries = record.destinations.iter();
                deliveries.any(|d| d.revision == record.revision && d.state == state)
            };
            let lacking = [DeliveryState::Failed, DeliveryState::Waiting];
            let again: &[DeliveryState] = if lacking.into_iter().any(of_result) {
                &lacking
            } else if of_result(DeliveryState::Delivered) {
                // What was declined is offered again: somebody may have set the destination up.
                &[DeliveryState::Delivered, DeliveryState::Declined]
            } else {
                return Err(JournalError::NothingSent(series.clone()).into());
            };
            for state in again {
                tx.prepare_cached(
                    "UPDATE deliveries SET state = ?2, attempts = 0, next_attempt_at = ?3
                     WHERE state = ?4 AND object IN (SELECT object FROM objects
                         JOIN series USING (series, revision) WHERE series = ?1)",
                )?
                .execute((series, DeliveryState::Waiting, Micros(now), state))?;
            }
            commitments::forget(tx, series)?;
            if record.state != SeriesState::Delivering {
                step(tx, series, SeriesState::Delivering, None, now)?;
            }
            load(tx, series)
        })
    }

    /// Queues a series that has come to an end for the engine once more. A result that it has stays
    /// what it is; the next one is a revision of its own.
    pub fn segment_again(
        &self,
        series: &Uid,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "segment a series again", |tx| {
            let from = load(tx, series)?.state;
            // One whose result is still to come is queued once more by the appliance only.
            if matches!(
                from,
                SeriesState::Receiving | SeriesState::Queued | SeriesState::Segmenting
            ) {
                let (series, to) = (series.clone(), SeriesState::Queued);
                return Err(JournalError::NotAllowed { series, from, to }.into());
            }
            step(tx, series, SeriesState::Queued, None, now)?;
            tx.prepare_cached(
                "UPDATE series SET revision = revision + 1
                 WHERE series = ?1 AND revision IN
                     (SELECT revision FROM objects WHERE objects.series = ?1)",
            )?
            .execute([series])?;
            load(tx, series)
        })
    }
}
