use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};

use super::{
    CommitmentState, DeliveryState, Durable, Journal, JournalError,
    columns::{Json, Micros, maybe_time_of, time_of},
};
use crate::{
    dicom::Uid,
    spool::{RetentionClock, retention::Candidate},
};

impl Journal {
    /// Every series that still has files, for [`crate::spool::retention::removable`] to judge.
    /// `committing` are the destinations whose commitment is waited for.
    pub fn retention_candidates(
        &self,
        committing: &[String],
    ) -> Result<Vec<Candidate>, JournalError> {
        self.read("list what is kept", |db| candidates(db, committing, None))
    }

    /// Whether nothing remains to be done with a series, now: it may have been chosen for removal a
    /// while ago.
    pub fn may_be_removed(
        &self,
        series: &Uid,
        committing: &[String],
    ) -> Result<bool, JournalError> {
        self.read("look at what is kept", |db| {
            let found = candidates(db, committing, Some(series))?;
            Ok(found.iter().any(Candidate::has_ended))
        })
    }

    /// The instances of a series, unreadable ones too.
    pub fn every_instance_of(&self, series: &Uid) -> Result<Vec<Uid>, JournalError> {
        self.read("list a series' files", |db| {
            db.prepare_cached("SELECT sop_instance FROM instances WHERE series = ?1")?
                .query_map([series], |row| row.get(0))?
                .collect()
        })
    }

    /// The files of the series and of its `instances` are gone. What became of it, and where its
    /// result went, stays known: if the same instances come again, the same result is not sent again.
    pub fn note_purged(
        &self,
        series: &Uid,
        instances: &[Uid],
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(Durable::Now, "note a removal", |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM instances WHERE sop_instance = ?1")?;
            for sop_instance in instances {
                delete.execute([sop_instance])?;
            }
            // Unless an instance came meanwhile.
            tx.prepare_cached(
                "UPDATE series SET purged_at = ?2 WHERE series = ?1 AND NOT EXISTS
                     (SELECT 1 FROM instances WHERE instances.series = ?1)",
            )?
            .execute((series, Micros(now)))?;
            Ok(())
        })
    }

    /// The time by which ages are told, as it was last kept.
    pub fn retention_clock(&self) -> Result<Option<RetentionClock>, JournalError> {
        self.read("look at the retention clock", |db| {
            db.prepare_cached("SELECT * FROM retention_clock")?
                .query_row([], |row| {
                    let seconds: i64 = row.get("doubted_for_seconds")?;
                    Ok(RetentionClock {
                        at: time_of(row, "at")?,
                        doubted_for: Duration::from_secs(seconds.unsigned_abs()),
                    })
                })
                .optional()
        })
    }

    pub fn keep_retention_clock(&self, clock: &RetentionClock) -> Result<(), JournalError> {
        self.write(Durable::Soon, "keep the retention clock", |tx| {
            tx.prepare_cached("INSERT OR REPLACE INTO retention_clock VALUES (1, ?1, ?2)")?
                .execute((Micros(clock.at), clock.doubted_for.as_secs().cast_signed()))?;
            Ok(())
        })
    }

    /// Forgets instances that were quarantined before `then`; their files are gone.
    pub fn forget_quarantined(&self, then: Timestamp) -> Result<(), JournalError> {
        self.write(Durable::Soon, "forget quarantined instances", |tx| {
            tx.prepare_cached(
                "DELETE FROM instances WHERE quarantined IS NOT NULL AND received_at < ?1",
            )?
            .execute([Micros(then)])?;
            Ok(())
        })
    }
}

/// Of all series that still have files, or of `only` one.
fn candidates(
    db: &Connection,
    committing: &[String],
    only: Option<&Uid>,
) -> rusqlite::Result<Vec<Candidate>> {
    // What was given up waits for nobody, and what a destination declined or a newer result replaced
    // never did.
    db.prepare_cached(
        "SELECT series, state, finished_at,
             (SELECT coalesce(sum(bytes), 0) FROM instances
                  WHERE instances.series = series.series) AS bytes,
             EXISTS (SELECT 1 FROM objects JOIN deliveries USING (object)
                  LEFT JOIN commitments USING (object, destination)
                  WHERE objects.series = series.series
                      AND (deliveries.state = :waiting
                          OR deliveries.state = :delivered
                              AND destination IN (SELECT value FROM json_each(:committing))
                              AND coalesce(commitments.state, '') <> :committed)) AS unsent
         FROM series WHERE purged_at IS NULL AND series = coalesce(:only, series)",
    )?
    .query_map(
        named_params! {
            ":waiting": DeliveryState::Waiting,
            ":delivered": DeliveryState::Delivered,
            ":committing": Json(committing.into()),
            ":committed": CommitmentState::Committed,
            ":only": only,
        },
        |row| {
            Ok(Candidate {
                series: row.get("series")?,
                state: row.get("state")?,
                finished_at: maybe_time_of(row, "finished_at")?,
                unsent: row.get("unsent")?,
                bytes: row.get::<_, i64>("bytes")?.cast_unsigned(),
            })
        },
    )?
    .collect()
}
