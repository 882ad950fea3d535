//! From a durable instance to a journal entry: parsing, which comes after keeping.

use std::{collections::BTreeMap, io, sync::Arc};

use jiff::Timestamp;

use crate::{
    chain,
    dicom::Uid,
    series::InstanceHeader,
    spool::{
        Arrival, Source, Spool, Spooled,
        journal::{
            InstanceRecord, InstanceState, Journal, JournalError, NewSeries, SeriesRecord,
            SeriesState,
        },
    },
    status::{FactsBoard, metric_names},
};

pub(super) struct Intake {
    pub spool: Arc<Spool>,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
}

/// An instance that can be used, recorded in the journal.
pub(super) struct Taken {
    pub header: InstanceHeader,
    pub source: Source,
    /// Its series as the journal has it; read only for series that are not in work.
    pub record: Option<SeriesRecord>,
}

impl Intake {
    /// Reads, judges and records instances, in one transaction; what cannot be read is quarantined.
    ///
    /// `in_work` says of which series the journal need not be asked.
    pub(super) fn take(
        &self,
        arrived: Vec<(Spooled, Source)>,
        in_work: impl Fn(&Uid) -> bool,
    ) -> Result<Vec<Taken>, JournalError> {
        let now = Timestamp::now();
        let mut records = Vec::with_capacity(arrived.len());
        let mut readable = Vec::with_capacity(arrived.len());
        let mut contradicted = Vec::new();
        for (receipt, source) in arrived {
            metrics::counter!(metric_names::INSTANCES).increment(1);
            metrics::counter!(metric_names::BYTES).increment(receipt.bytes_len());
            match receipt.arrival() {
                Arrival::Again if self.has(receipt.sop_instance(), &records)? => continue,
                Arrival::New | Arrival::Again => {}
                Arrival::Different { kept_as } => {
                    self.contradicted(&receipt, &source, kept_as);
                    contradicted.push(receipt.sop_instance().clone());
                    continue;
                }
            }
            let (uid, class) = (receipt.sop_instance(), receipt.sop_class());
            let head = self.spool.read_head(uid, HEAD).unwrap_or_default();
            let bytes = receipt.bytes_len();
            let read = match InstanceHeader::read_head(&head) {
                Some(header) => Some(entry(uid, class, bytes, &source, now, Ok(header))),
                None => self.read(uid, class, bytes, &source, now),
            };
            let Some((record, header)) = read else {
                continue;
            };
            if self.has_its_result(&record, &in_work)? {
                tracing::info!(instance = %uid, "the file was lost and came again; its result stands");
                continue;
            }
            records.push(record);
            readable.extend(header.map(|header| (header, source)));
        }
        self.journal.record_instances(&records)?;
        // After those that came with them, of which they may be the second.
        if !contradicted.is_empty() {
            self.journal.note_contradictions(&contradicted)?;
        }
        let mut opened = BTreeMap::new();
        let mut taken = Vec::with_capacity(readable.len());
        for (header, source) in readable {
            let mut record = None;
            if !in_work(&header.series) {
                if !opened.contains_key(&header.series) {
                    let series = self
                        .journal
                        .open_series(&described(&header, &source), now)?;
                    opened.insert(header.series.clone(), series);
                }
                record = opened.get(&header.series).cloned();
            }
            taken.push(Taken {
                header,
                source,
                record,
            });
        }
        Ok(taken)
    }

    /// Whether the journal has the instance as a readable one, or is about to: `coming` are the next
    /// records. If not, the disk did not give its bytes when it came.
    fn has(&self, sop_instance: &Uid, coming: &[InstanceRecord]) -> Result<bool, JournalError> {
        if coming.iter().any(|it| it.sop_instance == *sop_instance) {
            return Ok(true);
        }
        let known = self.journal.instance(sop_instance)?;
        Ok(known.is_some_and(|known| known.state == InstanceState::Kept))
    }

    /// Whether the instance is one from which a result was made already, so that its file is all that
    /// was missing: somebody tidied the state directory up, or the file was damaged.
    fn has_its_result(
        &self,
        came: &InstanceRecord,
        in_work: impl Fn(&Uid) -> bool,
    ) -> Result<bool, JournalError> {
        let Some(series) = came.series.as_ref().filter(|series| !in_work(series)) else {
            return Ok(false);
        };
        let known = self.journal.instance(&came.sop_instance)?;
        if !known.is_some_and(|known| known.header == came.header) {
            return Ok(false);
        }
        let series = self.journal.series(series)?;
        let made = [SeriesState::Delivering, SeriesState::Delivered];
        Ok(series.is_some_and(|series| made.contains(&series.state)))
    }

