//! Builds the parts, hands values across, drains in order.
//!
//! ```text
//!            events                 jobs                     files
//! association ----> dispatcher ----------> engine room ----> results ----> deliverers
//!    (tokio)        (1 thread)   <---------- (1 thread a core)  (blocking)   (1 thread each)
//!                        |        outcomes
//!                     journal
//! ```

mod again;
mod callers;
mod commitments;
mod completing;
mod credentials;
mod deliveries;
#[cfg(test)]
mod deliveries_tests;
mod dispatcher;
#[cfg(test)]
mod dispatcher_tests;
mod engine_room;
mod feeding;
mod finish;
mod intake;
mod journal_outage;
mod keeping_results;
mod labelling;
mod live;
mod models;
mod own_addresses;
mod parts;
mod pulse;
mod recovery;
mod reports;
mod results;
mod second_look;
mod selftest;
mod station;
mod trail;
mod trial;
mod turns;
mod upkeep;
mod vitals;
mod waiting;

use std::{
    net::SocketAddr,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::Sender;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::AuditError,
    chain,
    config::Config,
    dicom::{Remedy, Uid},
    encode::Equipment,
    spool::{
        RealDisk, Spool, SpoolError,
        journal::{self, Journal, JournalError, LastRun, Recovery},
    },
    status::{
        FactsBoard, MetricsHandle, Notice,
        access::{Access, AccessError},
    },
    tls::TlsError,
};

use credentials::{Credentials, doors};
use dispatcher::Message;
pub use engine_room::{SliceError, encode_frames};
pub use finish::{
    CONFIGURATION_DIGEST, Complete, EncodedSlice, FinishError, Finished, ResultJson, finish,
};
use intake::Intake;
pub use models::{engine_options, load_bundle, selected_bundle};
pub use own_addresses::wait_for_own_addresses;
use parts::Parts;
pub use pulse::Stuck;
pub use selftest::{SelfTest, dice};
pub use station::{Station, StationError};
use trail::Trail;
pub use trial::{Interest, Stored, TrialError, ask, destination, said, send_phantom};
pub use waiting::Kept;

/// The running appliance.
pub struct Appliance {
    /// Where plain associations are accepted; where encrypted ones are, if there are no plain ones.
    pub dicom_address: SocketAddr,
    pub page_address: SocketAddr,
    pub journal: Arc<Journal>,
    facts: Arc<FactsBoard>,
    stop: CancellationToken,
    tracker: TaskTracker,
    inbox: mpsc::Sender<Message>,
    wake: Vec<Sender<()>>,
    /// Ends the look at the board when dropped.
    _watched: Sender<()>,
    threads: Vec<JoinHandle<()>>,
    trail: Trail,
}

/// Why the appliance cannot start. Nothing has been acknowledged yet.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot use the state directory {path}")]
    Spool { path: PathBuf, source: SpoolError },
    #[error("cannot use the journal")]
    Journal(#[from] JournalError),
    #[error("cannot listen on {address} for {what}")]
    Listen {
        address: SocketAddr,
        what: &'static str,
        source: std::io::Error,
    },
    #[error("the page cannot be served")]
    Page(#[from] AccessError),
    #[error("cannot use the certificates or the key of {what}")]
    Tls { what: String, source: TlsError },
    #[error("cannot keep the audit trail")]
    Audit(#[from] AuditError),
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

impl StartError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// Messages to the dispatcher that may wait; then associations wait, and so do their senders.
const INBOX: usize = 256;

/// How long stopping waits for associations and deliveries in hand.
const GRACE: Duration = Duration::from_secs(20);

/// Twice the grace that work in hand is given; whoever stops us must wait longer.
pub const LONGEST_STOP: Duration = GRACE.saturating_mul(2);

impl Appliance {
    /// Opens what must not be lost, then the ports, then loads the model while already receiving.
    pub async fn start(config: Config, metrics: Option<MetricsHandle>) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let state_dir = config.state_dir();
        let facts = Arc::new(FactsBoard::default());
        let credentials = Credentials::load(&config, &facts)?;
        let opened = {
            let (state_dir, facts) = (state_dir.clone(), Arc::clone(&facts));
            let config = Arc::clone(&config);
            tokio::task::spawn_blocking(move || {
                let access = Access::open(&config)?;
                let (spool, journal) = open_state(&state_dir, &facts)?;
                Ok::<_, StartError>((access, spool, journal))
            })
            .await
        };
        let (access, spool, journal) =
            opened.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))?;

        let doors = doors(&config, credentials.listener).await?;
        let page = listen(config.status.address, "the page").await?;
        let (audit, trail) = trail::open(&config, &state_dir, credentials.syslog, &facts)?;
        let dicom_address = match doors.first() {
            Some(door) => local(&door.listener, config.listener.address)?,
            None => config.listener.address,
        };
        let page_address = local(&page, config.status.address)?;

        let scheme = if config.status.needs_tls() {
            "https"
        } else {
            "http"
        };
        let parts = Parts {
            config,
            spool,
            journal,
            facts,
            audit,
            doubted: Arc::default(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        let (inbox, messages) = mpsc::channel(INBOX);
        let (wake, mut threads) = parts.deliverers(credentials.destinations)?;
        threads.push(parts.dispatcher(&state_dir, messages, &inbox, &wake)?);
        parts.accept_associations(doors, &inbox);
        let watched = parts.watch_the_box(metrics.clone())?;
        parts.serve_pages(page, access, metrics, &inbox);
        parts.load_engine(&state_dir, inbox.clone());
        tracing::info!(
            dicom = %dicom_address,
            ae_title = %parts.config.listener.ae_title,
            page = %format_args!("{scheme}://{page_address}/"),
            state = %state_dir.display(),
            "receiving"
        );
        Ok(Self {
            dicom_address,
            page_address,
            journal: parts.journal,
            facts: parts.facts,
            stop: parts.stop,
            tracker: parts.tracker,
            inbox,
            wake,
            _watched: watched,
            threads,
            trail,
        })
    }

    /// What the running parts say of themselves.
    #[must_use]
    pub fn facts(&self) -> &FactsBoard {
        &self.facts
    }

    /// Waits until the engine has passed its check. `Err`: why nothing will be segmented.
    pub async fn engine_ready(&self) -> Result<(), String> {
        let mut changes = self.facts.watch();
        loop {
            if let Some(engine) = self.facts.read().engine {
                return engine.map(drop).map_err(|trouble| trouble.words);
            }
            // The appliance holds the sender, so this only ends by a change.
            let _ = changes.changed().await;
        }
    }

    /// Ends associations, lets work in hand finish or be taken up by the next start, and returns.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(GRACE, self.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("work in hand is left for the next start");
        }
        // The dispatcher ends after what it was sent before.
        let _ = self.inbox.send(Message::Stop).await;
        drop(self.wake);
        let ended = tokio::task::spawn_blocking(move || {
            for thread in self.threads {
                // A panic has been reported by the thread itself.
                let _ = thread.join();
            }
        });
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("a delivery in hand is left for the next start");
        }
        let trail = self.trail;
        let recorded = tokio::task::spawn_blocking(move || trail.finish());
        if tokio::time::timeout(GRACE, recorded).await.is_err() {
            tracing::warn!("the audit trail was not finished in time");
        }
        let journal = self.journal;
        match tokio::task::spawn_blocking(move || journal.end_run()).await {
            Ok(Ok(())) => {}
            outcome => tracing::warn!(?outcome, "the next start takes this for a crash"),
        }
        tracing::info!("stopped");
    }
}

