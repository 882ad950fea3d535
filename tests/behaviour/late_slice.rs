//! A slice that comes late re-opens its series, and the result is issued again.

use dicom_dictionary_std::tags;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    pacs::{Pacs, Received},
    phantoms::Series,
};

fn number(object: &Received, tag: dicom_core::Tag) -> i32 {
    object.open().element(tag).unwrap().to_int().unwrap()
}

fn series_of(object: &Received) -> String {
    let object = object.open();
    object
        .element(tags::SERIES_INSTANCE_UID)
        .unwrap()
        .to_str()
        .unwrap()
        .into_owned()
}

#[test]
fn a_late_slice_gives_a_new_instance_in_the_same_series() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(700);
    let (late, most) = series.files.split_last().unwrap();

    let scanner = Modality::pynetdicom(&[]);
    scanner.send(hepar.address(), most).expect_all(most.len());
    hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(pacs.received().len(), 1);

    scanner
        .send(hepar.address(), std::slice::from_ref(late))
        .expect_all(1);
    hepar.wait_for_series(&series.uid, "delivered again", |found| {
        found["state"] == "delivered"
            && found["instances_received"] == 24
            && pacs.received().len() == 2
    });

    let ledger = pacs.ledger();
    let received = pacs.received();
    let [first, second] = [0, 1].map(|turn| {
        let wanted = &ledger[turn]["sop_instance"];
        received
            .iter()
            .find(|object| *wanted == object.sop_instance())
            .unwrap()
    });
    assert_ne!(first.sop_instance(), second.sop_instance());
    assert_eq!(series_of(first), series_of(second));
    assert_eq!(
        number(second, tags::INSTANCE_NUMBER),
        number(first, tags::INSTANCE_NUMBER) + 1
    );
}

#[test]
fn a_pause_longer_than_the_quiet_period_costs_no_slice() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(710);
    // Every other slice first: no gap-free stack, so that only the quiet period can end it.
    let (even, odd): (Vec<_>, Vec<_>) = series
        .files
        .iter()
        .cloned()
        .enumerate()
        .partition(|(i, _)| i % 2 == 0);
    let files = |part: Vec<(usize, std::path::PathBuf)>| {
        part.into_iter().map(|(_, file)| file).collect::<Vec<_>>()
    };
    let (even, odd) = (files(even), files(odd));

    let scanner = Modality::dcmsend(&[]);
    scanner.send(hepar.address(), &even).expect_all(12);
    hepar.wait_for_end(&series.uid);
    scanner.send(hepar.address(), &odd).expect_all(12);
    let end = hepar.wait_for_series(&series.uid, "delivered whole", |found| {
        found["state"] == "delivered" && found["instances_received"] == 24
    });
    assert!(end["liver_ml"].as_f64().unwrap() > 0.0);
}
