use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{
    ChangeError, DeliveryRecord, DeliveryState, Durable, Journal, JournalError, SeriesState,
    columns::{Json, Micros, Peer, maybe_time_of, peer_of, time_of, trouble_of},
    deliveries::deliveries_of,
    summary::Summary,
};
use crate::dicom::{AeTitle, Remedy, Trouble, Uid};

/// What is known of a series when its first instance arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSeries {
    pub series: Uid,
    pub study: Uid,
    pub calling_ae: AeTitle,
    pub peer: IpAddr,
    pub description: Option<String>,
    pub modality: String,
    pub accession_number: Option<String>,
}

/// What the journal knows of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRecord {
    pub series: Uid,
    pub study: Uid,
    pub state: SeriesState,
    /// Why it is ignored, refused or failed.
    pub reason: Option<Trouble>,
    /// Who can change that.
    pub remedy: Option<Remedy>,
    /// How often segmenting began since the series was queued, not counting what the machine or a
    /// stop in order cut off. A count of two after a restart means that this series may be what ends
    /// the process.
    pub attempts: u32,
    /// How often the machine went down while it was being segmented, since it was queued.
    pub interruptions: u32,
    /// Number of the result being made or last made, from 1.
    pub revision: u32,
    pub calling_ae: AeTitle,
    pub peer: IpAddr,
    pub description: Option<String>,
    pub modality: String,
    pub accession_number: Option<String>,
    pub instances_received: u32,
    /// How many the sender says there are; `None` if it never said.
    pub announced: Option<u32>,
    pub slices_encoded: u32,
    pub first_received_at: Timestamp,
    pub last_received_at: Timestamp,
    pub queued_at: Option<Timestamp>,
    /// When the state last became a settled one.
    pub finished_at: Option<Timestamp>,
    /// Of the last result; [`Journal::findings`] has the whole.
    pub summary: Summary,
    /// Where they went, of all revisions, oldest first.
    pub destinations: Vec<DeliveryRecord>,
    /// When retention removed the files; only this record is left.
    pub purged_at: Option<Timestamp>,
}

/// All of [`SeriesRecord`]'s own columns: `findings` is long, and read only where it is shown.
pub(super) const SERIES: &str =
    "SELECT id, series, study, state, reason, reason_kind, remedy, attempts, interruptions,
     revision, calling_ae, peer, description, modality, accession_number, instances_received,
     announced, slices_encoded, first_received_at, last_received_at, queued_at, finished_at,
     purged_at, liver_ml, lesions, tumour_ml, seconds_to_seg, gates FROM series";

