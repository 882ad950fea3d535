//! A PACS that is down, full, picky or rude gets the result once, when it can take it.

use std::fs;

use serde_json::Value;

use crate::harness::{appliance::Hepar, modality::Modality, pacs::Pacs, phantoms::Series};

/// Pushes a series that gives a result, and returns it once `hepar` has all of it.
fn push(hepar: &Hepar, seed: u64) -> Series {
    let series = Series::small_abdomen(seed);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    series
}

/// Waits until a delivery of the series has failed at least once, and returns why.
fn first_failure(hepar: &Hepar, series: &Series, destination: &str) -> String {
    let entry = |found: &Value| {
        let all = found["destinations"].as_array().unwrap();
        all.iter()
            .find(|entry| entry["name"] == destination)
            .cloned()
    };
    let found = hepar.wait_for_series(&series.uid, "tried and not delivered", |found| {
        entry(found).is_some_and(|entry| entry["last_error"].is_string())
    });
    entry(&found).unwrap()["last_error"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_result_waits_for_a_pacs_that_is_down_and_reaches_it_once() {
    let mut pacs = Pacs::down(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = push(&hepar, 300);

    let why = first_failure(&hepar, &series, "pacs");
    assert!(why.contains("reach"), "{why}");
    let waiting = hepar.series(&series.uid).unwrap();
    assert_eq!(waiting["state"], "delivering");
    assert_eq!(
        hepar.get("/readyz").unwrap().status,
        200,
        "scanners are still served"
    );

    pacs.start();
    hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(pacs.ledger().len(), 1, "it came once");
    assert_eq!(pacs.received().len(), 1);
}

#[test]
fn what_waits_for_a_destination_that_was_renamed_goes_to_the_new_one() {
    let mut pacs = Pacs::down(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = push(&hepar, 301);
    first_failure(&hepar, &series, "pacs");
    hepar.terminate();
    let text = fs::read_to_string(hepar.config()).unwrap();
    let renamed = text.replace("name = \"pacs\"", "name = \"archive\"");
    assert_ne!(text, renamed);
    fs::write(hepar.config(), renamed).unwrap();

    pacs.start();
    hepar.start_again();
    let end = hepar.wait_for_state(&series.uid, "delivered");
    let destinations = end["destinations"].as_array().unwrap();
    assert_eq!(destinations.len(), 1, "{end}");
    assert_eq!(destinations[0]["name"], "archive");
    assert_eq!(pacs.ledger().len(), 1);
    assert_eq!(pacs.received().len(), 1);
}

#[test]
fn a_pacs_that_is_full_or_hangs_up_is_tried_again_with_the_same_object() {
    let pacs = Pacs::pynetdicom(&["--script", "A700,abort,0000"]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = push(&hepar, 310);

    let why = first_failure(&hepar, &series, "pacs");
    assert!(why.contains("A700"), "{why}");
    hepar.wait_for_state(&series.uid, "delivered");
    let ledger = pacs.ledger();
    assert_eq!(ledger.len(), 3, "{ledger:?}");
    for entry in &ledger {
        assert_eq!(entry["sop_instance"], ledger[0]["sop_instance"]);
    }
    let associations: Vec<_> = ledger.iter().map(|entry| &entry["association"]).collect();
    assert!(
        associations[1] != associations[2],
        "after an abort, a new association"
    );
}

#[test]
fn a_warning_counts_as_delivered() {
    // A duplicate, coerced elements, and a data set that does not match its class.
    for (seed, warning) in [(320, "0111"), (321, "B000"), (322, "B007")] {
        let pacs = Pacs::pynetdicom(&["--script", warning]);
        let hepar = Hepar::setup().sending_to(&pacs).start();
        let series = push(&hepar, seed);
        hepar.wait_for_state(&series.uid, "delivered");
        assert_eq!(pacs.ledger().len(), 1, "{warning} is not tried again");
    }
}

#[test]
fn each_way_to_refuse_is_told_apart() {
    let peers = [
        (
            "rejects",
            Pacs::pynetdicom(&["--reject"]),
            "refused the association",
        ),
        (
            "no-seg",
            Pacs::pynetdicom(&["--no-seg"]),
            "takes no Segmentation",
        ),
        (
            "cannot",
            Pacs::pynetdicom(&["--script", "C000,C000,C000,C000"]),
            "C000",
        ),
        ("aborts", Pacs::storescp(&["--abort-after"]), "abort"),
        ("aborts-early", Pacs::storescp(&["--abort-during"]), "abort"),
        (
            "refuses",
            Pacs::storescp(&["--refuse"]),
            "refused the association",
        ),
        ("fine", Pacs::storescp(&[]), ""),
    ];
    let setup = peers.iter().fold(Hepar::setup(), |setup, (name, pacs, _)| {
        setup.sending_to_named(name, pacs)
    });
    let hepar = setup.start();
    let series = push(&hepar, 330);

    for (name, _, words) in &peers[..6] {
        let why = first_failure(&hepar, &series, name);
        assert!(
            why.to_lowercase().contains(&words.to_lowercase()),
            "{name}: {why}"
        );
    }
    // The rude ones keep nobody from getting it.
    let (_, fine, _) = &peers[6];
    fine.wait_for_received(1);
}

#[test]
fn a_pacs_that_never_answers_does_not_keep_another_waiting() {
    let silent = Pacs::pynetdicom(&["--script", "stall"]);
    let quick = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup()
        .sending_to_named("silent", &silent)
        .sending_to_named("quick", &quick)
        .start();
    let series = push(&hepar, 340);
    quick.wait_for_received(1);
    let next = push(&hepar, 341);
    quick.wait_for_received(2);
    for series in [series, next] {
        assert_eq!(hepar.series(&series.uid).unwrap()["state"], "delivering");
    }
}

#[test]
fn what_waits_survives_a_restart() {
    let mut pacs = Pacs::down(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = push(&hepar, 350);
    first_failure(&hepar, &series, "pacs");

    hepar.kill();
    pacs.start();
    hepar.start_again();
    hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(pacs.ledger().len(), 1);
}
