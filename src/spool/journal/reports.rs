//! What destinations report of commitments.
//!
//! After a report that is answered with success the destination never says it again, and files may be
//! removed on its word. So what it says is on stable storage before there is a receipt, and it only
//! counts for what that destination was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, named_params};

use super::{
    CommitmentState, DeliveryState, Durable, Journal, JournalError,
    columns::{Json, Micros, path_of},
    commitments::referenced,
};
use crate::dicom::{
    DimseStatus, TroubleKind, Uid,
    commitment::{Referenced, Report, is_cured_by_sending},
};

/// Receipt for a report that is on stable storage. Only [`Journal::commitment_reported`] makes one.
#[derive(Debug)]
pub struct Recorded {
    /// What the report changed.
    pub changes: Vec<Change>,
}

/// What a report made of one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    pub series: Uid,
    pub object: Referenced,
    pub path: PathBuf,
    pub destination: String,
    /// `Err`: why it is not committed.
    pub outcome: Result<(), DimseStatus>,
}

impl Journal {
    /// Records what a peer reports that is one of `destinations`. `None`: none of these was ever told
    /// that transaction, and nothing changes. What is committed stays committed, so that the same
    /// report again changes nothing and has its receipt all the same.
    ///
    /// An object that failed is asked about again `pause(tries)` later, and sent again before where
    /// that can help.
    pub fn commitment_reported(
        &self,
        destinations: &[&str],
        report: &Report,
        mut pause: impl FnMut(u32) -> SignedDuration,
        now: Timestamp,
    ) -> Result<Option<Recorded>, JournalError> {
        let committed: BTreeSet<&Uid> = report.committed.iter().collect();
        let failed = report.failed.iter().map(|(uid, reason)| (uid, *reason));
        let failed: BTreeMap<&Uid, DimseStatus> = failed.collect();
        self.write(Durable::Now, "record a report on commitment", |tx| {
            let Some(open) = Open::of(tx, &report.transaction, destinations)? else {
                return Ok(None);
            };
            let mut changes = Vec::new();
            for open in open {
                let uid = &open.object.sop_instance;
                let outcome = match failed.get(uid) {
                    // It was asked about again: that request has an answer of its own.
                    Some(_) if !open.is_latest => continue,
                    Some(reason) => {
                        let wait = pause(open.tries.saturating_add(1));
                        let again_at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                        open.refuse(tx, *reason, again_at, now)?;
                        Err(*reason)
                    }
                    None if committed.contains(uid) => {
                        open.commit(tx, now)?;
                        Ok(())
                    }
                    None => continue,
                };
                changes.push(Change {
                    series: open.series,
                    object: open.object,
                    path: open.path,
                    destination: open.destination,
                    outcome,
                });
            }
            Ok(Some(Recorded { changes }))
        })
    }
}

/// An object that a transaction may still settle.
struct Open {
    series: Uid,
    object: Referenced,
    path: PathBuf,
    destination: String,
    tries: u32,
    /// It was not asked about once more since.
    is_latest: bool,
}

impl Open {
    /// `None`: none of the destinations was told that transaction.
    fn of(
        tx: &Connection,
        transaction: &Uid,
        destinations: &[&str],
    ) -> rusqlite::Result<Option<Vec<Self>>> {
        let destinations = Json(destinations.into());
        let known: bool = tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM commitment_requests WHERE transaction_uid = ?1
                     AND destination IN (SELECT value FROM json_each(?2)))",
            )?
            .query_row((transaction, &destinations), |row| row.get(0))?;
        if !known {
            return Ok(None);
        }
        tx.prepare_cached(
            "SELECT series, object, sop_class, path, destination, tries,
                 commitments.transaction_uid = ?1 AS is_latest
             FROM commitment_requests JOIN objects USING (object)
                 JOIN commitments USING (object, destination)
             WHERE commitment_requests.transaction_uid = ?1 AND NOT void
                 AND destination IN (SELECT value FROM json_each(?2)) AND state <> ?3",
        )?
        .query_map(
            (transaction, &destinations, CommitmentState::Committed),
            |row| {
                Ok(Self {
                    series: row.get("series")?,
                    object: referenced(row)?,
                    path: path_of(row, "path")?,
                    destination: row.get("destination")?,
                    tries: row.get("tries")?,
                    is_latest: row.get("is_latest")?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()
        .map(Some)
    }

    fn commit(&self, tx: &Connection, now: Timestamp) -> rusqlite::Result<()> {
        tx.prepare_cached(
            "UPDATE commitments SET state = ?3, since = ?4, error = NULL, error_kind = NULL
             WHERE object = ?1 AND destination = ?2",
        )?
        .execute((
            &self.object.sop_instance,
            &self.destination,
            CommitmentState::Committed,
            Micros(now),
        ))?;
        Ok(())
    }

    fn refuse(
        &self,
        tx: &Connection,
        reason: DimseStatus,
        again_at: Timestamp,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let (object, destination) = (&self.object.sop_instance, &self.destination);
        tx.prepare_cached(
            "UPDATE commitments SET state = :refused, since = :now, next_at = :again_at,
                 tries = tries + 1, error = :words, error_kind = :kind
             WHERE object = :object AND destination = :destination",
        )?
        .execute(named_params! {
            ":object": object,
            ":destination": destination,
            ":refused": CommitmentState::Refused,
            ":now": Micros(now),
            ":again_at": Micros(again_at),
            ":words": format!("{destination} did not commit: {reason}"),
            ":kind": TroubleKind::NotCommitted,
        })?;
        tx.prepare_cached(
            "UPDATE commitment_requests SET void = 1 WHERE object = ?1 AND destination = ?2",
        )?
        .execute((object, destination))?;
        if is_cured_by_sending(reason) {
            // The series stays delivered: it was answered when its result was stored.
            tx.prepare_cached(
                "UPDATE deliveries SET state = :waiting, attempts = 0, next_attempt_at = :again_at,
                     last_error = NULL, error_kind = NULL
                 WHERE object = :object AND destination = :destination AND state = :delivered
                     AND EXISTS (SELECT 1 FROM objects JOIN series USING (series)
                         WHERE objects.object = :object AND purged_at IS NULL)",
            )?
            .execute(named_params! {
                ":object": object,
                ":destination": destination,
                ":waiting": DeliveryState::Waiting,
                ":delivered": DeliveryState::Delivered,
                ":again_at": Micros(again_at),
            })?;
        }
        Ok(())
    }
}