impl Journal {
    /// The record of a series, made if this is its first instance.
    pub fn open_series(
        &self,
        series: &NewSeries,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "open a series", |tx| {
            tx.prepare_cached(
                "INSERT INTO series (series, study, state, calling_ae, peer, description, modality,
                     accession_number, first_received_at, last_received_at)
                 VALUES (:series, :study, :state, :calling_ae, :peer, :description, :modality,
                     :accession_number, :now, :now)
                 ON CONFLICT (series) DO NOTHING",
            )?
            .execute(named_params! {
                ":series": series.series,
                ":study": series.study,
                ":state": SeriesState::Receiving,
                ":calling_ae": series.calling_ae,
                ":peer": Peer(series.peer),
                ":description": series.description,
                ":modality": series.modality,
                ":accession_number": series.accession_number,
                ":now": Micros(now),
            })?;
            load(tx, &series.series)
        })
    }

    /// How many instances of the series are on disk, and how many its sender says there are.
    pub fn note_received(
        &self,
        series: &Uid,
        instances: u32,
        announced: Option<u32>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(Durable::Soon, "count received instances", |tx| {
            tx.prepare_cached(
                "UPDATE series SET instances_received = ?2, announced = coalesce(?3, announced),
                     last_received_at = ?4, purged_at = NULL
                 WHERE series = ?1",
            )?
            .execute((series, instances, announced, Micros(now)))?;
            Ok(())
        })
    }

    /// How many slices the engine has encoded.
    pub fn note_encoded(&self, series: &Uid, slices: u32) -> Result<(), JournalError> {
        self.write(Durable::Soon, "count encoded slices", |tx| {
            tx.prepare_cached("UPDATE series SET slices_encoded = ?2 WHERE series = ?1")?
                .execute((series, slices))?;
            Ok(())
        })
    }

    /// Takes the series to `next` if the table of [`SeriesState::may_become`] has that step.
    ///
    /// The reason replaces the former one, and so does its absence.
    pub fn advance(
        &self,
        series: &Uid,
        next: SeriesState,
        reason: Option<(&Trouble, Remedy)>,
        now: Timestamp,
    ) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "advance a series", |tx| {
            step(tx, series, next, reason, now)?;
            load(tx, series)
        })
    }

    /// A late slice came: the series is received again. A result that was made stays what it is,
    /// and the next one gets a new revision; what was not yet sent of it never will be.
    pub fn reopen(&self, series: &Uid, now: Timestamp) -> Result<SeriesRecord, JournalError> {
        self.write(Durable::Now, "reopen a series", |tx| {
            step(tx, series, SeriesState::Receiving, None, now)?;
            tx.prepare_cached(
                "UPDATE series SET revision = revision + 1
                 WHERE series = ?1 AND revision IN
                     (SELECT revision FROM objects WHERE objects.series = ?1)",
            )?
            .execute([series])?;
            tx.prepare_cached(
                "UPDATE deliveries SET state = ?2 WHERE state = ?3 AND object IN
                     (SELECT object FROM objects WHERE series = ?1)",
            )?
            .execute((series, DeliveryState::Superseded, DeliveryState::Waiting))?;
            load(tx, series)
        })
    }

    pub fn series(&self, series: &Uid) -> Result<Option<SeriesRecord>, JournalError> {
        self.read("look a series up", |db| {
            let found = db
                .prepare_cached(&format!("{SERIES} WHERE series = ?1"))?
                .query_row([series], series_of)
                .optional()?;
            found.map(|record| complete(db, record)).transpose()
        })
    }

    /// `result.json` of the series' last result, or of the verdict that refused it one.
    pub fn findings(&self, series: &Uid) -> Result<Option<serde_json::Value>, JournalError> {
        self.read("read a result", |db| {
            let found = db
                .prepare_cached("SELECT findings FROM series WHERE series = ?1")?
                .query_row([series], |row| row.get::<_, Option<Json>>(0))
                .optional()?;
            Ok(found.flatten().map(|json| json.0))
        })
    }

    /// Series by first arrival, latest first.
    pub fn recent(&self, limit: u32, offset: u32) -> Result<Vec<SeriesRecord>, JournalError> {
        self.read("list recent series", |db| {
            db.prepare_cached(&format!("{SERIES} ORDER BY id DESC LIMIT ?1 OFFSET ?2"))?
                .query_map([limit, offset], series_of)?
                .map(|record| complete(db, record?))
                .collect()
        })
    }

    /// All series in one of `states`, earliest arrival first.
    pub fn in_states(&self, states: &[SeriesState]) -> Result<Vec<SeriesRecord>, JournalError> {
        self.read("list series by state", |db| {
            let mut select = db.prepare_cached(&format!("{SERIES} WHERE state = ?1"))?;
            let mut found = Vec::new();
            for state in states {
                for record in select.query_map([state], |row| {
                    Ok((row.get::<_, i64>("id")?, series_of(row)?))
                })? {
                    let (id, record) = record?;
                    found.push((id, complete(db, record)?));
                }
            }
            found.sort_by_key(|(id, _)| *id);
            Ok(found.into_iter().map(|(_, record)| record).collect())
        })
    }

    /// Series whose result or verdict does not take all recorded instances into account: the
    /// process ended between recording a late slice and reopening its series.
    pub fn overtaken(&self) -> Result<Vec<Uid>, JournalError> {
        self.read("look for overtaken results", |db| {
            db.prepare_cached(
                "SELECT series FROM series
                 WHERE state NOT IN (?1, ?2, ?3) AND judged_to <
                     (SELECT max(id) FROM instances
                      WHERE instances.series = series.series AND quarantined IS NULL)
                 ORDER BY id",
            )?
            .query_map(
                [
                    SeriesState::Receiving,
                    SeriesState::Queued,
                    SeriesState::Segmenting,
                ],
                |row| row.get(0),
            )?
            .collect()
        })
    }

    /// How many series are in each state; states without any are left out.
    pub fn counts(&self) -> Result<BTreeMap<SeriesState, u64>, JournalError> {
        self.read("count series", |db| {
            db.prepare_cached("SELECT state, series FROM series_counts WHERE series > 0")?
                .query_map([], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
                })?
                .collect()
        })
    }
}

