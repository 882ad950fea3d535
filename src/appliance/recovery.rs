//! What a start finds: instances that the journal has not heard of, and work that was cut off.

use std::time::Instant;

use jiff::Timestamp;

use super::{
    dispatcher::Dispatcher,
    intake::{Intake, described},
    live::Live,
};
use crate::{
    dicom::Remedy,
    series::{Evidence, InstanceHeader},
    spool::{
        self,
        journal::{Journal, JournalError, SeriesRecord, SeriesState},
    },
};

/// A series whose segmentation was begun this often and never ended is not begun again.
const ATTEMPTS: u32 = 2;

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
        let file = std::fs::read(&path).unwrap_or_default();
        let (Ok(source), Ok(class)) = (spool::read_source(&file), spool::read_sop_class(&file))
        else {
            let reason = "the file meta information is damaged";
            tracing::warn!(instance = %uid, reason, "instance quarantined");
            if let Err(error) = intake.spool.quarantine(&uid, reason) {
                tracing::error!(instance = %uid, %error, "could not be moved to quarantine");
            }
            continue;
        };
        let (record, header) = intake.read(&uid, &class, file.len() as u64, &source, now);
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
            if record.state == SeriesState::Segmenting && record.attempts >= ATTEMPTS {
                fail(&self.journal, &record)?;
                continue;
            }
            let headers = self.intake.headers_of(&record.series)?;
            tracing::info!(series = %record.series, was = %record.state, instances = headers.len(), "taken up again");
            // What is on disk counts, whatever the journal last heard.
            let received = u32::try_from(headers.len()).unwrap_or(u32::MAX);
            if received != record.instances_received {
                self.journal
                    .note_received(&record.series, received, Timestamp::now())?;
            }
            self.take_up(&record, headers)?;
        }
        Ok(())
    }

    fn take_up(
        &mut self,
        record: &SeriesRecord,
        headers: Vec<InstanceHeader>,
    ) -> Result<(), JournalError> {
        let now = Instant::now();
        // Whatever was in work may be what ended the process.
        let mut live = Live::new(false, now);
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

fn fail(journal: &Journal, record: &SeriesRecord) -> Result<(), JournalError> {
    let reason = format!("segmenting it ended the process {} times", record.attempts);
    tracing::error!(series = %record.series, reason, "series failed");
    let reason = Some((reason.as_str(), Remedy::Service));
    journal.advance(
        &record.series,
        SeriesState::Failed,
        reason,
        Timestamp::now(),
    )?;
    Ok(())
}
