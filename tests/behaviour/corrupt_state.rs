//! A damaged state directory: it starts, keeps what can be kept, and says what it set aside.

use std::{collections::BTreeSet, fs, path::PathBuf};

use crate::harness::{
    appliance::Hepar,
    cli::hepar_in,
    figures,
    kept::{assert_kept_as_sent, instances, uid_of},
    modality::Modality,
    pacs::Pacs,
    phantoms::Series,
    small_disk::SmallDisk,
    wait_for,
};

/// An appliance that has delivered one series and was stopped.
fn stopped_after_one_series(pacs: &Pacs, seed: u64) -> (Hepar, Series) {
    let mut hepar = Hepar::setup().sending_to(pacs).start();
    let series = Series::small_abdomen(seed);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");
    hepar.terminate();
    (hepar, series)
}

fn journal(hepar: &Hepar) -> PathBuf {
    hepar.state_dir().join("journal.db")
}

#[test]
fn without_its_journal_it_knows_its_instances_from_their_files() {
    let pacs = Pacs::pynetdicom(&[]);
    let (mut hepar, series) = stopped_after_one_series(&pacs, 1100);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(hepar.state_dir().join(name));
    }
    hepar.start_again();
    let found = hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(found["instances_received"], 24, "{found}");
    // Whether it was delivered is forgotten, so it is delivered again: as the same object.
    assert_eq!(pacs.received().len(), 1);
}

#[test]
fn a_damaged_journal_is_set_aside_and_the_page_says_so() {
    let pacs = Pacs::pynetdicom(&[]);
    let (mut hepar, series) = stopped_after_one_series(&pacs, 1110);
    let mut bytes = fs::read(journal(&hepar)).unwrap();
    let half = bytes.len() / 2;
    bytes.truncate(half);
    bytes[..100].fill(0x55);
    fs::write(journal(&hepar), &bytes).unwrap();
    // What had not moved from the log into the file would heal it.
    let _ = fs::remove_file(hepar.state_dir().join("journal.db-wal"));

    hepar.start_again();
    hepar.wait_for_state(&series.uid, "delivered");
    let notices = hepar.status()["notices"].to_string();
    assert!(notices.contains("journal"), "{notices}");
    let aside = fs::read_dir(hepar.state_dir()).unwrap().any(|entry| {
        let entry = entry.unwrap();
        entry.path() != journal(&hepar)
            && entry.file_type().unwrap().is_file()
            && fs::read(entry.path()).unwrap() == bytes
    });
    assert!(
        aside,
        "the damaged journal is kept for whoever investigates"
    );
}

#[test]
fn a_damaged_instance_is_set_aside_and_the_others_are_kept() {
    let pacs = Pacs::pynetdicom(&[]);
    let (mut hepar, series) = stopped_after_one_series(&pacs, 1120);
    let files: Vec<PathBuf> = instances(hepar.state_dir()).into_values().collect();
    fs::write(&files[3], b"no DICOM at all").unwrap();
    fs::write(&files[4], b"").unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(hepar.state_dir().join(name));
    }

    hepar.start_again();
    let found = hepar.wait_for_series(&series.uid, "known again", |found| {
        found["instances_received"] == 22
    });
    assert_ne!(found["state"], "failed", "{found}");
    let apart = hepar.status()["quarantined"].clone();
    let uids: BTreeSet<_> = (0..2)
        .map(|at| apart[at]["instance"].as_str().unwrap())
        .collect();
    assert_eq!(
        uids,
        BTreeSet::from([&*uid_of(&files[3]), &*uid_of(&files[4])])
    );
    assert!(
        apart[0]["reason"].as_str().unwrap().contains("damaged"),
        "{apart}"
    );
    // The scanner may send them again.
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_series(&series.uid, "delivered whole", |found| {
        found["state"] == "delivered" && found["instances_received"] == 24
    });
    assert_kept_as_sent(hepar.state_dir(), &series.files);
}

#[test]
fn leftovers_of_a_power_cut_and_missing_directories_do_no_harm() {
    let pacs = Pacs::pynetdicom(&[]);
    let (mut hepar, series) = stopped_after_one_series(&pacs, 1130);
    let kept = instances(hepar.state_dir()).into_values().next().unwrap();
    let part = kept.with_extension("dcm.part");
    fs::write(&part, b"half of a sl").unwrap();
    fs::write(hepar.state_dir().join("stray"), b"somebody's note").unwrap();
    for name in ["aside", "quarantine"] {
        let _ = fs::remove_dir_all(hepar.state_dir().join(name));
    }
    hepar.start_again();
    let found = hepar.series(&series.uid).unwrap();
    assert_eq!(found["state"], "delivered", "{found}");
    assert!(!part.exists(), "nobody was told that it is kept");

    let next = Series::small_abdomen(1131);
    Modality::dcmsend(&[])
        .send(hepar.address(), &next.files)
        .expect_all(next.len());
    hepar.wait_for_state(&next.uid, "delivered");
    assert_eq!(pacs.received().len(), 2);
}

