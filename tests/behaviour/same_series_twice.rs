//! The same series again, from one scanner or from eight: one result.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    objects::{edit, text},
    pacs::Pacs,
    phantoms::Series,
};

#[test]
fn the_same_series_again_is_a_success_and_one_result() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(600);
    for scanner in [Modality::dcmsend(&[]), Modality::storescu(&[]).named("CT2")] {
        scanner
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        let end = hepar.wait_for_state(&series.uid, "delivered");
        assert_eq!(
            end["instances_received"], 24,
            "each slice counts once: {end}"
        );
    }
    // Another series afterwards: had the first one been issued again, it would have come before.
    let next = Series::small_abdomen(601);
    Modality::dcmsend(&[])
        .send(hepar.address(), &next.files)
        .expect_all(next.len());
    hepar.wait_for_state(&next.uid, "delivered");
    assert_eq!(pacs.ledger().len(), 2, "{:?}", pacs.ledger());
}

#[test]
fn the_same_series_from_eight_associations_at_once_is_one_result() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(610);
    let sendings: Vec<_> = (0..8)
        .map(|_| Modality::dcmsend(&[]).start(hepar.address(), &series.files))
        .collect();
    for sending in sendings {
        sending.finish().expect_all(series.len());
    }
    let end = hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(end["instances_received"], 24, "{end}");
    assert_eq!(pacs.received().len(), 1);
    assert_eq!(pacs.ledger().len(), 1);
}

#[test]
fn other_bytes_under_a_known_uid_do_not_replace_what_is_kept() {
    let hepar = Hepar::start();
    let series = Series::small_abdomen(620);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let before = hepar.wait_for_state(&series.uid, "delivered");

    let forged = hepar.home().join("forged.dcm");
    fs::copy(&series.files[12], &forged).unwrap();
    edit(&forged, |object| {
        object.put(text(tags::IMAGE_COMMENTS, VR::LT, "another exposure"));
    });
    let answer = Modality::dcmsend(&[]).send(hepar.address(), &[forged]);
    assert_eq!(
        answer.acknowledged, 1,
        "the scanner's queue must not stop: {answer:?}"
    );

    let log = hepar.log();
    assert!(log.contains("WARN"), "somebody may have to act: {log}");
    let after = hepar.series(&series.uid).unwrap();
    assert_eq!(after["instances_received"], 24, "{after}");
    assert_eq!(after["liver_ml"], before["liver_ml"]);

    // Nor only the log: whoever looks at the series sees which image it was.
    let page = hepar.get(&format!("/series/{}", series.uid)).unwrap().body;
    let page = String::from_utf8(page).unwrap();
    let (_, contradicted) = page.split_once("id=\"contradicted\"").expect(&page);
    let (contradicted, _) = contradicted.split_once("</section>").unwrap();
    let image = dicom_object::open_file(&series.files[12]).unwrap();
    let image = image.meta().media_storage_sop_instance_uid();
    assert!(contradicted.contains(image), "{contradicted}");
    assert!(contradicted.contains("once"), "{contradicted}");
}
