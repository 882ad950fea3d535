use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};

use super::{
    Durable, Journal, JournalError,
    columns::{Json, Micros, Peer, json_of, peer_of, time_of},
};
use crate::{dicom::Uid, spool::Source};

/// Whether an instance can be used.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    Kept,
    Quarantined { reason: String },
}

/// What the journal knows of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRecord {
    pub sop_instance: Uid,
    pub sop_class: Uid,
    /// `None` when the instance could not be read far enough to say.
    pub series: Option<Uid>,
    pub state: InstanceState,
    pub received_at: Timestamp,
    pub bytes: u64,
    pub source: Source,
    /// What was parsed from it, so that a restart need not parse again.
    pub header: Option<serde_json::Value>,
}

impl Journal {
    /// Records one instance; see [`Self::record_instances`].
    pub fn record_instance(&self, instance: &InstanceRecord) -> Result<(), JournalError> {
        self.record_instances(std::slice::from_ref(instance))
    }

    /// Records instances, replacing what was known of each, in one transaction.
    pub fn record_instances(&self, instances: &[InstanceRecord]) -> Result<(), JournalError> {
        self.write(Durable::Soon, "record instances", |tx| {
            let mut insert = tx.prepare_cached(
                "INSERT OR REPLACE INTO instances (sop_instance, sop_class, series, quarantined,
                     received_at, bytes, calling_ae, called_ae, peer, association, header)
                 VALUES (:sop_instance, :sop_class, :series, :quarantined,
                     :received_at, :bytes, :calling_ae, :called_ae, :peer, :association, :header)",
            )?;
            for instance in instances {
                let quarantined = match &instance.state {
                    InstanceState::Kept => None,
                    InstanceState::Quarantined { reason } => Some(reason),
                };
                insert.execute(named_params! {
                    ":sop_instance": instance.sop_instance,
                    ":sop_class": instance.sop_class,
                    ":series": instance.series,
                    ":quarantined": quarantined,
                    ":received_at": Micros(instance.received_at),
                    ":bytes": instance.bytes.cast_signed(),
                    ":calling_ae": instance.source.calling_ae,
                    ":called_ae": instance.source.called_ae,
                    ":peer": Peer(instance.source.peer),
                    ":association": instance.source.association.cast_signed(),
                    ":header": instance.header.clone().map(Json),
                })?;
            }
            Ok(())
        })
    }

    pub fn instance(&self, sop_instance: &Uid) -> Result<Option<InstanceRecord>, JournalError> {
        self.read("look an instance up", |db| {
            db.prepare_cached("SELECT * FROM instances WHERE sop_instance = ?1")?
                .query_row([sop_instance], instance_of)
                .optional()
        })
    }

    /// The readable instances of a series, by UID.
    pub fn instances_of(&self, series: &Uid) -> Result<Vec<InstanceRecord>, JournalError> {
        self.read("list a series' instances", |db| {
            db.prepare_cached(
                "SELECT * FROM instances WHERE series = ?1 AND quarantined IS NULL
                 ORDER BY sop_instance",
            )?
            .query_map([series], instance_of)?
            .collect()
        })
    }

    /// The latest instances that could not be read.
    pub fn quarantined(&self, limit: u32) -> Result<Vec<InstanceRecord>, JournalError> {
        self.read("list the quarantine", |db| {
            db.prepare_cached(
                "SELECT * FROM instances WHERE quarantined IS NOT NULL
                 ORDER BY received_at DESC LIMIT ?1",
            )?
            .query_map([limit], instance_of)?
            .collect()
        })
    }

    /// Counts that other bytes came under these UIDs, once for each time that one is named.
    pub fn note_contradictions(&self, sop_instances: &[Uid]) -> Result<(), JournalError> {
        self.write(Durable::Soon, "note contradictions", |tx| {
            let mut count = tx.prepare_cached(
                "UPDATE instances SET contradicted = contradicted + 1 WHERE sop_instance = ?1",
            )?;
            for sop_instance in sop_instances {
                count.execute([sop_instance])?;
            }
            Ok(())
        })
    }

    /// The first instances of a series under whose UIDs other bytes came too, by UID, and how often.
    pub fn contradicted(&self, series: &Uid, limit: u32) -> Result<Vec<(Uid, u32)>, JournalError> {
        self.read("list contradicted instances", |db| {
            db.prepare_cached(
                "SELECT sop_instance, contradicted FROM instances
                 WHERE series = ?1 AND contradicted > 0 ORDER BY sop_instance LIMIT ?2",
            )?
            .query_map((series, limit), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// Every instance the journal knows together with its series: what is on disk and not among
    /// these must be recorded.
    pub fn known_instances(&self) -> Result<std::collections::HashSet<Uid>, JournalError> {
        self.read("list the instances", |db| {
            db.prepare_cached(
                "SELECT sop_instance FROM instances
                 WHERE series IS NULL OR series IN (SELECT series FROM series)",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
        })
    }

    /// Forgets instances whose files are gone.
    pub fn forget_instances(&self, sop_instances: &[Uid]) -> Result<(), JournalError> {
        self.write(Durable::Soon, "forget instances", |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM instances WHERE sop_instance = ?1")?;
            for sop_instance in sop_instances {
                delete.execute([sop_instance])?;
            }
            Ok(())
        })
    }
}

pub(super) fn instance_of(row: &Row<'_>) -> rusqlite::Result<InstanceRecord> {
    let quarantined: Option<String> = row.get("quarantined")?;
    Ok(InstanceRecord {
        sop_instance: row.get("sop_instance")?,
        sop_class: row.get("sop_class")?,
        series: row.get("series")?,
        state: quarantined.map_or(InstanceState::Kept, |reason| InstanceState::Quarantined {
            reason,
        }),
        received_at: time_of(row, "received_at")?,
        bytes: row.get::<_, i64>("bytes")?.cast_unsigned(),
        source: Source {
            calling_ae: row.get("calling_ae")?,
            called_ae: row.get("called_ae")?,
            peer: peer_of(row, "peer")?,
            association: row.get::<_, i64>("association")?.cast_unsigned(),
        },
        header: json_of(row, "header")?,
    })
}
