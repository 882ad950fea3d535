//! The one owner of all series in work.
//!
//! A single thread takes messages, decides, and hands work to others; nothing else changes a
//! series' state while it is in work. So there is no lock to hold in the right order, and every
//! decision sees a consistent picture. It never waits for the engine or the network: what it hands
//! out comes back as a message.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use jiff::Timestamp;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::{
    engine_room::{EngineRoom, SliceOutcome},
    intake::{Intake, Taken},
    journal_outage::Outage,
    live::{Live, Trust},
    pulse::Stuck,
    reports::Reports,
    results::{ResultError, Results},
    selftest::{Occasion, SelfTests},
    waiting::Waiting,
};
use crate::{
    association,
    audit::Log,
    dicom::{Trouble, Uid},
    series::{Assembler, InstanceHeader},
    spool::{
        Source, Spooled,
        journal::{Journal, JournalError, SeriesRecord, SeriesState},
    },
    status::{self, FactsBoard, metric_names},
};

/// What happens to the appliance, in the order in which the dispatcher hears of it.
pub(super) enum Message {
    Association(association::Event),
    /// The engine passed its check, or why there is none.
    Engine(Result<Arc<EngineRoom>, Trouble>),
    Slices(SliceOutcome),
    Result {
        series: Uid,
        /// How many instances the result was made from.
        instances: usize,
        outcome: Result<SeriesState, ResultError>,
    },
    /// Somebody pressed a button on the page.
    Order(status::Request),
    /// Somebody else found that the journal cannot be written.
    JournalUnusable(JournalError),
    /// Whether messages are taken, the journal can be read, and the engine moves.
    Pulse(oneshot::Sender<Result<(), Stuck>>),
    SelfTest(Occasion),
    Stop,
}

pub(super) struct Dispatcher {
    pub intake: Intake,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
    pub audit: Log,
    pub assembler: Assembler,
    pub quiet_period: Duration,
    pub live: BTreeMap<Uid, Live>,
    pub engine: Option<Arc<EngineRoom>>,
    /// Set when the engine gave no numbers: it is then loaded and checked anew.
    pub doubted: Arc<AtomicBool>,
    /// Since when an engine that once worked is missing.
    pub lost_engine: Option<Instant>,
    pub waiting: Arc<Waiting>,
    pub results: Arc<Results>,
    /// Clones go to whoever has to report back.
    pub outbox: mpsc::Sender<Message>,
    /// Wakes the deliverers.
    pub wake: Vec<Sender<()>>,
    /// Since the journal could not be written.
    pub outage: Option<Outage>,
    pub self_tests: Arc<SelfTests>,
    pub reports: Reports,
}

/// Instances taken into the journal in one transaction at most.
const BATCH: usize = 64;

/// A job at the engine takes seconds on the slowest box. After so long it never ends, and an engine
/// that cannot be loaded again for so long needs a new process.
pub(super) const LONGEST_JOB: Duration = Duration::from_mins(10);

/// While a slice is still at the engine, the journal is not tried in a hot loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

