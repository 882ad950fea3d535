//! What a power cut, a bad disk or another version can do to the journal's files.

use std::path::Path;

use proptest::prelude::*;

use super::{
    commitments::{asking, report, reported},
    *,
};

/// The journal's file and its write-ahead log.
type Files = [Vec<u8>; 2];

fn copy(path: &Path) -> Files {
    ["", "-wal"].map(|suffix| std::fs::read(format!("{}{suffix}", path.display())).unwrap())
}

/// Opens a journal that was found as `files`.
fn found(files: &Files) -> (tempfile::TempDir, Journal, Recovery) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    for (suffix, bytes) in ["", "-wal"].into_iter().zip(files) {
        std::fs::write(format!("{}{suffix}", path.display()), bytes).unwrap();
    }
    let (journal, recovery) = Journal::open(&path).unwrap();
    (dir, journal, recovery)
}

fn load(journal: &Journal, series: &Uid) -> Result<SeriesRecord, JournalError> {
    Ok(journal.series(series)?.unwrap())
}

/// The life of one series, a durable step at a time.
fn step(journal: &Journal, number: usize) -> Option<SeriesRecord> {
    let series = uid("1.2.3");
    let object = seg(1).sop_instance;
    let advance = |next| journal.advance(&series, next, None, at(1));
    let outcome = match number {
        0 => journal.open_series(&new_series("1.2.3"), at(0)),
        1 => advance(SeriesState::Queued),
        2 => advance(SeriesState::Segmenting),
        3 => journal.record_result(&series, &json!({}), &[to_each(seg(1), &["a", "b"])], at(2)),
        4 => journal.delivery_attempted(&object, "a", Ok(()), None, at(3)),
        5 => journal.delivery_attempted(&object, "b", Err(&trouble("down")), Some(at(9)), at(4)),
        6 => journal.delivery_attempted(&object, "b", Ok(()), None, at(9)),
        7 => {
            asking(journal, "2.25.7", "a", &[1], 9);
            load(journal, &series)
        }
        8 => {
            let all = report("2.25.7", &[1], &[]);
            reported(journal, "a", &all, 9).unwrap();
            load(journal, &series)
        }
        9 => journal.reopen(&series, at(10)),
        _ => return None,
    };
    Some(outcome.unwrap())
}

#[test]
fn a_power_cut_during_a_step_leaves_the_state_before_or_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    let mut before = None;
    let mut images = 0;
    for number in 0.. {
        let [old_file, old_wal] = copy(&path);
        let Some(after) = step(&journal, number) else {
            break;
        };
        let [file, wal] = copy(&path);
        assert!(file == old_file, "a checkpoint disturbs this test");
        let (mut befores, mut afters) = (0, 0);
        let added = wal.len() - old_wal.len();
        for quarter in 0..=8 {
            let cut = old_wal.len() + added * quarter / 8;
            // What came after the cut is missing, or was allotted and never written.
            let torn = wal[..cut].to_vec();
            let mut hole = wal.clone();
            hole[cut..].fill(0);
            for wal in [torn, hole] {
                let (_dir, journal, recovery) = found(&[file.clone(), wal]);
                assert_eq!(recovery, Recovery::Opened);
                let state = journal.series(&uid("1.2.3")).unwrap();
                befores += u32::from(state == before);
                afters += u32::from(state.as_ref() == Some(&after));
                images += 1;
                assert!(
                    state == before || state.as_ref() == Some(&after),
                    "step {number}, {quarter}/8 of its log written: {state:?}"
                );
            }
        }
        assert!(
            befores > 0 && afters > 0,
            "step {number}: {befores} {afters}"
        );
        before = Some(after);
    }
    assert_eq!(images, 10 * 9 * 2);
}

#[test]
fn a_power_cut_during_a_checkpoint_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    let last = (0..).map_while(|number| step(&journal, number)).last();
    let [old, wal] = copy(&path);
    drop(journal); // checkpoints
    let mut new = std::fs::read(&path).unwrap();
    new.resize(new.len().max(old.len()), 0);
    let page = 4096;
    for written in 0..new.len() / page {
        // Only one page, or all but one, of the checkpoint reached the file.
        let range = written * page..(written + 1) * page;
        let mut one = old.clone();
        one.resize(new.len(), 0);
        one[range.clone()].copy_from_slice(&new[range.clone()]);
        let mut all_but_one = new.clone();
        match old.get(range.clone()) {
            Some(page) => all_but_one[range].copy_from_slice(page),
            None => all_but_one[range].fill(0),
        }
        for file in [one, all_but_one] {
            let (_dir, journal, recovery) = found(&[file, wal.clone()]);
            assert_eq!(recovery, Recovery::Opened);
            assert_eq!(
                journal.series(&uid("1.2.3")).unwrap(),
                last,
                "page {written}"
            );
        }
    }
}

/// A journal of many pages after a clean stop.
fn large() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    let instances: Vec<_> = (0..2000)
        .map(|number| instance(&format!("1.2.3.{number}"), Some("1.2.3")))
        .collect();
    journal.record_instances(&instances).unwrap();
    for number in 0..10 {
        step(&journal, number);
    }
    drop(journal);
    std::fs::read(path).unwrap()
}

