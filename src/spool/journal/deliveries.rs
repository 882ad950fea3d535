use std::{collections::BTreeMap, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{
    ChangeError, DeliveryState, Durable, Journal, JournalError, SeriesRecord, SeriesState,
    columns::{Json, Micros, PathBytes, maybe_time_of, path_of, time_of, trouble_of},
    commitments::{CommitmentRecord, commitment_of},
    series::{load, step},
};
use crate::dicom::{Remedy, Trouble, TroubleKind, Uid};

/// An object that was made from a series and is in the spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResultObject {
    pub sop_instance: Uid,
    pub sop_class: Uid,
    pub path: PathBuf,
}

/// An object of a new result, and the destinations that want it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addressed {
    pub object: ResultObject,
    pub destinations: Vec<String>,
}

/// One object on its way to one destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeliveryRecord {
    pub series: Uid,
    /// Of which result of the series.
    pub revision: u32,
    pub object: Uid,
    pub object_sop_class: Uid,
    pub path: PathBuf,
    pub destination: String,
    pub state: DeliveryState,
    pub attempts: u32,
    pub next_attempt_at: Timestamp,
    pub last_error: Option<Trouble>,
    pub delivered_at: Option<Timestamp>,
    /// Whether the destination answers for keeping it; `None`: it was not asked.
    pub commitment: Option<CommitmentRecord>,
}

pub(super) const DELIVERY: &str =
    "SELECT objects.series, objects.revision, objects.sop_class, objects.path, deliveries.*,
         commitments.state AS commitment, commitments.since AS commitment_since,
         commitments.tries AS commitment_tries, commitments.next_at AS commitment_next_at,
         commitments.error AS commitment_error, commitments.error_kind AS commitment_error_kind
     FROM deliveries JOIN objects USING (object)
         LEFT JOIN commitments USING (object, destination)";

/// No back-off reaches this far: a delivery that is due even later was scheduled by a clock that
/// has since gone back.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// So many at once are looked up. The rest is as due afterwards.
const AT_ONCE: u32 = 100;