impl Dispatcher {
    /// Runs until [`Message::Stop`], or until nobody is left to send.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Message>, runtime: &Handle) {
        self.work();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let deadline = self.deadline();
            runtime.block_on(async {
                let many = inbox.recv_many(&mut batch, BATCH);
                match deadline {
                    Some(at) => drop(timeout_at(at.into(), many).await),
                    None => drop(many.await),
                }
            });
            if batch.is_empty() && inbox.is_closed() {
                return;
            }
            let mut arrived = Vec::new();
            for message in batch.drain(..) {
                match message {
                    Message::Association(association::Event::Stored { receipt, source }) => {
                        arrived.push((receipt, source));
                    }
                    Message::Stop => return,
                    other => {
                        // What arrived before it is in the journal before it is acted on.
                        self.take_in(std::mem::take(&mut arrived));
                        self.apply(other);
                    }
                }
            }
            self.take_in(arrived);
            self.work();
            self.facts.touch();
        }
    }

    fn work(&mut self) {
        if self.outage_is_over() {
            self.complete_series();
        }
        if self.outage.is_none() {
            self.feed_engine();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if let Some(outage) = &self.outage {
            // Not before: what is due would only fail again.
            return Some(outage.retry_at().max(Instant::now() + SHORTEST_WAIT));
        }
        let retry = self.live.values().filter_map(|live| live.retry_at).min();
        self.assembler.deadline().into_iter().chain(retry).min()
    }

    fn apply(&mut self, message: Message) {
        match message {
            Message::Association(event) => self.association(event),
            Message::Engine(outcome) => self.engine_is(outcome),
            Message::Slices(outcome) => self.slices(outcome),
            Message::Result {
                series,
                instances,
                outcome,
            } => self.result(&series, instances, outcome),
            Message::Order(request) => self.ordered(request),
            Message::JournalUnusable(error) => self.journal_failed(&error),
            // Who asked may have stopped waiting.
            Message::Pulse(answer) => drop(answer.send(self.moves(Instant::now()))),
            // A series in work is worth more than a regular test.
            Message::SelfTest(Occasion::Due) if !self.live.is_empty() => {}
            Message::SelfTest(_) => self.self_tests.begin(self.engine.clone()),
            Message::Stop => {}
        }
    }

    fn take_in(&mut self, arrived: Vec<(Spooled, Source)>) {
        if arrived.is_empty() {
            return;
        }
        let outcome = self
            .intake
            .take(arrived, |series| self.live.contains_key(series))
            .and_then(|taken| {
                let mut touched = BTreeSet::new();
                for taken in taken {
                    touched.insert(taken.header.series.clone());
                    self.instance(taken)?;
                }
                self.remember_callers()?;
                touched
                    .iter()
                    .try_for_each(|series| self.note_received(series))
            });
        if let Err(error) = outcome {
            // The files are safe; the next start records them again.
            self.journal_failed(&error);
        }
    }

    /// A caller that continued a series on a later association will do so again.
    fn remember_callers(&mut self) -> Result<(), JournalError> {
        for caller in self.assembler.take_newly_learned() {
            tracing::info!(%caller, "sends series in pieces; from now on they wait for the quiet period");
            self.journal.remember_chunking(&caller)?;
            self.facts.pin(|facts| {
                facts.chunking_callers.insert(caller.to_string());
            });
        }
        Ok(())
    }

    fn note_received(&self, series: &Uid) -> Result<(), JournalError> {
        let received = self.live.get(series).map_or(0, |live| live.headers.len());
        let received = u32::try_from(received).unwrap_or(u32::MAX);
        let announced = self.assembler.announced(series);
        self.journal
            .note_received(series, received, announced, Timestamp::now())
    }

    /// A readable instance, in the journal.
    fn instance(&mut self, taken: Taken) -> Result<(), JournalError> {
        let now = Instant::now();
        let Taken {
            header,
            source,
            record,
        } = taken;
        let series = header.series.clone();
        self.assembler
            .instance(&header, source.association, &source.calling_ae, now);
        if !self.live.contains_key(&series) {
            let mut live = Live::new(Trust::New, now);
            match record {
                Some(record) if record.state != SeriesState::Receiving => {
                    for earlier in self.reopen(&record)? {
                        live.add(earlier, now);
                    }
                }
                _ => tracing::info!(%series, calling_ae = %source.calling_ae, "series opened"),
            }
            self.live.insert(series.clone(), live);
        }
        if let Some(live) = self.live.get_mut(&series) {
            metrics::histogram!(metric_names::RECEIVE_GAP)
                .record(now.duration_since(live.last_durable));
            live.add(header, now);
        }
        Ok(())
    }

    /// A late slice: the series is received again, and its next result replaces the former one.
    fn reopen(&self, record: &SeriesRecord) -> Result<Vec<InstanceHeader>, JournalError> {
        tracing::info!(series = %record.series, was = %record.state, "late instance, the series is open again");
        self.journal.reopen(&record.series, Timestamp::now())?;
        self.intake.headers_of(&record.series)
    }

    pub(super) fn engine_is(&mut self, outcome: Result<Arc<EngineRoom>, Trouble>) {
        match outcome {
            Ok(engine) => {
                self.facts
                    .pin(|facts| facts.engine = Some(Ok(engine.facts())));
                self.engine = Some(engine);
                self.lost_engine = None;
            }
            Err(reason) => {
                tracing::error!(%reason, "no engine: receiving and keeping, not segmenting");
                self.facts.pin(|facts| facts.engine = Some(Err(reason)));
            }
        }
    }

    /// Nothing more is given to this engine, until it was loaded and checked once more.
    pub(super) fn doubt_engine(&mut self, reason: &Trouble) {
        if self.engine.take().is_some() {
            tracing::error!(%reason, "the engine gives no numbers and is checked anew");
            self.lost_engine = Some(Instant::now());
            self.facts
                .pin(|facts| facts.engine = Some(Err(reason.clone())));
            self.doubted.store(true, Ordering::Release);
        }
    }

    /// Whether anything is stuck at `now` that only a restart helps.
    pub(super) fn moves(&self, now: Instant) -> Result<(), Stuck> {
        let hangs = |engine: &Arc<EngineRoom>| engine.workers.longest() > LONGEST_JOB;
        if self.journal.counts().is_err() {
            Err(Stuck::Journal)
        } else if self.engine.iter().any(hangs)
            || self
                .lost_engine
                .is_some_and(|at| now.duration_since(at) > LONGEST_JOB)
        {
            Err(Stuck::Engine)
        } else {
            Ok(())
        }
    }

    pub(super) fn wake_deliverers(&self) {
        for wake in &self.wake {
            // A full channel wakes the deliverer as well.
            let _ = wake.try_send(());
        }
    }
}
