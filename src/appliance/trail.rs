//! What of the appliance's life goes into the audit trail.

use std::{fs, path::Path, sync::Arc, thread::JoinHandle};

use super::StartError;
use crate::{
    association,
    audit::{Actor, AuditError, Event, Log, Peer, Recorder, Settings, Syslog, Transfer},
    config::{Config, PatientNaming},
    deliver::{DeliverError, Destination},
    dicom::{Remedy, Uid},
    series::InstanceHeader,
    spool::{
        Spool,
        journal::{DeliveryRecord, SeriesRecord},
    },
    status::{FactsBoard, Notice},
    tls,
};

/// The trail's threads.
pub(super) struct Trail {
    recorder: Recorder,
    /// Ends when the recorder does.
    syslog: Option<JoinHandle<()>>,
}

impl Trail {
    /// Records the end; returns when all is written.
    pub(super) fn finish(self) {
        self.recorder.finish();
        if let Some(sender) = self.syslog {
            // A panic has been reported by the thread itself.
            let _ = sender.join();
        }
    }
}

/// Opens the trail in `state_dir` and records the start, and whether the configuration is another
/// than at the last start. `syslog` is the way to the server that the configuration names.
pub(super) fn open(
    config: &Config,
    state_dir: &Path,
    syslog: Option<tls::Client>,
    facts: &Arc<FactsBoard>,
) -> Result<(Log, Trail), StartError> {
    let directory = state_dir.join("audit");
    let (wake, woken) = crossbeam_channel::bounded(1);
    let settings = Settings {
        directory: directory.clone(),
        name: config.device.name.clone(),
        ae_title: config.listener.ae_title.to_string(),
        patient_ids: config.audit.patients == PatientNaming::PatientId,
        keep_files: config.audit.keep_files,
    };
    let (log, recorder) = Log::start(&settings, syslog.as_ref().map(|_| wake))?;
    note_configuration(config, &directory, &log)?;
    let sender = match (syslog, &config.audit.syslog) {
        (Some(tls), Some(address)) => {
            let (board, server) = (Arc::clone(facts), address.clone());
            let sender = Syslog {
                address: address.clone(),
                tls,
                directory,
                report: Box::new(move |failing| {
                    let failing = failing.map(|why| Notice::AuditNotSent {
                        server: server.clone(),
                        why,
                    });
                    board.pin(|facts| facts.audit_not_sent = failing);
                }),
            };
            Some(sender.start(woken)?)
        }
        _ => None,
    };
    let trail = Trail {
        recorder,
        syslog: sender,
    };
    Ok((log, trail))
}

/// The configuration takes effect at a start, so that is when a change of it is recorded.
fn note_configuration(config: &Config, directory: &Path, log: &Log) -> Result<(), AuditError> {
    let path = directory.join("configuration.uid");
    let text = toml::to_string(config).unwrap_or_default();
    let digest = Uid::derived("configuration", &[&text]).to_string();
    match fs::read_to_string(&path) {
        Ok(known) if known == digest => return Ok(()),
        Ok(_) => log.record(Event::ConfigurationChanged {
            by: Actor {
                user: None,
                from: None,
            },
            what: "the configuration file differs from the last start's".to_owned(),
        }),
        // The first start.
        Err(_) => {}
    }
    fs::write(&path, digest).map_err(|source| AuditError::File { path, source })
}

/// What an association's event is to the trail.
pub(super) fn of_association(event: &association::Event) -> Option<Event> {
    match event {
        association::Event::Refused {
            calling_ae,
            peer,
            reason,
            ..
        } => Some(Event::Refused {
            peer: Peer {
                ae_title: Some(calling_ae.clone()),
                host: peer.to_string(),
            },
            reason: reason.to_string(),
        }),
        association::Event::Unheard { peer, problem } => Some(Event::Refused {
            peer: Peer {
                ae_title: None,
                host: peer.to_string(),
            },
            reason: format!("the peer {problem}"),
        }),
        _ => None,
    }
}

/// A complete series, as the one who sent it is answered for.
pub(super) fn received(
    record: &SeriesRecord,
    headers: &[InstanceHeader],
    spool: &Spool,
) -> Option<Event> {
    let first = headers.first()?;
    Some(Event::Received(Transfer {
        peer: Peer {
            ae_title: Some(record.calling_ae.to_string()),
            host: record.peer.to_string(),
        },
        study: record.study.clone(),
        series: record.series.clone(),
        sop_class: first.sop_class.clone(),
        instances: u32::try_from(headers.len()).unwrap_or(u32::MAX),
        file: spool.path_of(&first.sop_instance),
    }))
}

/// An object on its way to a destination.
pub(super) fn outgoing(
    delivery: &DeliveryRecord,
    series: &SeriesRecord,
    destination: &Destination,
) -> Transfer {
    let host = destination.address.rsplit_once(':');
    Transfer {
        peer: Peer {
            ae_title: Some(destination.ae_title.to_string()),
            host: host
                .map_or(&*destination.address, |(host, _)| host)
                .to_owned(),
        },
        study: series.study.clone(),
        series: delivery.series.clone(),
        sop_class: delivery.object_sop_class.clone(),
        instances: 1,
        file: delivery.path.clone(),
    }
}

/// How a delivery ended, where that is worth a line: attempts that only have to wait are repeated
/// for as long as a PACS is down, and an error that stays the same is the same event.
pub(super) fn ended(
    transfer: Transfer,
    delivery: &DeliveryRecord,
    outcome: Result<(), &DeliverError>,
) -> Option<Event> {
    match outcome {
        Ok(()) => Some(Event::Sent(transfer)),
        Err(error) if error.remedy() == Remedy::Wait => None,
        Err(error) => {
            let trouble = error.trouble();
            let is_new = delivery.last_error.as_ref() != Some(&trouble);
            is_new.then_some(Event::NotSent(transfer, trouble.words))
        }
    }
}
