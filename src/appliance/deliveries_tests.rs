//! What a PACS is sent while the journal takes nothing or delivering crashes, seen from the PACS.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crossbeam_channel::bounded;
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    deliveries::{Deliverer, Unrecorded},
    reports::Reports,
    station::Station,
};
use crate::{
    association::Event,
    audit::tests::trail_in,
    config::Config,
    deliver::Destination,
    dicom::{AeTitle, Uid},
    series::sample::Sample,
    spool::journal::{
        Addressed, Journal, JournalError, ResultObject, SeriesState, tests::segmenting,
    },
    status::FactsBoard,
};

/// Longer than an association on loopback can take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two objects wait for a PACS that takes everything; there is another hand on the journal.
struct Stage {
    deliverer: Deliverer,
    unrecorded: Unrecorded,
    series: Uid,
    journal_file: Connection,
    pacs: Station,
    runtime: Runtime,
    _home: TempDir,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let title = AeTitle::parse("PACS").unwrap();
        let pacs = runtime.block_on(Station::start(&home.path().join("pacs"), title.clone()));
        let pacs = pacs.unwrap();
        let database = home.path().join("journal.db");
        let (journal, _) = Journal::open(&database).unwrap();
        journal.begin_run("boot").unwrap();
        let series = segmenting(&journal, "1.2.3.4");
        let objects = [1, 2].map(|number| {
            let sample = Sample::slice(number);
            let path = home.path().join(format!("{number}.dcm"));
            fs::write(&path, sample.file()).unwrap();
            Addressed {
                object: ResultObject {
                    sop_instance: sample.sop_instance(),
                    sop_class: Uid::parse(sample.sop_class).unwrap(),
                    path,
                },
                destinations: vec!["pacs".to_owned()],
            }
        });
        journal
            .record_result(&series, &json!({}), &objects, Timestamp::now())
            .unwrap();
        let (journal, facts) = (Arc::new(journal), Arc::new(FactsBoard::default()));
        let audit = trail_in(home.path());
        let calling = AeTitle::parse("HEPAR").unwrap();
        let address = pacs.address.to_string();
        Self {
            deliverer: Deliverer {
                destination: Destination::new("pacs", title, &address, calling),
                reports: Reports::new(&Config::default(), &journal, &facts),
                journal,
                facts,
                audit,
                stop: CancellationToken::new(),
            },
            unrecorded: None,
            series,
            journal_file: Connection::open(&database).unwrap(),
            pacs,
            runtime,
            _home: home,
        }
    }

    fn deliver(&mut self) -> Result<(), JournalError> {
        let mut rng = StdRng::seed_from_u64(1);
        self.deliverer
            .deliver_what_is_due(&mut self.unrecorded, &mut rng)
    }

    /// What came over the next association that the PACS has not told of yet.
    fn arrived(&mut self) -> Vec<String> {
        let mut stored = Vec::new();
        loop {
            let next = async { timeout(PATIENCE, self.pacs.next()).await };
            let event = self.runtime.block_on(next);
            match event.expect("an association").expect("a PACS") {
                Event::Stored { receipt, .. } => stored.push(receipt.sop_instance().to_string()),
                Event::Ended { .. } => return stored,
                _ => {}
            }
        }
    }

    /// From now on the journal refuses to change rows of this table.
    fn refuse(&self, table: &str) {
        let trigger = format!(
            "CREATE TRIGGER full BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
        );
        self.journal_file.execute_batch(&trigger).unwrap();
    }

    fn take_again(&self) {
        self.journal_file
            .execute_batch("DROP TRIGGER full")
            .unwrap();
    }

    fn state(&self) -> SeriesState {
        let found = self.deliverer.journal.series(&self.series);
        found.unwrap().unwrap().state
    }
}

#[test]
fn nothing_is_sent_that_cannot_be_recorded() {
    let mut stage = Stage::new();
    stage.refuse("run");
    stage.deliver().unwrap_err();
    stage.take_again();
    stage.deliver().unwrap();
    // The first association that the PACS heard of is the only one.
    assert_eq!(stage.arrived(), ["1.2.3.4.1001", "1.2.3.4.1002"]);
    assert_eq!(stage.state(), SeriesState::Delivered);
}

#[test]
fn what_was_sent_and_could_not_be_recorded_is_recorded_later_and_not_sent_again() {
    let mut stage = Stage::new();
    stage.refuse("deliveries");
    stage.deliver().unwrap_err();
    assert_eq!(stage.arrived(), ["1.2.3.4.1001"], "the second waits");
    stage.deliver().unwrap_err();
    assert_eq!(stage.state(), SeriesState::Delivering);
    stage.take_again();
    stage.deliver().unwrap();
    assert_eq!(stage.arrived(), ["1.2.3.4.1002"]);
    assert_eq!(stage.state(), SeriesState::Delivered);
}

#[test]
fn a_crash_ends_no_destination() {
    let mut stage = Stage::new();
    stage.deliverer.destination.commitment = Some(PATIENCE);
    stage.deliver().unwrap();
    assert_eq!(stage.arrived().len(), 2);
    // Asking to commit to the two crashes: no clock goes on for so long.
    stage.deliverer.destination.timeouts.connect = Duration::MAX;
    let mut rng = StdRng::seed_from_u64(1);
    let deliverer = &stage.deliverer;
    catch_unwind(AssertUnwindSafe(|| deliverer.ask_to_commit(&mut rng))).unwrap_err();
    let (still_there, wake) = bounded(0);
    drop(still_there);
    stage.deliverer.run(wake);
}
