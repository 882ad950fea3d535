//! What a person may ask for: the same result sent once more, or a new result of the same slices. And
//! where a result goes whose destination is gone.

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    ChangeError, DeliveryState, Durable, Journal, JournalError, SeriesRecord, SeriesState,
    columns::{Json, Micros},
    commitments,
    deliveries::settle,
    series::{load, step},
};
use crate::dicom::{Trouble, TroubleKind, Uid};

/// The names of the destinations that want a series' object of an SOP class.
pub type Wanted<'a> = dyn Fn(&SeriesRecord, &Uid) -> Vec<String> + 'a;

impl Journal {
    /// Has the last result sent again. Where some destination lacks it, that one gets it, at once;
    /// else every destination that has it gets it once more, with the same UIDs. Which destinations
    /// want it is decided anew.
    pub fn send_again(
        &self,
        series: &Uid,
        wanted: &Wanted<'_>,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "send a result again", |tx| {
            if load(tx, series)?.purged_at.is_some() {
                return Err(JournalError::NotKept(series.clone()).into());
            }
            address(tx, series, DeliveryState::Failed, wanted, now)?;
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

    /// Addresses what waits for destinations other than `known`, which nobody sends any more, to those
    /// that want it now. Where nobody does, it is given up. Returns the series concerned. To be called
    /// while nothing is sent.
    pub fn deliver_only_to(
        &self,
        known: &[&str],
        wanted: &Wanted<'_>,
        now: Timestamp,
    ) -> Result<Vec<SeriesRecord>, JournalError> {
        let known = Json(known.into());
        let others = "state = 'waiting' AND destination NOT IN (SELECT value FROM json_each(?1))";
        let trouble = Trouble::new(
            TroubleKind::NotConfigured,
            "no destination of this name is configured any more",
        );
        self.write(Durable::Now, "address waiting results anew", |tx| {
            let concerned: Vec<Uid> = tx
                .prepare(&format!(
                    "SELECT DISTINCT series FROM deliveries JOIN objects USING (object) WHERE {others}"
                ))?
                .query_map([&known], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for series in &concerned {
                address(tx, series, DeliveryState::Waiting, wanted, now)?;
            }
            tx.prepare(&format!(
                "UPDATE deliveries SET state = ?2, last_error = ?3, error_kind = ?4 WHERE {others}"
            ))?
            .execute((&known, DeliveryState::Failed, &trouble.words, trouble.kind))?;
            let settled = |series: &Uid| {
                settle(tx, series, now)?;
                load(tx, series)
            };
            concerned.iter().map(settled).collect()
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

/// Makes the destinations of a series' last result those that want it now. A delivery that is in
/// `state` and that nobody wants any more is forgotten, unless nobody wants the object at all: then it
/// is what there is to say about it.
fn address(
    tx: &Connection,
    series: &Uid,
    state: DeliveryState,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<(), ChangeError> {
    let record = load(tx, series)?;
    let objects: Vec<(Uid, Uid)> = tx
        .prepare_cached(
            "SELECT object, sop_class FROM objects WHERE series = ?1 AND revision = ?2",
        )?
        .query_map((series, record.revision), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (object, sop_class) in objects {
        let destinations = wanted(&record, &sop_class);
        if destinations.is_empty() {
            continue;
        }
        tx.prepare_cached(
            "DELETE FROM deliveries WHERE object = ?1 AND state = ?2 AND delivered_at IS NULL
                 AND destination NOT IN (SELECT value FROM json_each(?3))",
        )?
        .execute((&object, state, Json(destinations.clone().into())))?;
        for destination in destinations {
            tx.prepare_cached(
                "INSERT OR IGNORE INTO deliveries (object, destination, state, next_attempt_at)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((&object, destination, DeliveryState::Waiting, Micros(now)))?;
        }
    }
    Ok(())
}
