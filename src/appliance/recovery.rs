//! What a start finds: instances that the journal has not heard of, and work that was cut off.

use std::{net::Ipv4Addr, time::Instant};

use jiff::Timestamp;

use super::{
    dispatcher::Dispatcher,
    intake::{Intake, described},
    live::{Live, Trust},
};
use crate::{
    dicom::{AeTitle, Remedy, Trouble, TroubleKind, Uid},
    series::{Evidence, InstanceHeader},
    spool::{
        self, Source,
        journal::{InstanceRecord, InstanceState, JournalError, SeriesRecord, SeriesState},
    },
    status::Notice,
};

/// A series during whose segmentation the process died this often is not begun again.
pub(super) const ATTEMPTS: u32 = 2;

/// Nor one during which the machine went down this often: by chance that does not happen.
const INTERRUPTIONS: u32 = 6;

/// Records instances that are on disk and not in the journal. Returns how many.
///
/// The files are the truth: an instance was acknowledged once its file was durable, and the process
/// may have ended before the journal heard of it.
pub(super) fn record_unknown_instances(intake: &Intake) -> Result<usize, JournalError> {
    let now = Timestamp::now();
    let known = intake.journal.known_instances()?;
    let mut recorded = 0;
    for (uid, path) in intake.spool.instances() {
        if known.contains(&uid) {
            continue;
        }
        let file = match std::fs::read(&path) {
            Ok(file) => file,
            // It may be readable at the next start.
            Err(error) => {
                tracing::error!(instance = %uid, %error, "an instance on disk cannot be read");
                continue;
            }
        };
        let (Ok(source), Ok(class)) = (spool::read_source(&file), spool::read_sop_class(&file))
        else {
            let reason = "the file meta information is damaged";
            tracing::warn!(instance = %uid, reason, "instance quarantined");
            if let Err(error) = intake.spool.quarantine(&uid, reason) {
                tracing::error!(instance = %uid, %error, "could not be moved to quarantine");
            }
            continue;
        };
        let read = intake.read(&uid, &class, file.len() as u64, &source, now);
        let Some((record, header)) = read else {
            continue;
        };
        intake.journal.record_instances(&[record])?;
        if let Some(header) = header {
            let series = intake
                .journal
                .open_series(&described(&header, &source), now)?;
            if series.state != SeriesState::Receiving {
                intake.journal.reopen(&series.series, now)?;
            }
        }
        recorded += 1;
    }
    Ok(recorded)
}

/// Says how many instances the journal knows and the disk does not have: a directory was lost, or
/// somebody tidied up.
pub(super) fn miss_instances(intake: &Intake) -> Result<(), JournalError> {
    let mut missing = intake.journal.known_instances()?;
    for (uid, _) in intake.spool.instances() {
        missing.remove(&uid);
    }
    for (uid, ..) in intake.spool.quarantined() {
        missing.remove(&uid);
    }
    if !missing.is_empty() {
        let notice = Notice::InstancesMissing {
            instances: missing.len(),
        };
        tracing::error!(%notice);
        intake.facts.pin(|facts| facts.notices.push(notice));
    }
    Ok(())
}

/// Records instances that were set apart and are not in the journal, so that the page can say why.
pub(super) fn record_quarantine(intake: &Intake) -> Result<(), JournalError> {
    let known = intake.journal.known_instances()?;
    let unknown = intake
        .spool
        .quarantined()
        .filter(|(uid, ..)| !known.contains(uid));
    let records: Vec<InstanceRecord> = unknown
        .map(|(uid, path, reason)| {
            let file = std::fs::read(&path).unwrap_or_default();
            let modified = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
            InstanceRecord {
                sop_instance: uid,
                sop_class: spool::read_sop_class(&file).unwrap_or_else(|_| illegible_class()),
                series: None,
                state: InstanceState::Quarantined { reason },
                received_at: modified
                    .ok()
                    .and_then(|at| Timestamp::try_from(at).ok())
                    .unwrap_or_else(Timestamp::now),
                bytes: file.len() as u64,
                source: spool::read_source(&file).unwrap_or_else(|_| illegible_source()),
                header: None,
            }
        })
        .collect();
    intake.journal.record_instances(&records)
}

/// Stands for what a damaged file does not say any more.
fn illegible_class() -> Uid {
    Uid::parse("0").expect("a number is a UID")
}

/// As [`illegible_class`].
fn illegible_source() -> Source {
    let unknown = || AeTitle::parse("UNKNOWN").expect("a valid AE title");
    Source {
        calling_ae: unknown(),
        called_ae: unknown(),
        peer: Ipv4Addr::UNSPECIFIED.into(),
        association: 0,
    }
}

impl Dispatcher {
    /// Takes up series that were in work when the process ended.
    pub(super) fn resume(&mut self) -> Result<(), JournalError> {
        // A late instance was recorded, and the process ended before its series was opened again.
        for series in self.journal.overtaken()? {
            self.journal.reopen(&series, Timestamp::now())?;
        }
        let unfinished = [
            SeriesState::Receiving,
            SeriesState::Queued,
            SeriesState::Segmenting,
        ];
        for record in self.journal.in_states(&unfinished)? {
            if let Some(reason) = poison(&record) {
                tracing::error!(series = %record.series, reason, "series failed");
                let trouble = Trouble::new(TroubleKind::EndedTheProcess, reason);
                let reason = Some((&trouble, Remedy::Service));
                let now = Timestamp::now();
                self.journal
                    .advance(&record.series, SeriesState::Failed, reason, now)?;
                continue;
            }
            let headers = self.intake.headers_of(&record.series)?;
            tracing::info!(series = %record.series, was = %record.state, instances = headers.len(), "taken up again");
            // What is on disk counts, whatever the journal last heard.
            let received = u32::try_from(headers.len()).unwrap_or(u32::MAX);
            if received != record.instances_received {
                self.journal
                    .note_received(&record.series, received, None, Timestamp::now())?;
            }
            self.take_up(&record, headers)?;
        }
        Ok(())
    }

    /// Work on a series that the journal knows goes on.
    pub(super) fn take_up(
        &mut self,
        record: &SeriesRecord,
        headers: Vec<InstanceHeader>,
    ) -> Result<(), JournalError> {
        let now = Instant::now();
        // Whatever was in work may be what ended the process.
        let trust = if record.attempts > 0 {
            Trust::Suspect
        } else {
            Trust::TakenUp
        };
        let mut live = Live::new(trust, now);
        if record.state == SeriesState::Receiving {
            for header in &headers {
                self.assembler.restore(header, &record.calling_ae, now);
            }
        } else {
            live.completed = Some(Evidence::Quiet);
        }
        if record.state == SeriesState::Segmenting {
            self.journal
                .advance(&record.series, SeriesState::Queued, None, Timestamp::now())?;
        }
        for header in headers {
            live.add(header, now);
        }
        self.live.insert(record.series.clone(), live);
        Ok(())
    }
}

/// Why the series is held to be what ends the process, or the machine.
fn poison(record: &SeriesRecord) -> Option<String> {
    let SeriesRecord {
        attempts,
        interruptions,
        ..
    } = record;
    if record.state != SeriesState::Segmenting {
        None
    } else if *attempts >= ATTEMPTS {
        Some(format!("segmenting it ended the process {attempts} times"))
    } else if *interruptions >= INTERRUPTIONS {
        Some(format!(
            "the machine went down {interruptions} times while it was being segmented"
        ))
    } else {
        None
    }
}