impl Journal {
    /// Records a result and what must be sent where, and takes the series to delivering, or to
    /// delivered if there is no destination. The objects are in the spool already.
    ///
    /// An object that some destination has already (same instances, same model, same UID) is not
    /// sent there again.
    pub fn record_result(
        &self,
        series: &Uid,
        findings: &serde_json::Value,
        objects: &[Addressed],
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "record a result", |tx| {
            step(tx, series, SeriesState::Delivering, None, now)?;
            tx.prepare_cached("UPDATE series SET findings = ?2 WHERE series = ?1")?
                .execute((series, Json(findings.clone())))?;
            for Addressed {
                object,
                destinations,
            } in objects
            {
                tx.prepare_cached(
                    "INSERT INTO objects (object, series, revision, sop_class, path)
                     SELECT :object, series, revision, :sop_class, :path
                         FROM series WHERE series = :series
                     ON CONFLICT (object) DO UPDATE SET
                         revision = excluded.revision, path = excluded.path",
                )?
                .execute(named_params! {
                    ":object": object.sop_instance,
                    ":sop_class": object.sop_class,
                    ":path": PathBytes(&object.path),
                    ":series": series,
                })?;
                for destination in destinations {
                    tx.prepare_cached(
                        "INSERT INTO deliveries (object, destination, state, next_attempt_at)
                         VALUES (:object, :destination, :waiting, :now)
                         ON CONFLICT (object, destination) DO UPDATE SET
                             state = :waiting, attempts = 0, next_attempt_at = :now
                             WHERE state <> :delivered",
                    )?
                    .execute(named_params! {
                        ":object": object.sop_instance,
                        ":destination": destination,
                        ":waiting": DeliveryState::Waiting,
                        ":delivered": DeliveryState::Delivered,
                        ":now": Micros(now),
                    })?;
                }
            }
            settle(tx, series, now)?;
            load(tx, series)
        })
    }

    /// Records why a series that was segmented has no result that may be sent, with everything
    /// that was measured.
    pub fn record_refusal(
        &self,
        series: &Uid,
        findings: &serde_json::Value,
        reason: (&Trouble, Remedy),
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "record a refusal", |tx| {
            step(tx, series, SeriesState::Refused, Some(reason), now)?;
            tx.prepare_cached("UPDATE series SET findings = ?2 WHERE series = ?1")?
                .execute((series, Json(findings.clone())))?;
            load(tx, series)
        })
    }

    /// What should be sent to a destination now, longest due first; a hundred at most.
    pub fn deliveries_due(
        &self,
        destination: &str,
        now: Timestamp,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let never_so_late = now.saturating_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX);
        self.read("list due deliveries", |db| {
            db.prepare_cached(&format!(
                "{DELIVERY} WHERE deliveries.state = 'waiting' AND destination = ?1
                     AND (next_attempt_at <= ?2 OR next_attempt_at > ?3)
                 ORDER BY next_attempt_at, object LIMIT {AT_ONCE}",
            ))?
            .query_map(
                (destination, Micros(now), Micros(never_so_late)),
                delivery_of,
            )?
            .collect()
        })
    }

    /// Whether an object still has to be sent to a destination: a late slice may have made it obsolete.
    pub fn still_waits(&self, object: &Uid, destination: &str) -> Result<bool, JournalError> {
        self.read("look at a delivery", |db| {
            db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM deliveries
                     WHERE object = ?1 AND destination = ?2 AND state = 'waiting')",
            )?
            .query_row((object, destination), |row| row.get(0))
        })
    }

    /// How many objects wait for each destination; destinations that nothing waits for are left out.
    pub fn waiting_by_destination(&self) -> Result<BTreeMap<String, u64>, JournalError> {
        self.read("count waiting deliveries", |db| {
            db.prepare_cached(
                "SELECT destination, count(*) FROM deliveries WHERE state = 'waiting'
                 GROUP BY destination",
            )?
            .query_map([], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
            })?
            .collect()
        })
    }

    /// When each destination last stored something; those that never did are left out.
    pub fn last_stored(&self) -> Result<BTreeMap<String, Timestamp>, JournalError> {
        self.read("look for the last deliveries", |db| {
            db.prepare_cached(
                "SELECT destination, max(delivered_at) AS last FROM deliveries
                 WHERE delivered_at IS NOT NULL GROUP BY destination",
            )?
            .query_map([], |row| {
                Ok((row.get("destination")?, time_of(row, "last")?))
            })?
            .collect()
        })
    }

    /// When [`Self::deliveries_due`] is next worth asking; `None` while nothing waits.
    pub fn next_delivery_at(&self, destination: &str) -> Result<Option<Timestamp>, JournalError> {
        self.read("find the next delivery", |db| {
            db.prepare_cached(
                "SELECT min(next_attempt_at) AS next FROM deliveries
                 WHERE state = 'waiting' AND destination = ?1",
            )?
            .query_row([destination], |row| maybe_time_of(row, "next"))
        })
    }

    /// Records how sending went. A failure is tried again at `retry_at`, or never. Once nothing of
    /// the result waits any more, the series is delivered, or failed if a destination lacks it.
    pub fn delivery_attempted(
        &self,
        object: &Uid,
        destination: &str,
        outcome: Result<(), &Trouble>,
        retry_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.attempted(
            object,
            destination,
            outcome,
            retry_at,
            DeliveryState::Failed,
            now,
        )
    }

    /// Records that a destination does not take objects of this kind: it is not asked again, and
    /// the series does not fail for it.
    pub fn delivery_declined(
        &self,
        object: &Uid,
        destination: &str,
        reason: &Trouble,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        let declined = DeliveryState::Declined;
        self.attempted(object, destination, Err(reason), None, declined, now)
    }

    /// `given_up` is what a delivery becomes that failed and is not tried again.
    fn attempted(
        &self,
        object: &Uid,
        destination: &str,
        outcome: Result<(), &Trouble>,
        retry_at: Option<Timestamp>,
        given_up: DeliveryState,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "record a delivery attempt", |tx| {
            let found: Option<(Uid, DeliveryState)> = tx
                .prepare_cached(
                    "SELECT objects.series, deliveries.state
                         FROM deliveries JOIN objects USING (object)
                         WHERE object = ?1 AND destination = ?2",
                )?
                .query_row((object, destination), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((series, was)) = found else {
                return Err(JournalError::UnknownDelivery {
                    object: object.clone(),
                    destination: destination.to_owned(),
                }
                .into());
            };
            let state = match (was, outcome, retry_at) {
                (_, Ok(()), _) | (DeliveryState::Delivered, ..) => DeliveryState::Delivered,
                (DeliveryState::Superseded, ..) => DeliveryState::Superseded,
                (_, Err(_), Some(_)) => DeliveryState::Waiting,
                (_, Err(_), None) => given_up,
            };
            tx.prepare_cached(
                "UPDATE deliveries SET state = :state, attempts = attempts + 1,
                     next_attempt_at = coalesce(:retry_at, next_attempt_at),
                     last_error = :error, error_kind = :kind,
                     delivered_at = coalesce(delivered_at, :delivered_at)
                 WHERE object = :object AND destination = :destination",
            )?
            .execute(named_params! {
                ":state": state,
                ":retry_at": retry_at.map(Micros),
                ":error": outcome.err().map(|trouble| &*trouble.words),
                ":kind": outcome.err().and_then(|trouble| trouble.kind),
                ":delivered_at": outcome.is_ok().then_some(Micros(now)),
                ":object": object,
                ":destination": destination,
            })?;
            settle(tx, &series, now)?;
            load(tx, &series)
        })
    }
}