#[test]
fn a_truncated_journal_is_set_aside_with_its_reason_and_what_can_be_read_is_kept() {
    let whole = large();
    let mut kept = 0;
    for eighth in 0..8 {
        let cut = whole.len() * eighth / 8;
        let (dir, journal, recovery) = found(&[whole[..cut].to_vec(), Vec::new()]);
        let Recovery::Rebuilt {
            set_aside,
            reason,
            series,
            instances,
        } = recovery
        else {
            panic!("{cut} bytes: {recovery:?}");
        };
        assert!(
            std::fs::read(&set_aside).unwrap() == whole[..cut],
            "changed"
        );
        let note = std::fs::read_to_string(format!("{}.txt", set_aside.display()));
        assert_eq!(note.unwrap(), format!("{reason}\n"));
        assert_eq!(set_aside.parent(), Some(dir.path()));
        assert_eq!(journal.known_instances().unwrap().len(), instances);
        assert_eq!(journal.recent(9, 0).unwrap().len(), series);
        assert!(step(&journal, 0).is_some(), "the new journal works");
        kept += instances;
    }
    assert!(kept > 0, "nothing was ever taken over");
}

#[test]
fn a_delivered_series_is_taken_over_from_a_damaged_journal_so_that_it_is_not_sent_twice() {
    let mut damaged = large();
    // Anywhere among the instances, whose rows and indices fill most of the file, by turns.
    let middle = damaged.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 16 * 4096].fill(0xA5);
    let (_dir, journal, recovery) = found(&[damaged, Vec::new()]);
    let Recovery::Rebuilt {
        series, instances, ..
    } = recovery
    else {
        panic!("{recovery:?}");
    };
    assert_eq!(series, 1);
    assert!((1000..2000).contains(&instances), "{instances} of 2000");
    let record = journal.series(&uid("1.2.3")).unwrap().unwrap();
    assert_eq!(record.revision, 2);
    let states: Vec<_> = record.destinations.iter().map(|d| d.state).collect();
    assert_eq!(states, [DeliveryState::Delivered; 2]);
    let commitment = record.destinations[0].commitment.as_ref().unwrap();
    assert_eq!(commitment.state, CommitmentState::Committed);
}

#[test]
fn a_series_whose_deliveries_were_lost_is_queued_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    for number in 0..=3 {
        step(&journal, number);
    }
    let connection = journal.connection.into_inner().unwrap();
    connection
        .execute_batch("DELETE FROM deliveries; PRAGMA user_version = 99")
        .unwrap();
    drop(connection);
    let (journal, _) = Journal::open(&path).unwrap();
    let queued = journal.in_states(&[SeriesState::Queued]).unwrap();
    assert_eq!(queued.len(), 1);
}

#[test]
fn a_rebuild_that_was_interrupted_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    // The old file was set aside, the new one not yet put in its place.
    std::fs::write(dir.path().join("journal.db.new"), large()).unwrap();
    let (journal, recovery) = Journal::open(&path).unwrap();
    assert_eq!(recovery, Recovery::Opened);
    assert_eq!(journal.known_instances().unwrap().len(), 2000);
    assert!(!dir.path().join("journal.db.new").exists());
}

#[test]
fn an_older_journal_keeps_its_series_and_becomes_a_current_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    for version in 1..schema::CURRENT {
        let _ = std::fs::remove_file(&path);
        let old = Connection::open(&path).unwrap();
        schema::create(&old, version as usize).unwrap();
        old.execute_batch(
            "INSERT INTO series (series, study, state, calling_ae, peer, modality,
                 first_received_at, last_received_at)
             VALUES ('1.2.3', '1.2', 'delivered', 'CT1', '10.0.0.5', 'CT', 0, 0)",
        )
        .unwrap();
        drop(old);
        let (journal, recovery) = Journal::open(&path).unwrap();
        assert_eq!(recovery, Recovery::Migrated { from: version });
        assert_eq!(journal.recent(9, 0).unwrap().len(), 1);
        journal.retention_clock().unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1, Recovery::Opened);
    }
}

#[test]
fn other_files_in_its_place_are_set_aside_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let newer = || {
        let (journal, _) = Journal::open(&path).unwrap();
        step(&journal, 0);
        let connection = journal.connection.into_inner().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
    };
    let foreign = || {
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE series (x)").unwrap();
    };
    let text = || std::fs::write(&path, "not a database\n".repeat(100)).unwrap();
    let cases: [(&dyn Fn(), usize); 3] = [(&newer, 1), (&foreign, 0), (&text, 0)];
    for (number, (make, expected)) in cases.into_iter().enumerate() {
        let _ = std::fs::remove_file(&path);
        make();
        let (journal, recovery) = Journal::open(&path).unwrap();
        let Recovery::Rebuilt {
            set_aside, series, ..
        } = recovery
        else {
            panic!("{recovery:?}");
        };
        let name = format!("journal.db.unusable-{}", number + 1);
        assert_eq!(set_aside, dir.path().join(name));
        assert_eq!(series, expected);
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1, Recovery::Opened);
    }
}

#[test]
fn a_journal_that_cannot_be_reached_is_an_error_and_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    std::fs::create_dir(&path).unwrap();
    let refused = Journal::open(&path).unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Service);
    assert!(path.is_dir());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_damage_makes_the_journal_unopenable(
        patches in prop::collection::vec((0.0..1.0f64, any::<[u8; 16]>()), 1..6)
    ) {
        static WHOLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(large);
        let mut damaged = WHOLE.clone();
        for (place, patch) in patches {
            let start = (place * (damaged.len() - patch.len()) as f64) as usize;
            damaged[start..start + patch.len()].copy_from_slice(&patch);
        }
        let (_dir, journal, _) = found(&[damaged, Vec::new()]);
        // Damage inside a value can only show when the value is read.
        let _ = journal.recent(10, 0);
        let _ = journal.instances_of(&uid("1.2.3"));
        prop_assert!(journal.open_series(&new_series("1.2.9"), at(0)).is_ok());
    }
}
