//! What destinations answered for keeping: asked, committed, refused.
//!
//! A delivery that its destination stored is *due* to be asked about by having no row here, so that
//! nothing has to be written for it to be asked, and whoever switches the asking on or off finds all
//! that is kept treated alike. A request is recorded before it is made, and a transaction stays known
//! for good: an archive may report after hours, after a restart, after it was asked again, or twice.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, named_params};

use super::{
    CommitmentState, DeliveryState, Durable, Journal, JournalError,
    columns::{Json, Micros, maybe_time_of, time_of, trouble_of},
    deliveries::settle,
};
use crate::dicom::{Remedy, Trouble, TroubleKind, Uid, commitment::Referenced};

/// How the commitment of one destination to one object stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitmentRecord {
    pub state: CommitmentState,
    pub since: Timestamp,
    /// Requests that came to nothing, in a row: not placed, not answered, refused.
    pub tries: u32,
    /// What the last of them came to; `None` once it is committed.
    pub trouble: Option<Trouble>,
    /// When it is asked about again, while it is not committed.
    pub next_at: Timestamp,
}

impl CommitmentRecord {
    /// Who has to act before it is committed; `None`: nobody, as far as anybody knows.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        if self.state == CommitmentState::Committed {
            return None;
        }
        let kind = self.trouble.as_ref()?.kind;
        Some(match kind {
            Some(TroubleKind::ClassNotTaken) => Remedy::Service,
            Some(
                TroubleKind::NotCommitted
                | TroubleKind::CommitmentNotReported
                | TroubleKind::ErrorStatus,
            ) if self.tries >= PATIENT_TRIES => Remedy::Service,
            _ => Remedy::Wait,
        })
    }
}

/// After so many, somebody has to look at the archive.
const PATIENT_TRIES: u32 = 3;

/// An object that a destination stored and is to be asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToCommit {
    pub series: Uid,
    pub object: Referenced,
    pub tries: u32,
}

/// No wait reaches this far: what is due even later was scheduled by a clock that has since gone back.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Objects asked about at a time; the rest follows.
const AT_A_TIME: u32 = 200;

/// What a destination stored of a series that is still kept, and has not committed to. From the
/// series that are kept, which are few, to their deliveries.
const UNCOMMITTED: &str = "FROM series INDEXED BY series_kept CROSS JOIN objects USING (series)
     CROSS JOIN deliveries USING (object) LEFT JOIN commitments USING (object, destination)
     WHERE series.purged_at IS NULL AND destination = :destination
         AND deliveries.state = 'delivered'
         AND (commitments.state IS NULL OR commitments.state <> 'committed')";

impl Journal {
    /// Stops waiting for the commitment of every destination but `committing`: what they have not
    /// committed to counts as never asked, and what they would have been sent once more for it as
    /// the delivery that it was.
    pub fn wait_only_for(&self, committing: &[&str], now: Timestamp) -> Result<(), JournalError> {
        let committing = Json(committing.into());
        self.write(Durable::Now, "forget requests to commit", |tx| {
            let others = "destination NOT IN (SELECT value FROM json_each(?1))";
            let sent_again: Vec<Uid> = tx
                .prepare(&format!(
                    "UPDATE deliveries SET state = ?2 WHERE state = ?3 AND delivered_at IS NOT NULL
                         AND (object, destination) IN (SELECT object, destination FROM commitments
                              WHERE state = ?4 AND {others}) RETURNING object"
                ))?
                .query_map(
                    (
                        &committing,
                        DeliveryState::Delivered,
                        DeliveryState::Waiting,
                        CommitmentState::Refused,
                    ),
                    |row| row.get(0),
                )?
                .collect::<rusqlite::Result<_>>()?;
            tx.execute(
                &format!("DELETE FROM commitments WHERE state <> 'committed' AND {others}"),
                [&committing],
            )?;
            for object in sent_again {
                let series: Uid = tx.query_row(
                    "SELECT series FROM objects WHERE object = ?1",
                    [object],
                    |row| row.get(0),
                )?;
                settle(tx, &series, now)?;
            }
            Ok(())
        })
    }