/// Ends a delivering series if nothing of its current result waits any more.
pub(super) fn settle(tx: &Connection, series: &Uid, now: Timestamp) -> Result<(), ChangeError> {
    let record = load(tx, series)?;
    if record.state != SeriesState::Delivering {
        return Ok(());
    }
    let mut failures = Vec::new();
    for delivery in &record.destinations {
        match delivery.state {
            _ if delivery.revision != record.revision => {}
            DeliveryState::Waiting => return Ok(()),
            DeliveryState::Failed => failures.push(format!(
                "{}: {}",
                delivery.destination,
                delivery
                    .last_error
                    .as_ref()
                    .map_or("not delivered", |trouble| &trouble.words),
            )),
            DeliveryState::Delivered | DeliveryState::Declined | DeliveryState::Superseded => {}
        }
    }
    if failures.is_empty() {
        return step(tx, series, SeriesState::Delivered, None, now);
    }
    failures.dedup();
    let words = format!("not delivered to {}", failures.join("; "));
    let trouble = Trouble::new(TroubleKind::NotDelivered, words);
    step(
        tx,
        series,
        SeriesState::Failed,
        Some((&trouble, Remedy::Service)),
        now,
    )
}

pub(super) fn deliveries_of(
    db: &Connection,
    series: &Uid,
) -> rusqlite::Result<Vec<DeliveryRecord>> {
    db.prepare_cached(&format!(
        "{DELIVERY} WHERE objects.series = ?1 ORDER BY objects.revision, destination, object"
    ))?
    .query_map([series], delivery_of)?
    .collect()
}

pub(super) fn object_of(row: &Row<'_>) -> rusqlite::Result<ResultObject> {
    Ok(ResultObject {
        sop_instance: row.get("object")?,
        sop_class: row.get("sop_class")?,
        path: path_of(row, "path")?,
    })
}

fn delivery_of(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    Ok(DeliveryRecord {
        series: row.get("series")?,
        revision: row.get("revision")?,
        object: row.get("object")?,
        object_sop_class: row.get("sop_class")?,
        path: path_of(row, "path")?,
        destination: row.get("destination")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        next_attempt_at: time_of(row, "next_attempt_at")?,
        last_error: trouble_of(row, "last_error", "error_kind")?,
        delivered_at: maybe_time_of(row, "delivered_at")?,
        commitment: commitment_of(row)?,
    })
}
