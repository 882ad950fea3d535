use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::params;

use super::{
    DeliveryState, Durable, Journal, JournalError,
    columns::{Micros, maybe_time_of, path_of},
};
use crate::{dicom::Uid, spool::retention::Candidate};

/// The files of one series, to be removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeriesFiles {
    pub instances: Vec<Uid>,
    pub results: Vec<PathBuf>,
}

impl Journal {
    /// Every series that still has files, for [`crate::spool::retention::removable`] to judge.
    pub fn retention_candidates(&self) -> Result<Vec<Candidate>, JournalError> {
        self.read("list what is kept", |db| {
            db.prepare_cached(
                "SELECT series, state, finished_at,
                     (SELECT coalesce(sum(bytes), 0) FROM instances
                          WHERE instances.series = series.series) AS bytes,
                     EXISTS (SELECT 1 FROM objects JOIN deliveries USING (object)
                          WHERE objects.series = series.series
                              AND deliveries.state NOT IN (?1, ?2)) AS unsent
                 FROM series WHERE purged_at IS NULL",
            )?
            .query_map(
                [DeliveryState::Delivered, DeliveryState::Superseded],
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
        })
    }

    /// What to remove with a series. The files go first, [`Self::note_purged`] follows: interrupted
    /// in between, it is done again.
    pub fn files_of(&self, series: &Uid) -> Result<SeriesFiles, JournalError> {
        self.read("list a series' files", |db| {
            Ok(SeriesFiles {
                instances: db
                    .prepare_cached("SELECT sop_instance FROM instances WHERE series = ?1")?
                    .query_map([series], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?,
                results: db
                    .prepare_cached("SELECT path FROM objects WHERE series = ?1")?
                    .query_map([series], |row| path_of(row, "path"))?
                    .collect::<rusqlite::Result<_>>()?,
            })
        })
    }

    /// The series' files are gone. What became of it, and where its result went, stays known: if
    /// the same instances come again, the same result is not sent again.
    pub fn note_purged(&self, series: &Uid, now: Timestamp) -> Result<(), JournalError> {
        self.write(Durable::Now, "note a removal", |tx| {
            tx.execute("DELETE FROM instances WHERE series = ?1", [series])?;
            tx.execute(
                "UPDATE series SET purged_at = ?2 WHERE series = ?1",
                params![series, Micros(now)],
            )?;
            Ok(())
        })
    }
}