#[test]
fn instances_that_vanished_are_missed_on_the_page_and_come_again_without_a_second_result() {
    let pacs = Pacs::pynetdicom(&[]);
    let (mut hepar, series) = stopped_after_one_series(&pacs, 1140);
    for name in ["instances", "results"] {
        fs::remove_dir_all(hepar.state_dir().join(name)).unwrap();
    }
    hepar.start_again();
    let notices = hepar.status()["notices"].to_string();
    assert!(notices.contains("24 instances"), "{notices}");
    let before = hepar.series(&series.uid).unwrap();
    assert_eq!(before["state"], "delivered");

    // Not even all of them: had the series been opened again, its result would have a gap.
    let half = &series.files[..12];
    Modality::dcmsend(&[])
        .send(hepar.address(), half)
        .expect_all(half.len());
    assert_kept_as_sent(hepar.state_dir(), half);
    let next = Series::small_abdomen(1141);
    Modality::dcmsend(&[])
        .send(hepar.address(), &next.files)
        .expect_all(next.len());
    hepar.wait_for_state(&next.uid, "delivered");
    let after = hepar.series(&series.uid).unwrap();
    for what in ["state", "revision", "instances_received", "liver_ml"] {
        assert_eq!(after[what], before[what], "{what}");
    }
    assert_eq!(pacs.ledger().len(), 2, "{:?}", pacs.ledger());
}

#[test]
fn on_a_read_only_disk_it_says_so_and_ends_and_later_finds_everything() {
    let Some(disk) = SmallDisk::of_megabytes(48) else {
        return figures::report(
            "corrupt-state",
            "no mount allowed here; read-only disk not tried",
        );
    };
    let pacs = Pacs::pynetdicom(&[]);
    let setup = Hepar::setup().sending_to(&pacs);
    let mut hepar = setup.keeping_state_in(disk.path()).start();
    let series = Series::small_abdomen(1150);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");
    hepar.terminate();

    disk.remount("ro");
    let arguments = ["serve".as_ref(), "--config".as_ref(), hepar.config()];
    let refused = hepar_in(hepar.home(), &arguments);
    assert_eq!(refused.code, Some(74), "{}", refused.stderr);
    let words = refused.stderr.to_lowercase();
    assert!(words.contains("read-only"), "{words}");

    disk.remount("rw");
    hepar.start_again();
    assert_eq!(hepar.series(&series.uid).unwrap()["state"], "delivered");
    assert_kept_as_sent(disk.path(), &series.files);
}

/// Moves every time the journal has written down, as if the clock had been set wrong until now.
fn shift_journal(hepar: &Hepar, seconds: i64) {
    const TIMES: [(&str, &str); 7] = [
        ("series", "first_received_at"),
        ("series", "last_received_at"),
        ("series", "queued_at"),
        ("series", "finished_at"),
        ("instances", "received_at"),
        ("deliveries", "next_attempt_at"),
        ("retention_clock", "at"),
    ];
    let journal = rusqlite::Connection::open(journal(hepar)).unwrap();
    for (table, column) in TIMES {
        let shift = format!("UPDATE {table} SET {column} = {column} + ?1");
        journal.execute(&shift, [seconds * 1_000_000]).unwrap();
    }
}

#[test]
fn a_clock_that_jumps_a_year_either_way_deletes_nothing_and_delays_nothing() {
    const YEAR: i64 = 365 * 24 * 3600;
    for (seed, shift) in [(1160, YEAR), (1162, -YEAR)] {
        let mut pacs = Pacs::pynetdicom(&[]);
        let mut hepar = Hepar::setup().sending_to(&pacs).start();
        let push = |hepar: &Hepar, seed| {
            let series = Series::small_abdomen(seed);
            Modality::dcmsend(&[])
                .send(hepar.address(), &series.files)
                .expect_all(series.len());
            series
        };
        let sent = push(&hepar, seed);
        hepar.wait_for_state(&sent.uid, "delivered");
        pacs.stop();
        let unsent = push(&hepar, seed + 1);
        hepar.wait_for_series(&unsent.uid, "tried in vain", |found| {
            found["destinations"][0]["attempts"].as_u64() >= Some(1)
        });
        hepar.terminate();
        shift_journal(&hepar, shift);
        pacs.start();
        hepar.start_again();
        hepar.wait_for_state(&unsent.uid, "delivered");
        wait_for("the disk to be looked at", || {
            (hepar.status()["disk"]["total_bytes"].as_u64() > Some(0)).then_some(())
        });
        assert_kept_as_sent(hepar.state_dir(), sent.files.iter().chain(&unsent.files));
    }
}
