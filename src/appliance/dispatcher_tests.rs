//! What the owner of all series in work does with what comes back to it, one step at a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::task::TaskTracker;

use super::{
    dispatcher::{Dispatcher, LONGEST_JOB, Message},
    engine_room::{EngineRoom, SliceOutcome},
    equipment,
    intake::Intake,
    live::{Live, Trust},
    pulse::Stuck,
    reports::Reports,
    results::{ResultError, Results},
    selftest::SelfTests,
    waiting::Waiting,
};
use crate::{
    audit::tests::trail_in,
    config::Config,
    dicom::{Trouble, TroubleKind, Uid},
    engine::{EngineOptions, testing},
    series::{
        Assembler, Evidence, InstanceHeader,
        sample::{Sample, series},
    },
    spool::{
        RealDisk, Spool,
        journal::{Journal, SeriesRecord, SeriesState, tests::new_series},
    },
    status::FactsBoard,
};

const QUIET: Duration = Duration::from_secs(1);

/// A dispatcher with an engine, and another hand on its journal.
struct Stage {
    dispatcher: Dispatcher,
    series: Uid,
    journal_file: Connection,
    _inbox: mpsc::Receiver<Message>,
    _runtime: Runtime,
    _home: TempDir,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let database = home.path().join("journal.db");
        let (journal, _) = Journal::open(&database).unwrap();
        let journal = Arc::new(journal);
        let spool = Arc::new(Spool::open(home.path(), RealDisk).unwrap());
        let facts = Arc::new(FactsBoard::default());
        let config = Arc::new(Config::default());
        let audit = trail_in(home.path());
        let options = EngineOptions {
            workers: 1,
            ..EngineOptions::default()
        };
        let engine = EngineRoom::open(testing::bundle(), &options, Arc::clone(&spool)).unwrap();
        let (outbox, inbox) = mpsc::channel(64);
        let tracker = TaskTracker::new();
        let equipment = || equipment(home.path());
        let dispatcher = Dispatcher {
            intake: Intake {
                spool: Arc::clone(&spool),
                journal: Arc::clone(&journal),
                facts: Arc::clone(&facts),
            },
            journal: Arc::clone(&journal),
            facts: Arc::clone(&facts),
            audit,
            assembler: Assembler::new(QUIET, []),
            quiet_period: QUIET,
            live: BTreeMap::new(),
            engine: Some(Arc::new(engine)),
            doubted: Arc::default(),
            lost_engine: None,
            waiting: Arc::new(Waiting::new(Arc::clone(&spool), 1 << 20)),
            results: Arc::new(Results {
                spool,
                journal: Arc::clone(&journal),
                config: Arc::clone(&config),
                equipment: equipment(),
                tracker: tracker.clone(),
                runtime: runtime.handle().clone(),
            }),
            outbox,
            wake: Vec::new(),
            outage: None,
            self_tests: SelfTests::new(home.path(), equipment(), &facts, &tracker),
            reports: Reports::new(&config, &journal, &facts),
        };
        let mut stage = Self {
            dispatcher,
            series: Uid::parse("1.2.3.4").unwrap(),
            journal_file: Connection::open(&database).unwrap(),
            _inbox: inbox,
            _runtime: runtime,
            _home: home,
        };
        stage.complete_series();
        stage
    }

    /// Twelve slices, all there, that wait to be segmented.
    fn complete_series(&mut self) {
        let now = Timestamp::now();
        let journal = &self.dispatcher.journal;
        journal.open_series(&new_series("1.2.3.4"), now).unwrap();
        journal
            .advance(&self.series, SeriesState::Queued, None, now)
            .unwrap();
        let mut live = Live::new(Trust::TakenUp, Instant::now());
        for header in slices(1..=12) {
            live.add(header, Instant::now());
        }
        live.completed = Some(Evidence::Quiet);
        self.dispatcher.live.insert(self.series.clone(), live);
    }

    /// As if every slice had been through the engine, and the result were being made.
    fn segmenting(&mut self) {
        self.dispatcher
            .journal
            .advance(
                &self.series,
                SeriesState::Segmenting,
                None,
                Timestamp::now(),
            )
            .unwrap();
        let live = self.live();
        live.to_encode.clear();
        live.segmenting = true;
        live.making_result = true;
    }

    fn live(&mut self) -> &mut Live {
        self.dispatcher.live.get_mut(&self.series).unwrap()
    }

    fn record(&self) -> SeriesRecord {
        let found = self.dispatcher.journal.series(&self.series);
        found.unwrap().unwrap()
    }

    fn ended(&mut self, instances: usize, error: ResultError) {
        let series = self.series.clone();
        self.dispatcher.result(&series, instances, Err(error));
    }
}

