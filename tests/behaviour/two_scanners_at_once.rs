//! Series that arrive interleaved stay apart.

use crate::harness::{appliance::Hepar, modality::Modality, pacs::Pacs, phantoms::Series};

#[test]
fn two_scanners_at_once_get_a_result_each() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let all = [Series::small_abdomen(500), Series::small_abdomen(501)];
    let sendings: Vec<_> = ["CT1", "CT2"]
        .iter()
        .zip(&all)
        .map(|(name, series)| {
            let scanner = Modality::pynetdicom(&["--interval", "0.05"]).named(name);
            scanner.start(hepar.address(), &series.files)
        })
        .collect();
    for sending in sendings {
        sending.finish().expect_all(24);
    }
    for (name, series) in ["CT1", "CT2"].iter().zip(&all) {
        let end = hepar.wait_for_state(&series.uid, "delivered");
        assert_eq!(end["calling_ae"], *name);
        assert_eq!(end["instances_received"], 24, "{end}");
    }
    assert_eq!(pacs.received().len(), 2);
}

#[test]
fn two_series_interleaved_on_one_association_get_a_result_each() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let all = [Series::small_abdomen(510), Series::small_abdomen(511)];
    let files: Vec<_> = all[0]
        .files
        .iter()
        .zip(&all[1].files)
        .flat_map(|(a, b)| [a.clone(), b.clone()])
        .collect();
    Modality::dcmsend(&[])
        .send(hepar.address(), &files)
        .expect_all(files.len());
    for series in &all {
        let end = hepar.wait_for_state(&series.uid, "delivered");
        assert_eq!(end["instances_received"], 24, "{end}");
    }
    assert_eq!(pacs.received().len(), 2);
}

#[test]
fn eight_senders_at_once_are_all_served() {
    let hepar = Hepar::start();
    let all: Vec<Series> = (520..528).map(Series::three_slices).collect();
    let sendings: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(number, series)| {
            let scanner = Modality::dcmsend(&[]).named(&format!("CT{number}"));
            scanner.start(hepar.address(), &series.files)
        })
        .collect();
    for sending in sendings {
        sending.finish().expect_all(3);
    }
    for series in &all {
        assert_eq!(hepar.wait_for_end(&series.uid)["instances_received"], 3);
    }
}
