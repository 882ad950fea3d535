use std::{
    cell::Cell,
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde_json::json;

use super::{files, instance, power_cut::PowerCut, scanner, spool};
use crate::{
    dicom::Uid,
    spool::{
        Arrival, Disk, RealDisk, Spool, Sweep, SweepError, Swept,
        journal::{
            Addressed, InstanceRecord, InstanceState, Journal, JournalError, ResultObject,
            SeriesState, tests::new_series,
        },
        retention::{Because, Policy},
        sweep,
    },
};

const POLICY: Policy = Policy {
    keep_delivered: Duration::from_hours(24),
    keep_failed: Duration::from_hours(72),
    keep_free: 0,
};

/// A series of one instance that has its result; with a destination, it waits for that.
fn segmented<D: Disk>(
    spool: &Spool<D>,
    journal: &Journal,
    uid: &str,
    to: &[String],
    now: Timestamp,
) -> Uid {
    let series = Uid::parse(uid).unwrap();
    let incoming = instance(&format!("{uid}.1"), b"slice");
    let receipt = spool.commit(&incoming, &scanner(1)).unwrap();
    journal
        .open_series(&new_series(series.as_str()), now)
        .unwrap();
    journal
        .record_instance(&InstanceRecord {
            sop_instance: incoming.sop_instance,
            sop_class: incoming.sop_class,
            series: Some(series.clone()),
            state: InstanceState::Kept,
            received_at: now,
            bytes: receipt.bytes_len(),
            source: scanner(1),
            header: None,
        })
        .unwrap();
    for state in [SeriesState::Queued, SeriesState::Segmenting] {
        journal.advance(&series, state, None, now).unwrap();
    }
    let object = ResultObject {
        sop_instance: Uid::derived("test", &[uid]),
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.66.4").unwrap(),
        path: spool
            .write_result(&format!("{uid}.1.seg.dcm"), b"seg")
            .unwrap(),
    };
    let result = Addressed {
        object,
        destinations: to.to_vec(),
    };
    spool
        .write_result(&format!("{uid}.1.result.json"), b"{}")
        .unwrap();
    journal
        .record_result(&series, &json!({}), &[result], now)
        .unwrap();
    series
}

/// What went, where nothing was left.
fn swept(sweep: Result<Sweep, JournalError>) -> Vec<Swept> {
    let Sweep { swept, left, .. } = sweep.unwrap();
    assert!(left.is_empty(), "{left:?}");
    swept
}

/// Keeps an object in quarantine and another one aside.
fn set_apart(spool: &Spool<RealDisk>, uid: &str) {
    let unreadable = instance(uid, b"gibberish");
    spool.commit(&unreadable, &scanner(1)).unwrap();
    spool
        .quarantine(&unreadable.sop_instance, "no rows")
        .unwrap();
    spool.commit(&instance(uid, b"slice"), &scanner(1)).unwrap();
    spool.commit(&instance(uid, b"other"), &scanner(1)).unwrap();
}

#[test]
fn a_sweep_removes_all_files_of_what_is_over_and_nothing_that_waits() {
    let (dir, spool) = spool();
    let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
    let now = Timestamp::now();
    // One UID begins like the other.
    let over = segmented(&spool, &journal, "1.2.3", &[], now);
    segmented(&spool, &journal, "1.2.3.1", &["pacs".to_owned()], now);
    let unreadable = instance("1.2.9", b"gibberish");
    spool.commit(&unreadable, &scanner(1)).unwrap();
    spool
        .quarantine(&unreadable.sop_instance, "no rows")
        .unwrap();
    let quarantine = dir.path().join("quarantine");

    let mut hours_since_start = 0;
    let mut after = |hours: u32| {
        let running = Duration::from_hours(u64::from(hours - hours_since_start));
        hours_since_start = hours;
        let then = now + SignedDuration::from_hours(i64::from(hours));
        swept(sweep(&spool, &journal, &POLICY, &[], running, then))
    };
    assert_eq!(after(0), []);
    let gone = after(25);
    assert_eq!(gone.len(), 1);
    assert_eq!((&gone[0].series, gone[0].because), (&over, Because::Age));
    assert_eq!(files(&dir.path().join("instances")), ["1.2.3.1.1.dcm"]);
    assert_eq!(
        files(&dir.path().join("results")),
        ["1.2.3.1.1.result.json", "1.2.3.1.1.seg.dcm"]
    );
    assert_eq!(files(&quarantine).len(), 2);

    assert_eq!(after(73), []);
    assert_eq!(files(&quarantine).len(), 0);
    assert_eq!(
        files(&dir.path().join("instances")).len(),
        1,
        "still unsent"
    );
    assert_eq!(
        journal.recent(9, 0).unwrap().len(),
        2,
        "both are remembered"
    );
}

#[test]
fn where_space_is_short_what_was_set_apart_goes_after_the_last_series_and_the_oldest_first() {
    let (dir, spool) = spool();
    let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
    let now = Timestamp::now();
    segmented(&spool, &journal, "1.2.3", &[], now);
    segmented(&spool, &journal, "1.2.4", &["pacs".to_owned()], now);
    set_apart(&spool, "1.2.9");
    let names = |folder| files(&dir.path().join(folder)).len();
    let sweep = |keep_free| {
        let policy = Policy {
            keep_free,
            ..POLICY
        };
        sweep(&spool, &journal, &policy, &[], Duration::ZERO, now).unwrap()
    };
    assert_eq!(sweep(0).set_apart_early, 0);
    let first = sweep(u64::MAX);
    assert_eq!((first.swept.len(), first.set_apart_early), (1, 0));
    assert_eq!((names("quarantine"), names("aside")), (2, 1));
    let second = sweep(u64::MAX);
    assert_eq!((second.swept.len(), second.set_apart_early), (0, 2));
    assert_eq!((names("quarantine"), names("aside")), (0, 0));
    assert_eq!(
        names("instances"),
        2,
        "what is not sent, and what is in use"
    );

    // Until there is enough, and never what is being written.
    set_apart(&spool, "1.2.8");
    for file in fs::read_dir(dir.path().join("quarantine")).unwrap() {
        let file = File::options().write(true).open(file.unwrap().path());
        let half_a_minute_ago = SystemTime::from(now - Duration::from_secs(30));
        file.unwrap().set_modified(half_a_minute_ago).unwrap();
    }
    let unfinished = dir.path().join("aside/1.2.7.dcm.part");
    fs::write(&unfinished, b"half").unwrap();
    let looked = Cell::new(0);
    let before = now - SignedDuration::from_mins(1);
    let (gone, removed) = spool.remove_set_apart(before, || looked.replace(looked.get() + 1) == 1);
    removed.unwrap();
    assert_eq!(gone.early, 1);
    assert_eq!(
        (names("quarantine"), names("aside")),
        (0, 2),
        "the oldest went"
    );
    assert!(gone.before > before && unfinished.exists());
}

#[test]
fn a_clock_that_jumps_a_year_ahead_removes_nothing() {
    let (dir, spool) = spool();
    let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
    let now = Timestamp::now();
    segmented(&spool, &journal, "1.2.3", &[], now);
    let hour = Duration::from_hours(1);
    let sweep = |now| swept(sweep(&spool, &journal, &POLICY, &[], hour, now));
    assert_eq!(sweep(now), []);
    assert_eq!(sweep(now + SignedDuration::from_hours(365 * 24)), []);
    assert_eq!(spool.instances().count(), 1);
}

#[test]
fn a_sweep_that_loses_power_is_done_by_the_next_and_never_touches_what_waits() {
    for operations in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
        let disk = PowerCut::after(usize::MAX, 2);
        let spool = Spool::open(Path::new("/state"), &disk).unwrap();
        let now = Timestamp::now();
        segmented(&spool, &journal, "1.2.3", &[], now);
        let waits = segmented(&spool, &journal, "1.2.4", &["pacs".to_owned()], now);
        sweep(&spool, &journal, &POLICY, &[], Duration::ZERO, now).unwrap();

        let day = Duration::from_hours(25);
        let then = now + day;
        disk.cut_after(operations);
        let first = sweep(&spool, &journal, &POLICY, &[], day, then);
        for image in disk.images() {
            let disk = PowerCut::holding(&image.into_iter().collect());
            let spool = Spool::open(Path::new("/state"), &disk).unwrap();
            let kept = journal.instances_of(&waits).unwrap();
            assert_eq!(kept.len(), 1);
            assert!(spool.read(&kept[0].sop_instance).is_ok());
        }
        if first.unwrap().left.is_empty() {
            assert!(operations > 4, "a sweep of two series takes more");
            return;
        }
        disk.restart_the_process();
        let second = swept(sweep(&spool, &journal, &POLICY, &[], Duration::ZERO, then));
        // Unless the first got as far as the journal.
        assert!(second.len() <= 1);
        let left: Vec<Uid> = spool.instances().map(|(uid, _)| uid).collect();
        assert_eq!(left, [Uid::parse("1.2.4.1").unwrap()]);
    }
}

