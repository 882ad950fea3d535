//! The parts of a running appliance, each built from what they share.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

use crossbeam_channel::Sender;
use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    INBOX, StartError,
    again::wanted_by,
    credentials,
    deliveries::Deliverer,
    dispatcher::{Dispatcher, Message},
    equipment,
    intake::Intake,
    models::Models,
    reports::Reports,
    results::Results,
    selftest::{SelfTests, occasions},
    trial,
    upkeep::Upkeep,
    vitals::{Sensors, Vitals},
    waiting::Waiting,
};
use crate::{
    association::{self, Admission, Door, Policy},
    audit::Log,
    config::Caller,
    config::Config,
    deliver, device,
    model::store::Store,
    series::Assembler,
    spool::{Spool, journal::Journal},
    status::{self, CertificateUse, FactsBoard, MetricsHandle, Pages, access::Access},
    tls,
};

/// What all parts share.
pub(super) struct Parts {
    pub config: Arc<Config>,
    pub spool: Arc<Spool>,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
    pub audit: Log,
    /// Set when the engine gave no numbers.
    pub doubted: Arc<AtomicBool>,
    pub stop: CancellationToken,
    pub tracker: TaskTracker,
}

type Wakers = Vec<Sender<()>>;

impl Parts {
    /// Starts a thread for each destination; what wakes it, and the threads.
    pub(super) fn deliverers(
        &self,
        destinations: Vec<deliver::Destination>,
    ) -> Result<(Wakers, Vec<JoinHandle<()>>), StartError> {
        let (mut wake, mut threads) = (Vec::new(), Vec::new());
        let committing: Vec<&str> = self.config.committing().map(|d| &*d.name).collect();
        self.journal.wait_only_for(&committing, Timestamp::now())?;
        let names: Vec<&str> = destinations.iter().map(|d| &*d.name).collect();
        let wanted = wanted_by(&self.config);
        for record in self
            .journal
            .deliver_only_to(&names, &wanted, Timestamp::now())?
        {
            tracing::warn!(series = %record.series, status = %record.state, "waited for a destination that is not configured any more");
        }
        let last_stored = self.journal.last_stored()?;
        for destination in destinations {
            let name = destination.name.clone();
            let deliverer = Deliverer {
                destination,
                journal: Arc::clone(&self.journal),
                facts: Arc::clone(&self.facts),
                audit: self.audit.clone(),
                stop: self.stop.clone(),
                reports: self.reports(),
            };
            status::expect_destination(&name);
            self.facts.pin(|facts| {
                let facts = facts.destinations.entry(name.clone()).or_default();
                facts.last_success = last_stored.get(&name).copied();
            });
            let (waker, woken) = crossbeam_channel::bounded(1);
            let thread = spawn(format!("deliver-{name}"), move || deliverer.run(woken))?;
            wake.push(waker);
            threads.push(thread);
        }
        Ok((wake, threads))
    }

    fn reports(&self) -> Reports {
        Reports::new(&self.config, &self.journal, &self.facts)
    }

    /// Takes up what was in work, then starts the dispatcher's thread.
    pub(super) fn dispatcher(
        &self,
        state_dir: &Path,
        messages: mpsc::Receiver<Message>,
        inbox: &mpsc::Sender<Message>,
        wake: &[Sender<()>],
    ) -> Result<JoinHandle<()>, StartError> {
        let chunking = self.journal.chunking_callers()?;
        self.facts.pin(|facts| {
            facts.chunking_callers = chunking.iter().map(ToString::to_string).collect();
        });
        let results = Results {
            spool: Arc::clone(&self.spool),
            journal: Arc::clone(&self.journal),
            config: Arc::clone(&self.config),
            equipment: equipment(state_dir),
            tracker: self.tracker.clone(),
            runtime: Handle::current(),
        };
        let mut dispatcher = Dispatcher {
            intake: Intake {
                spool: Arc::clone(&self.spool),
                journal: Arc::clone(&self.journal),
                facts: Arc::clone(&self.facts),
            },
            journal: Arc::clone(&self.journal),
            facts: Arc::clone(&self.facts),
            audit: self.audit.clone(),
            assembler: Assembler::new(self.config.series.quiet_period, chunking),
            quiet_period: self.config.series.quiet_period,
            live: BTreeMap::new(),
            engine: None,
            doubted: Arc::clone(&self.doubted),
            lost_engine: None,
            waiting: Arc::new(Waiting::new(
                Arc::clone(&self.spool),
                usize::from(self.config.series.waiting_memory_mb) << 20,
            )),
            results: Arc::new(results),
            outbox: inbox.clone(),
            wake: wake.to_vec(),
            outage: None,
            self_tests: SelfTests::new(state_dir, equipment(state_dir), &self.facts, &self.tracker),
            reports: self.reports(),
        };
        dispatcher.resume()?;
        let runtime = Handle::current();
        spawn("dispatcher".to_owned(), move || {
            dispatcher.run(messages, &runtime);
        })
    }

