//! SIGTERM and SIGKILL at any moment: nothing acknowledged is lost, nothing comes out twice.

use std::{collections::BTreeSet, time::Instant};

use hepar::phantom::PhantomSpec;

use crate::harness::{
    appliance::Hepar,
    kept::assert_kept_as_sent,
    modality::Modality,
    pacs::Pacs,
    phantoms::{Series, small_abdomen},
    wire::Wire,
};

/// The PACS must hold exactly this one object, whatever happened on the way.
fn assert_delivered_once(pacs: &Pacs, expected: &str) {
    let stored: BTreeSet<_> = pacs
        .ledger()
        .iter()
        .map(|entry| entry["sop_instance"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(stored, BTreeSet::from([expected.to_owned()]));
    assert_eq!(pacs.received().len(), 1);
}

#[test]
fn killed_in_the_middle_of_an_association_it_has_what_it_acknowledged() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(400);
    let scanner = Modality::pynetdicom(&["--interval", "0.05"]);

    let sending = scanner.start(hepar.address(), &series.files);
    sending.wait_for_acknowledged(10);
    hepar.kill();
    let acknowledged = sending.acknowledged_instances();
    sending.finish();
    let told = series.files_of(&acknowledged);
    assert!(told.len() >= 10);
    assert_kept_as_sent(hepar.state_dir(), &told);

    hepar.start_again();
    // The series goes on where it was: what was acknowledged need not be sent again.
    let rest = series.files_but(&acknowledged);
    assert!(!rest.is_empty());
    Modality::dcmsend(&[])
        .send(hepar.address(), &rest)
        .expect_all(rest.len());
    let end = hepar.wait_for_series(&series.uid, "delivered whole", |found| {
        found["state"] == "delivered" && found["instances_received"] == 24
    });
    assert_eq!(end["state"], "delivered", "{end}");
    let expected = hepar.expected_result(&series);
    let last = pacs.ledger().pop().unwrap();
    assert_eq!(
        last["sop_instance"], expected,
        "the whole series is the last word"
    );
}

#[test]
fn killed_while_it_segments_it_delivers_the_same_object_once() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(410);
    let sending = Modality::pynetdicom(&[]).start(hepar.address(), &series.files);
    sending.wait_for_acknowledged(series.len());
    hepar.kill();
    assert!(
        pacs.ledger().is_empty(),
        "the kill came too late to show anything"
    );
    sending.finish();

    hepar.start_again();
    hepar.wait_for_state(&series.uid, "delivered");
    assert_delivered_once(&pacs, &hepar.expected_result(&series));
}

#[test]
fn killed_while_it_delivers_it_delivers_the_same_object_once() {
    let mut pacs = Pacs::down(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(420);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivering");
    hepar.kill();
    pacs.start();
    hepar.start_again();
    hepar.wait_for_state(&series.uid, "delivered");

    // Nor does a restart afterwards send it again: the next series' result comes next.
    hepar.kill();
    hepar.start_again();
    let next = Series::small_abdomen(421);
    Modality::dcmsend(&[])
        .send(hepar.address(), &next.files)
        .expect_all(next.len());
    hepar.wait_for_state(&next.uid, "delivered");
    let expected = hepar.expected_result(&series);
    let sent: Vec<_> = pacs.ledger();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[0]["sop_instance"], expected);
}

#[test]
fn asked_to_stop_it_finishes_what_is_in_hand_and_ends_well() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(440);
    let idle = Wire::associate(hepar.address());
    let scanner = Modality::pynetdicom(&["--interval", "0.05"]);
    let sending = scanner.start(hepar.address(), &series.files);
    sending.wait_for_acknowledged(5);

    let asked = Instant::now();
    let status = hepar.terminate();
    assert_eq!(status.code(), Some(0), "{}", hepar.log());
    assert!(
        asked.elapsed().as_secs() < 20,
        "it took {:?}",
        asked.elapsed()
    );
    let acknowledged = sending.acknowledged_instances();
    sending.finish();
    drop(idle);

    hepar.start_again();
    let found = hepar.wait_for_series(&series.uid, "known again", |found| {
        found["instances_received"].as_u64() >= Some(acknowledged.len() as u64)
    });
    assert!(
        found["instances_received"].as_u64().unwrap() < 24,
        "{found}"
    );
}

#[test]
fn stopped_before_anything_came_it_ends_well() {
    let mut hepar = Hepar::start();
    assert_eq!(hepar.terminate().code(), Some(0), "{}", hepar.log());
}

#[test]
fn a_series_whose_segmentation_ended_the_process_twice_is_failed_and_the_next_is_served() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    // Long enough for each start to be caught in the middle of it.
    let poison = Series::of(&PhantomSpec {
        slices: 90,
        slice_spacing: 2.0,
        ..small_abdomen(450)
    });
    let sending = Modality::pynetdicom(&[]).start(hepar.address(), &poison.files);
    sending.wait_for_acknowledged(poison.len());
    hepar.kill();
    sending.finish().expect_all(poison.len());
    // The first kill may already have come while it was segmented.
    let mut starts = 0;
    let failed = loop {
        starts += 1;
        assert!(starts <= 3, "it is begun again and again");
        hepar.start_again();
        let found = hepar.wait_for_series(&poison.uid, "segmenting or failed", |found| {
            ["segmenting", "failed"].contains(&found["state"].as_str().unwrap())
        });
        if found["state"] == "failed" {
            break found;
        }
        hepar.kill();
    };
    let why = failed["reason"].as_str().unwrap();
    assert_eq!(why, "segmenting it ended the process 2 times");
    let next = Series::small_abdomen(451);
    Modality::dcmsend(&[])
        .send(hepar.address(), &next.files)
        .expect_all(next.len());
    hepar.wait_for_state(&next.uid, "delivered");
    assert_eq!(pacs.ledger().len(), 1);
}
