//! A destination tried out: does it answer, what would it take, and does it really take it?
//!
//! A PACS is set up once, by somebody who wants to know before the first patient. What is sent, if it
//! is asked for, are the results of a synthetic patient whose name says so; their UIDs are always the
//! same, so that trying twice leaves one of each.

use std::{fs, path::Path, sync::Arc};

use dicom_dictionary_std::uids;
use jiff::Zoned;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    chain,
    config::Config,
    conformance::{self, ConformanceError},
    deliver::{self, DeliverError, Destination, EchoReport, Outgoing},
    dicom::{DimseStatus, Uid, sop_class},
    encode::ObjectKind,
    status::{TrialReport, TrialRequest},
    tls::TlsError,
};

/// Of which class an object was, and what came of storing it.
pub type Stored = (Uid, Result<DimseStatus, DeliverError>);

/// Why no objects could be sent.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("the synthetic results cannot be made")]
    Make(#[from] ConformanceError),
    #[error("the synthetic results cannot be written")]
    Write(#[from] std::io::Error),
}

/// C-ECHO, then what it would take of everything that we make; requests to commit as well, where
/// that is of interest.
pub fn ask(destination: &Destination, interest: Interest) -> Result<EchoReport, DeliverError> {
    let mut classes = ObjectKind::ALL.map(ObjectKind::sop_class).to_vec();
    if interest == Interest::Commitment || destination.commitment.is_some() {
        classes.push(uids::STORAGE_COMMITMENT_PUSH_MODEL);
    }
    deliver::echo(destination, &classes)
}

/// What a destination is tried out for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interest {
    Objects,
    Commitment,
}

/// Stores the results of a synthetic patient there; `directory` is made, and removed.
pub fn send_phantom(
    destination: &Destination,
    directory: &Path,
) -> Result<Vec<Stored>, TrialError> {
    let objects = conformance::examples(&Zoned::now())?;
    fs::create_dir_all(directory)?;
    let written: Result<Vec<Outgoing>, std::io::Error> = objects
        .iter()
        .map(|object| {
            let path = directory.join(format!("{}.dcm", object.sop_instance));
            fs::write(&path, &object.bytes)?;
            Ok(Outgoing {
                sop_class: object.sop_class.clone(),
                sop_instance: object.sop_instance.clone(),
                path,
            })
        })
        .collect();
    let outcomes = written.map(|written| {
        let outcomes = deliver::store(destination, &written, &CancellationToken::new());
        let classes = written.into_iter().map(|object| object.sop_class);
        classes.zip(outcomes).collect()
    });
    // What is left there is overwritten by the next trial.
    let _ = fs::remove_dir_all(directory);
    Ok(outcomes?)
}

/// One outcome in words.
#[must_use]
pub fn said((class, outcome): &Stored) -> String {
    let class = sop_class::name(class);
    match outcome {
        Ok(status) => format!("stored a synthetic {class} (status {status})"),
        Err(error) => format!("stored no {class}: {}", chain(error)),
    }
}

/// Does what the page asks for, one at a time, until `stop`.
pub(super) async fn serve(
    mut requests: mpsc::Receiver<TrialRequest>,
    config: Arc<Config>,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = stop.cancelled() => return,
        };
        let Some(request) = request else {
            return;
        };
        let config = Arc::clone(&config);
        let tried = tracker.spawn_blocking(move || {
            let report = try_out(&config, &request);
            // Whoever asked may have gone.
            let _ = request.answer.send(report);
        });
        if tried.await.is_err() {
            return;
        }
    }
}

fn try_out(config: &Config, request: &TrialRequest) -> Option<TrialReport> {
    let destination = destination(config, &request.destination)?;
    let mut report = TrialReport::default();
    let destination = match destination {
        Ok(destination) => destination,
        Err(error) => {
            report.lines.push(chain(&error));
            return Some(report);
        }
    };
    match ask(&destination, Interest::Objects) {
        Ok(echo) => {
            report.works = echo.classes.is_ok();
            report.lines = echo
                .to_string()
                .lines()
                .map(str::trim)
                .map(str::to_owned)
                .collect();
        }
        Err(error) => {
            report.lines.push(chain(&error));
            return Some(report);
        }
    }
    if request.with_objects {
        let directory = config.state_dir().join("destination-trial");
        match send_phantom(&destination, &directory) {
            Ok(stored) => report.lines.extend(stored.iter().map(said)),
            Err(error) => report.lines.push(chain(&error)),
        }
    }
    Some(report)
}

/// The destination of that name in the configuration.
#[must_use]
pub fn destination(config: &Config, name: &str) -> Option<Result<Destination, TlsError>> {
    let known = config.destinations.iter().find(|d| d.name == name)?;
    Some(known.open(config.listener.ae_title.clone()))
}