/// Opens spool and journal, and records instances that the journal has not heard of.
fn open_state(
    state_dir: &Path,
    facts: &Arc<FactsBoard>,
) -> Result<(Arc<Spool>, Arc<Journal>), StartError> {
    let spool = Spool::open(state_dir, RealDisk).map_err(|source| StartError::Spool {
        path: state_dir.to_owned(),
        source,
    })?;
    let opened = open_journal(state_dir);
    let (journal, recovery, last) = match opened {
        Err(error) if spool.give_space_up() => {
            tracing::error!(
                error = chain(&error),
                "the journal cannot be used; trying with the space that was put by"
            );
            open_journal(state_dir)?
        }
        opened => opened?,
    };
    if let Recovery::Rebuilt {
        set_aside, reason, ..
    } = &recovery
    {
        let notice = Notice::JournalRebuilt {
            why: reason.clone(),
            kept_as: set_aside.display().to_string(),
        };
        tracing::error!(%notice);
        facts.pin(|facts| facts.notices.push(notice));
    }
    match last {
        LastRun::Unknown | LastRun::Stopped => {}
        LastRun::WentDownWithTheMachine | LastRun::Died => {
            tracing::warn!(?last, "the last run did not stop in order");
        }
    }
    let (spool, journal) = (Arc::new(spool), Arc::new(journal));
    let intake = Intake {
        spool: Arc::clone(&spool),
        journal: Arc::clone(&journal),
        facts: Arc::clone(facts),
    };
    let recorded = recovery::record_unknown_instances(&intake)?;
    recovery::record_quarantine(&intake)?;
    recovery::miss_instances(&intake)?;
    if recorded > 0 {
        tracing::info!(recorded, "instances on disk were unknown to the journal");
    }
    Ok((spool, journal))
}

fn open_journal(state_dir: &Path) -> Result<(Journal, Recovery, LastRun), JournalError> {
    let (journal, recovery) = Journal::open(&state_dir.join("journal.db"))?;
    let last = journal.begin_run(&journal::boot())?;
    Ok((journal, recovery, last))
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Listen {
        address,
        what,
        source,
    })
}

/// The address in fact: port 0 asks the system for a free one.
fn local(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen {
        address,
        what: "anything",
        source,
    })
}

/// This box as our objects name it. The serial number is the machine's own identifier, hashed as
/// machine-id(5) asks.
pub fn equipment(state_dir: &Path) -> Equipment {
    let machine = std::fs::read_to_string("/etc/machine-id")
        .unwrap_or_else(|_| state_dir.display().to_string());
    let serial = Uid::derived("device serial", &[machine.trim()]);
    Equipment {
        manufacturer: "Hepar".to_owned(),
        model_name: "Hepar".to_owned(),
        serial_number: serial.as_str().chars().rev().take(16).collect(),
        software_versions: vec![env!("CARGO_PKG_VERSION").to_owned()],
    }
}