    /// Accepts associations, as long as what they bring can be kept.
    pub(super) fn accept_associations(&self, doors: Vec<Door>, inbox: &mpsc::Sender<Message>) {
        if self.config.callers.is_empty() {
            tracing::warn!("no [[caller]] is configured: anyone on the network may send");
        }
        let (admit, admission) = watch::channel(Admission::Open);
        let upkeep = Upkeep {
            spool: Arc::clone(&self.spool),
            journal: Arc::clone(&self.journal),
            facts: Arc::clone(&self.facts),
            retention: self.config.retention.clone(),
            committing: self.config.committing().map(|d| d.name.clone()).collect(),
            inbox: inbox.clone(),
        };
        self.tracker.spawn(upkeep.run(admit, self.stop.clone()));
        let (events, relayed) = mpsc::channel(INBOX);
        self.tracker
            .spawn(relay(relayed, inbox.clone(), Message::Association));
        let served = association::serve(
            doors,
            Arc::new(policy(&self.config)),
            Arc::clone(&self.spool),
            admission,
            events,
            self.tracker.clone(),
            self.stop.clone(),
        );
        self.tracker.spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "associations are not accepted any more");
            }
        });
    }

    /// Looks at the box and its board until what is returned is dropped.
    pub(super) fn watch_the_box(
        &self,
        metrics: Option<MetricsHandle>,
    ) -> Result<Sender<()>, StartError> {
        let sensors = Sensors {
            board: device::board(Path::new("/")),
            facts: Arc::clone(&self.facts),
        };
        let vitals = Vitals {
            spool: Arc::clone(&self.spool),
            journal: Arc::clone(&self.journal),
            facts: Arc::clone(&self.facts),
            metrics,
        };
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let sensors_stopped = stopped.clone();
        // Not waited for: a sensor may hang, and neither holds anything that must be put away.
        spawn("sensors".to_owned(), move || sensors.run(&sensors_stopped))?;
        spawn("vitals".to_owned(), move || vitals.run(&stopped))?;
        Ok(stop)
    }

    pub(super) fn serve_pages(
        &self,
        listener: TcpListener,
        (mut access, tls): (Access, Option<tls::Server>),
        metrics: Option<MetricsHandle>,
        inbox: &mpsc::Sender<Message>,
    ) {
        let (orders, ordered) = mpsc::channel(status::ORDERS);
        self.tracker
            .spawn(relay(ordered, inbox.clone(), Message::Order));
        access.audit_by(self.audit.clone());
        if let Some(server) = &tls {
            credentials::note(&self.facts, CertificateUse::Page, &server.certificate);
        }
        let (trials, tried) = mpsc::channel(1);
        self.tracker.spawn(trial::serve(
            tried,
            Arc::clone(&self.config),
            self.tracker.clone(),
            self.stop.clone(),
        ));
        let (self_test, asked) = mpsc::channel(1);
        self.tracker.spawn(occasions(
            asked,
            self.config.device.self_test_every,
            Arc::clone(&self.facts),
            inbox.clone(),
            self.stop.clone(),
        ));
        let pages = Pages {
            orders,
            spool: Arc::clone(&self.spool),
            viewed: status::Viewed::default(),
            config: Arc::clone(&self.config),
            name: self.config.device.name.clone(),
            anyone_may_send: self.config.callers.is_empty(),
            journal: Arc::clone(&self.journal),
            facts: Arc::clone(&self.facts),
            metrics,
            access,
            tls: tls.map(|server| server.config),
            self_test,
            trials,
        };
        let served = status::serve(listener, Arc::new(pages), self.stop.clone());
        self.tracker.spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the page is not served any more");
            }
        });
    }

    /// Loads and checks the model off the runtime; instances are received and kept meanwhile.
    pub(super) fn load_engine(&self, state_dir: &Path, inbox: mpsc::Sender<Message>) {
        let models = Models {
            config: Arc::clone(&self.config),
            spool: Arc::clone(&self.spool),
            facts: Arc::clone(&self.facts),
            store: Store::of(state_dir),
            inbox,
            seen: None,
            running: None,
            doubted: Arc::clone(&self.doubted),
            tried: None,
            told: Vec::new(),
        };
        self.tracker.spawn(models.run(self.stop.clone()));
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let thread = thread::Builder::new().name(name).spawn(run);
    thread.map_err(StartError::Thread)
}

async fn relay<T>(
    mut from: mpsc::Receiver<T>,
    inbox: mpsc::Sender<Message>,
    message: impl Fn(T) -> Message,
) {
    while let Some(event) = from.recv().await {
        if inbox.send(message(event)).await.is_err() {
            return;
        }
    }
}

fn policy(config: &Config) -> Policy {
    Policy {
        max_associations: config.listener.max_associations,
        callers: config.callers.iter().map(Caller::rule).collect(),
        committing: config.committing().map(|d| d.ae_title.clone()).collect(),
        ..Policy::new(config.listener.ae_title.clone())
    }
}