/// One step of the state machine, with what goes with it.
pub(super) fn step(
    tx: &Connection,
    series: &Uid,
    next: SeriesState,
    reason: Option<(&Trouble, Remedy)>,
    now: Timestamp,
) -> Result<(), ChangeError> {
    let from: SeriesState = tx
        .prepare_cached("SELECT state FROM series WHERE series = ?1")?
        .query_row([series], |row| row.get(0))
        .optional()?
        .ok_or_else(|| JournalError::UnknownSeries(series.clone()))?;
    if !from.may_become(next) {
        let (series, to) = (series.clone(), next);
        return Err(JournalError::NotAllowed { series, from, to }.into());
    }
    tx.prepare_cached(
        "UPDATE series SET state = ?2, reason = ?3, reason_kind = ?4, remedy = ?5, finished_at = ?6
         WHERE series = ?1",
    )?
    .execute((
        series,
        next,
        reason.map(|(trouble, _)| &*trouble.words),
        reason.and_then(|(trouble, _)| trouble.kind),
        reason.map(|(_, remedy)| remedy),
        next.is_settled().then_some(Micros(now)),
    ))?;
    if next == SeriesState::Segmenting || (next.is_settled() && !from.has_result()) {
        tx.prepare_cached(
            "UPDATE series SET judged_to = (SELECT coalesce(max(id), 0) FROM instances
                 WHERE instances.series = ?1) WHERE series = ?1",
        )?
        .execute([series])?;
    }
    match (from, next) {
        // After a restart in mid-work the attempt still counts; one that came back with a reason
        // has not ended the process.
        (SeriesState::Segmenting, SeriesState::Queued) if reason.is_none() => {}
        (SeriesState::Segmenting, SeriesState::Queued) => {
            tx.prepare_cached("UPDATE series SET attempts = attempts - 1 WHERE series = ?1")?
                .execute([series])?;
        }
        (_, SeriesState::Queued) => {
            tx.prepare_cached(
                "UPDATE series SET attempts = 0, interruptions = 0, queued_at = ?2
                 WHERE series = ?1",
            )?
            .execute((series, Micros(now)))?;
        }
        (_, SeriesState::Segmenting) => {
            tx.prepare_cached("UPDATE series SET attempts = attempts + 1 WHERE series = ?1")?
                .execute([series])?;
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn load(db: &Connection, series: &Uid) -> Result<SeriesRecord, ChangeError> {
    let record = db
        .prepare_cached(&format!("{SERIES} WHERE series = ?1"))?
        .query_row([series], series_of)
        .optional()?
        .ok_or_else(|| JournalError::UnknownSeries(series.clone()))?;
    Ok(complete(db, record)?)
}

fn complete(db: &Connection, mut record: SeriesRecord) -> rusqlite::Result<SeriesRecord> {
    record.destinations = deliveries_of(db, &record.series)?;
    Ok(record)
}

pub(super) fn series_of(row: &Row<'_>) -> rusqlite::Result<SeriesRecord> {
    Ok(SeriesRecord {
        series: row.get("series")?,
        study: row.get("study")?,
        state: row.get("state")?,
        reason: trouble_of(row, "reason", "reason_kind")?,
        remedy: row.get("remedy")?,
        attempts: row.get("attempts")?,
        interruptions: row.get("interruptions")?,
        revision: row.get("revision")?,
        calling_ae: row.get("calling_ae")?,
        peer: peer_of(row, "peer")?,
        description: row.get("description")?,
        modality: row.get("modality")?,
        accession_number: row.get("accession_number")?,
        instances_received: row.get("instances_received")?,
        announced: row.get("announced")?,
        slices_encoded: row.get("slices_encoded")?,
        first_received_at: time_of(row, "first_received_at")?,
        last_received_at: time_of(row, "last_received_at")?,
        queued_at: maybe_time_of(row, "queued_at")?,
        finished_at: maybe_time_of(row, "finished_at")?,
        summary: Summary::of(row)?,
        destinations: Vec::new(),
        purged_at: maybe_time_of(row, "purged_at")?,
    })
}