    /// The journal entry for an instance on disk, and its header if it has a readable one. `None`
    /// where the disk does not give its bytes now: that says nothing of the instance, which is
    /// recorded when it comes again or at the next start.
    pub(super) fn read(
        &self,
        sop_instance: &Uid,
        sop_class: &Uid,
        bytes: u64,
        source: &Source,
        now: Timestamp,
    ) -> Option<(InstanceRecord, Option<InstanceHeader>)> {
        let header = match self.spool.read(sop_instance) {
            Ok(file) => InstanceHeader::read(&file).map_err(|error| chain(&error)),
            Err(damage) if damage.kind() == io::ErrorKind::InvalidData => {
                Err(format!("the instance cannot be read back: {damage}"))
            }
            Err(error) => {
                tracing::error!(instance = %sop_instance, %error, "an instance on disk cannot be read");
                return None;
            }
        };
        if let Err(reason) = &header {
            self.quarantine(sop_instance, source, reason);
        }
        Some(entry(sop_instance, sop_class, bytes, source, now, header))
    }

    /// The readable instances that the journal has of a series.
    pub(super) fn headers_of(&self, series: &Uid) -> Result<Vec<InstanceHeader>, JournalError> {
        let records = self.journal.instances_of(series)?;
        let headers = records.into_iter().filter_map(|record| {
            // An entry of an older version is read from the file again.
            let stored = record
                .header
                .and_then(|json| serde_json::from_value(json).ok());
            stored.or_else(|| {
                let file = self.spool.read(&record.sop_instance).ok()?;
                InstanceHeader::read(&file).ok()
            })
        });
        Ok(headers.collect())
    }

    fn quarantine(&self, sop_instance: &Uid, source: &Source, reason: &str) {
        tracing::warn!(instance = %sop_instance, calling_ae = %source.calling_ae, reason, "instance quarantined");
        if let Err(error) = self.spool.quarantine(sop_instance, reason) {
            // It stays among the instances; the journal entry keeps it out of every series.
            tracing::error!(instance = %sop_instance, %error, "could not be moved to quarantine");
        }
    }

    fn contradicted(&self, receipt: &Spooled, source: &Source, kept_as: &std::path::Path) {
        tracing::warn!(
            instance = %receipt.sop_instance(),
            calling_ae = %source.calling_ae,
            kept_as = %kept_as.display(),
            "other bytes came under a UID that is here already; both are kept, the first is used"
        );
        self.facts.pin(|facts| {
            *facts
                .contradicted
                .entry(source.calling_ae.to_string())
                .or_default() += 1;
        });
    }
}

/// How much of an instance is read to find its header; the header of an ordinary CT slice has 2 to
/// 8 KiB. Private elements can be longer: then the whole file is read.
const HEAD: usize = 32 * 1024;

/// The journal entry for an instance whose header was read, or could not be.
fn entry(
    sop_instance: &Uid,
    sop_class: &Uid,
    bytes: u64,
    source: &Source,
    now: Timestamp,
    header: Result<InstanceHeader, String>,
) -> (InstanceRecord, Option<InstanceHeader>) {
    let mut record = InstanceRecord {
        sop_instance: sop_instance.clone(),
        sop_class: sop_class.clone(),
        series: None,
        state: InstanceState::Kept,
        received_at: now,
        bytes,
        source: source.clone(),
        header: None,
    };
    match header {
        Ok(header) => {
            record.series = Some(header.series.clone());
            record.header = serde_json::to_value(&header).ok();
            (record, Some(header))
        }
        Err(reason) => {
            record.state = InstanceState::Quarantined { reason };
            (record, None)
        }
    }
}

pub(super) fn described(header: &InstanceHeader, source: &Source) -> NewSeries {
    NewSeries {
        series: header.series.clone(),
        study: header.study.clone(),
        calling_ae: source.calling_ae.clone(),
        peer: source.peer,
        description: header.series_description.clone(),
        modality: header.modality.clone(),
        accession_number: header.accession_number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        series::sample::Sample,
        spool::{
            Incoming, RealDisk,
            tests::{instance, scanner},
        },
    };

    fn intake(state_dir: &std::path::Path) -> Intake {
        let (journal, _) = Journal::open(&state_dir.join("journal.db")).unwrap();
        Intake {
            spool: Arc::new(Spool::open(state_dir, RealDisk).unwrap()),
            journal: Arc::new(journal),
            facts: Arc::default(),
        }
    }

    #[test]
    fn an_instance_that_the_disk_did_not_give_back_is_taken_in_when_it_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let intake = intake(dir.path());
        let mut data_set = Vec::new();
        let sample = Sample::slice(1);
        let syntax = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
        sample
            .data_set
            .write_dataset_with_ts(&mut data_set, &syntax)
            .unwrap();
        let incoming = Incoming {
            data_set: vec![data_set.into()],
            ..instance(sample.sop_instance().as_str(), b"")
        };
        let receive = |association| {
            let receipt = intake.spool.commit(&incoming, &scanner(association));
            (receipt.unwrap(), scanner(association))
        };
        let take = |arrived| intake.take(arrived, |_| false).unwrap();

        let first = receive(1);
        let (path, away) = (first.0.path().to_owned(), dir.path().join("away"));
        fs::rename(&path, &away).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(take(vec![first]).is_empty(), "a directory gives no bytes");
        assert!(intake.journal.quarantined(9).unwrap().is_empty());

        fs::remove_dir(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        assert_eq!(take(vec![receive(2), receive(3)]).len(), 1);
        assert!(take(vec![receive(4)]).is_empty());
    }
}
