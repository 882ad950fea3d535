//! A damaged state directory: it starts, keeps what can be kept, and says what it set aside.

use std::{fs, path::PathBuf};

use crate::harness::{
    appliance::Hepar,
    kept::{assert_kept_as_sent, instances},
    modality::Modality,
    pacs::Pacs,
    phantoms::Series,
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