#[test]
fn a_file_that_cannot_be_removed_keeps_no_other_series_from_going() {
    let (dir, spool) = spool();
    let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
    let now = Timestamp::now();
    let stuck = segmented(&spool, &journal, "1.2.3", &[], now);
    segmented(
        &spool,
        &journal,
        "1.2.4",
        &[],
        now + SignedDuration::from_secs(1),
    );
    let file = dir.path().join("instances/1.2.3.1.dcm");
    fs::remove_file(&file).unwrap();
    // Nothing but a directory cannot be removed by root either.
    fs::create_dir(&file).unwrap();
    let apart = dir.path().join("quarantine/sorted by hand");
    fs::create_dir(&apart).unwrap();

    let day = Duration::from_hours(100);
    let sweep = || sweep(&spool, &journal, &POLICY, &[], day, now + day);
    let Sweep { swept, left, .. } = sweep().unwrap();
    assert_eq!(swept.len(), 1);
    assert_eq!(swept[0].series.as_str(), "1.2.4");
    assert!(
        matches!(&left[..], [SweepError::Series { series, .. }] if *series == stuck),
        "{left:?}"
    );
    fs::remove_dir(&file).unwrap();
    assert_eq!(sweep().unwrap().swept.len(), 1);
    assert!(apart.exists());
}