    /// What a destination should be asked to commit to now, series by series.
    pub fn commitments_due(
        &self,
        destination: &str,
        now: Timestamp,
    ) -> Result<Vec<ToCommit>, JournalError> {
        let never_so_late = now.saturating_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX);
        self.read("list due commitments", |db| {
            db.prepare_cached(&format!(
                "SELECT objects.series, object, sop_class, coalesce(tries, 0) AS tries
                 {UNCOMMITTED} AND (commitments.next_at IS NULL
                     OR commitments.next_at <= :now OR commitments.next_at > :late)
                 ORDER BY series, object LIMIT {AT_A_TIME}",
            ))?
            .query_map(
                named_params! {
                    ":destination": destination,
                    ":now": Micros(now),
                    ":late": Micros(never_so_late),
                },
                |row| {
                    Ok(ToCommit {
                        series: row.get("series")?,
                        object: referenced(row)?,
                        tries: row.get("tries")?,
                    })
                },
            )?
            .collect()
        })
    }

    /// When [`Self::commitments_due`] is next worth asking; `None` while nothing is to be committed.
    pub fn next_commitment_at(&self, destination: &str) -> Result<Option<Timestamp>, JournalError> {
        self.read("find the next commitment", |db| {
            db.prepare_cached(&format!(
                "SELECT min(coalesce(commitments.next_at, 0)) AS next {UNCOMMITTED}"
            ))?
            .query_row(named_params! {":destination": destination}, |row| {
                maybe_time_of(row, "next")
            })
        })
    }

    /// About how many objects a destination was asked so often in vain that somebody has to look.
    pub fn commitments_in_vain(&self, destination: &str) -> Result<u64, JournalError> {
        self.read("count commitments in vain", |db| {
            db.prepare_cached(
                "SELECT count(*) FROM commitments JOIN objects USING (object)
                 JOIN series USING (series) WHERE commitments.state <> 'committed'
                     AND destination = ?1 AND tries >= ?2 AND purged_at IS NULL",
            )?
            .query_row((destination, PATIENT_TRIES), |row| {
                Ok(row.get::<_, i64>(0)?.cast_unsigned())
            })
        })
    }

    /// Whether a report on any of these transactions is still to come.
    pub fn commitments_open(&self, transactions: &[Uid]) -> Result<bool, JournalError> {
        let transactions = transactions.iter().map(Uid::as_str).collect::<Vec<_>>();
        self.read("look for open commitments", |db| {
            db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM json_each(?1)
                     JOIN commitment_requests AS asked ON asked.transaction_uid = value
                     JOIN commitments USING (object, destination)
                     WHERE state = ?2 AND commitments.transaction_uid = value)",
            )?
            .query_row((Json(transactions.into()), CommitmentState::Asked), |row| {
                row.get(0)
            })
        })
    }

    /// Records that `destination` is about to be asked; until that is known to have worked, it is
    /// asked again at `again_at`. A former request that was never answered counts as a try.
    pub fn commitment_asking(
        &self,
        transaction: &Uid,
        destination: &str,
        objects: &[Uid],
        again_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let words = format!("{destination} has not reported on the request to commit");
        self.write(Durable::Now, "record a request to commit", |tx| {
            for object in objects {
                tx.prepare_cached(
                    "INSERT INTO commitments
                         (object, destination, state, transaction_uid, since, next_at, tries)
                     VALUES (:object, :destination, :asked, :transaction, :now, :again_at, 0)
                     ON CONFLICT (object, destination) DO UPDATE SET
                         state = :asked, transaction_uid = :transaction, since = :now,
                         next_at = :again_at, tries = tries + (state = :asked),
                         error = iif(state = :asked, :words, error),
                         error_kind = iif(state = :asked, :kind, error_kind)
                         WHERE state <> :committed",
                )?
                .execute(named_params! {
                    ":object": object,
                    ":destination": destination,
                    ":transaction": transaction,
                    ":asked": CommitmentState::Asked,
                    ":committed": CommitmentState::Committed,
                    ":words": words,
                    ":kind": TroubleKind::CommitmentNotReported,
                    ":now": Micros(now),
                    ":again_at": Micros(again_at),
                })?;
                tx.prepare_cached(
                    "INSERT INTO commitment_requests (transaction_uid, object, destination)
                     VALUES (?1, ?2, ?3)",
                )?
                .execute((transaction, object, destination))?;
            }
            Ok(())
        })
    }

    /// The destination took the request; without a report it is asked again at `again_at`.
    pub fn commitment_asked(
        &self,
        transaction: &Uid,
        again_at: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(Durable::Soon, "record a request to commit", |tx| {
            tx.prepare_cached(
                "UPDATE commitments SET next_at = ?3
                 WHERE state = ?2 AND transaction_uid = ?1 AND (object, destination) IN
                     (SELECT object, destination FROM commitment_requests
                      WHERE transaction_uid = ?1)",
            )?
            .execute((transaction, CommitmentState::Asked, Micros(again_at)))?;
            Ok(())
        })
    }

    /// A request could not be placed. What it came to with the peer is not always known, so that a
    /// report on it counts all the same.
    pub fn commitment_not_asked(
        &self,
        destination: &str,
        objects: &[Uid],
        trouble: &Trouble,
        again_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(Durable::Now, "record a request that failed", |tx| {
            for object in objects {
                tx.prepare_cached(
                    "INSERT INTO commitments
                         (object, destination, state, since, next_at, tries, error, error_kind)
                     VALUES (:object, :destination, :due, :now, :again_at, 1, :words, :kind)
                     ON CONFLICT (object, destination) DO UPDATE SET
                         state = :due, since = :now, next_at = :again_at, tries = tries + 1,
                         error = :words, error_kind = :kind WHERE state <> :committed",
                )?
                .execute(named_params! {
                    ":object": object,
                    ":destination": destination,
                    ":due": CommitmentState::Due,
                    ":committed": CommitmentState::Committed,
                    ":now": Micros(now),
                    ":again_at": Micros(again_at),
                    ":words": trouble.words,
                    ":kind": trouble.kind,
                })?;
            }
            Ok(())
        })
    }
}