fn slices(numbers: std::ops::RangeInclusive<i32>) -> Vec<InstanceHeader> {
    series(numbers.map(Sample::slice))
}

fn not_computed() -> ResultError {
    ResultError::NotComputed(Trouble::new(TroubleKind::Engine, "not finite"))
}

#[test]
fn a_series_that_the_journal_does_not_take_waits_until_it_does() {
    let mut stage = Stage::new();
    stage
        .journal_file
        .execute_batch(
            "CREATE TRIGGER full BEFORE UPDATE ON series BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
    stage.dispatcher.feed_engine();
    assert!(stage.dispatcher.outage.is_some());
    assert!(!stage.live().segmenting);
    assert_eq!(stage.record().state, SeriesState::Queued);

    stage
        .journal_file
        .execute_batch("DROP TRIGGER full")
        .unwrap();
    stage.dispatcher.feed_engine();
    assert!(stage.live().segmenting);
    assert_eq!(stage.record().state, SeriesState::Segmenting);
}

#[test]
fn slices_that_came_while_a_result_failed_are_not_forgotten() {
    let mut stage = Stage::new();
    stage.segmenting();
    for late in slices(13..=14) {
        stage.live().add(late, Instant::now());
    }
    stage.ended(12, ResultError::Panicked);
    assert_eq!(stage.record().state, SeriesState::Receiving);
    assert_eq!(stage.live().headers.len(), 14);
    // Without late slices it is the end.
    let mut stage = Stage::new();
    stage.segmenting();
    stage.ended(12, ResultError::Panicked);
    assert_eq!(stage.record().state, SeriesState::Failed);
    assert!(stage.dispatcher.live.is_empty());
}

#[test]
fn what_comes_for_an_earlier_life_of_a_series_is_not_counted() {
    let mut stage = Stage::new();
    let earlier = stage.live().number;
    let anew = Live::new(Trust::New, Instant::now());
    let number = anew.number;
    stage.dispatcher.live.insert(stage.series.clone(), anew);
    stage.live().in_flight = 1;
    let outcome = |number| SliceOutcome {
        series: Uid::parse("1.2.3.4").unwrap(),
        number,
        sop_instance: Uid::parse("1.2.3.4.1001").unwrap(),
        slices: Ok(Vec::new()),
    };
    stage.dispatcher.slices(outcome(earlier));
    assert_eq!(stage.live().in_flight, 1);
    stage.dispatcher.slices(outcome(number));
    assert_eq!(stage.live().in_flight, 0);
}

#[test]
fn an_engine_that_gives_no_numbers_is_checked_and_its_series_gets_one_more_chance() {
    let mut stage = Stage::new();
    stage.segmenting();
    stage.ended(12, not_computed());
    let dispatcher = &stage.dispatcher;
    assert!(dispatcher.engine.is_none() && dispatcher.doubted.load(Ordering::Acquire));
    assert!(matches!(dispatcher.facts.read().engine, Some(Err(_))));
    assert_eq!(stage.record().state, SeriesState::Queued);
    assert_eq!(stage.live().to_encode.len(), 12, "all of it once more");
    assert!(stage.live().waits_to_begin());

    stage.segmenting();
    stage.ended(12, not_computed());
    assert_eq!(stage.record().state, SeriesState::Failed);
}

#[test]
fn only_an_engine_that_stays_away_is_stuck_and_a_journal_that_cannot_be_read_at_once() {
    let mut stage = Stage::new();
    let (now, late) = (Instant::now(), Instant::now() + 2 * LONGEST_JOB);
    let engine = stage.dispatcher.engine.clone().unwrap();
    stage.dispatcher.moves(late).unwrap();
    stage.segmenting();
    stage.ended(12, not_computed());
    stage.dispatcher.moves(now).unwrap();
    assert!(matches!(stage.dispatcher.moves(late), Err(Stuck::Engine)));
    // Loading it was tried in vain, then it came back.
    let reason = Trouble::new(TroubleKind::Engine, "no device");
    stage.dispatcher.engine_is(Err(reason));
    assert!(matches!(stage.dispatcher.moves(late), Err(Stuck::Engine)));
    stage.dispatcher.engine_is(Ok(engine));
    stage.dispatcher.moves(late).unwrap();

    stage
        .journal_file
        .execute_batch("DROP TABLE series_counts")
        .unwrap();
    assert!(matches!(stage.dispatcher.moves(now), Err(Stuck::Journal)));
}