#[test]
fn a_journal_that_cannot_be_written_does_not_keep_files_from_going() {
    let (dir, spool) = spool();
    let database = dir.path().join("journal.db");
    let (journal, _) = Journal::open(&database).unwrap();
    let now = Timestamp::now();
    segmented(&spool, &journal, "1.2.3", &[], now);
    let other = Connection::open(&database).unwrap();
    for (table, change) in [
        ("series", "UPDATE"),
        ("instances", "DELETE"),
        ("retention_clock", "INSERT"),
    ] {
        let trigger = format!(
            "CREATE TRIGGER full_{table} BEFORE {change} ON {table} \
             BEGIN SELECT RAISE(ABORT, 'full'); END"
        );
        other.execute_batch(&trigger).unwrap();
    }
    let day = Duration::from_hours(25);
    let sweep = sweep(&spool, &journal, &POLICY, &[], day, now + day).unwrap();
    assert_eq!(sweep.left.len(), 2, "{:?}", sweep.left);
    assert_eq!(spool.instances().count(), 0);
}

#[test]
fn a_series_that_is_being_sent_again_stays() {
    let (dir, spool) = spool();
    let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
    let now = Timestamp::now();
    segmented(&spool, &journal, "1.2.3", &[], now);
    let again = spool.commit(&instance("1.2.3.1", b"slice"), &scanner(2));
    assert_eq!(*again.unwrap().arrival(), Arrival::Again);
    let day = Duration::from_hours(25);
    assert_eq!(
        swept(sweep(&spool, &journal, &POLICY, &[], day, now + day)),
        []
    );
    assert_eq!(spool.instances().count(), 1);
}

#[test]
fn a_series_that_was_reopened_since_it_was_chosen_stays() {
    let (dir, spool) = spool();
    let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
    let now = Timestamp::now();
    let series = segmented(&spool, &journal, "1.2.3", &[], now);
    assert!(journal.may_be_removed(&series, &[]).unwrap());
    journal.reopen(&series, now).unwrap();
    assert!(!journal.may_be_removed(&series, &[]).unwrap());
}