/// What of a series' last result is sent once more, although it was stored, is to be committed anew:
/// what was asked before says nothing of it.
pub(super) fn forget(tx: &Connection, series: &Uid) -> rusqlite::Result<()> {
    let sent_again = "(object, destination) IN
        (SELECT object, destination FROM deliveries JOIN objects USING (object)
             JOIN series USING (series, revision)
         WHERE series = ?1 AND deliveries.state = 'waiting')";
    tx.prepare_cached(&format!("DELETE FROM commitments WHERE {sent_again}"))?
        .execute([series])?;
    tx.prepare_cached(&format!(
        "UPDATE commitment_requests SET void = 1 WHERE {sent_again}"
    ))?
    .execute([series])?;
    Ok(())
}

/// `None`: the destination was not asked.
pub(super) fn commitment_of(row: &Row<'_>) -> rusqlite::Result<Option<CommitmentRecord>> {
    let Some(state) = row.get("commitment")? else {
        return Ok(None);
    };
    Ok(Some(CommitmentRecord {
        state,
        since: time_of(row, "commitment_since")?,
        tries: row.get("commitment_tries")?,
        trouble: trouble_of(row, "commitment_error", "commitment_error_kind")?,
        next_at: time_of(row, "commitment_next_at")?,
    }))
}

pub(super) fn referenced(row: &Row<'_>) -> rusqlite::Result<Referenced> {
    Ok(Referenced {
        sop_class: row.get("sop_class")?,
        sop_instance: row.get("object")?,
    })
}
