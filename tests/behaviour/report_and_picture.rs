//! Report and picture go beside the segmentation to whoever wants them and takes them.

use std::{collections::BTreeMap, fs};

use dicom_dictionary_std::uids;
use serde_json::Value;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    pacs::{Pacs, Received},
    phantoms::Series,
    place,
};

/// What a PACS holds, by SOP class: one object of each.
fn by_class(pacs: &Pacs) -> BTreeMap<String, Received> {
    let received = pacs.received();
    let count = received.len();
    let by_class: BTreeMap<String, Received> = received
        .into_iter()
        .map(|object| {
            let class = object
                .open()
                .meta()
                .media_storage_sop_class_uid()
                .to_owned();
            (class.trim_end_matches('\0').to_owned(), object)
        })
        .collect();
    assert_eq!(by_class.len(), count, "no class came twice");
    by_class
}

fn delivery<'a>(series: &'a Value, destination: &str, object: &str) -> &'a Value {
    let all = series["destinations"].as_array().unwrap();
    let wanted = |entry: &&Value| entry["name"] == destination && entry["object"] == object;
    all.iter().find(wanted).unwrap()
}

#[test]
fn every_pacs_gets_each_object_it_wants_once_and_whole() {
    let everything = ["seg", "report", "preview"];
    let (orthanc, storescp) = (Pacs::orthanc(), Pacs::storescp(&[]));
    let (pynetdicom, numbers_only) = (Pacs::pynetdicom(&[]), Pacs::pynetdicom(&[]));
    let hepar = Hepar::setup()
        .sending_to_named("orthanc", &orthanc)
        .wanting(&everything)
        .sending_to_named("storescp", &storescp)
        .wanting(&everything)
        .sending_to_named("pynetdicom", &pynetdicom)
        .wanting(&everything)
        .sending_to_named("numbers-only", &numbers_only)
        .wanting(&["report"])
        .start();
    let series = Series::small_abdomen(210);
    for _ in 0..2 {
        Modality::dcmsend(&[])
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        hepar.wait_for_state(&series.uid, "delivered");
    }

    let theirs = by_class(&pynetdicom);
    let classes: Vec<_> = theirs.keys().map(String::as_str).collect();
    let mut expected = [
        uids::SEGMENTATION_STORAGE,
        uids::COMPREHENSIVE3_DSR_STORAGE,
        uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    ];
    expected.sort_unstable();
    assert_eq!(classes, expected);
    for pacs in [&orthanc, &storescp] {
        for (class, object) in by_class(pacs) {
            assert!(object.data_set() == theirs[&class].data_set(), "{class}");
        }
    }
    let numbers = by_class(&numbers_only);
    assert_eq!(numbers.len(), 1);
    let report = &numbers[uids::COMPREHENSIVE3_DSR_STORAGE];
    assert_eq!(
        report.sop_instance(),
        theirs[uids::COMPREHENSIVE3_DSR_STORAGE].sop_instance()
    );
    assert_eq!(pynetdicom.ledger().len(), 3, "each was sent once");
    assert_eq!(numbers_only.ledger().len(), 1);

    let place = hepar.home();
    let written = |name: &str, class: &str| {
        let path = place.join(name);
        fs::write(&path, &theirs[class].bytes).unwrap();
        path
    };
    let picture = written("picture.dcm", uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
    let output = place::python("oracle/check_sc.py")
        .arg(picture)
        .arg(written("seg.dcm", uids::SEGMENTATION_STORAGE))
        .arg(series.directory())
        .output()
        .expect("the oracle starts; run tests/run once");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_pacs_that_takes_no_reports_gets_the_segmentation_and_the_page_says_so() {
    let pacs = Pacs::pynetdicom(&["--without", uids::COMPREHENSIVE3_DSR_STORAGE]);
    let hepar = Hepar::setup()
        .sending_to(&pacs)
        .wanting(&["seg", "report", "preview"])
        .start();
    let series = Series::small_abdomen(211);
    Modality::storescu(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());

    let end = hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(delivery(&end, "pacs", "seg")["state"], "delivered");
    assert_eq!(delivery(&end, "pacs", "preview")["state"], "delivered");
    let report = delivery(&end, "pacs", "report");
    assert_eq!(report["state"], "declined");
    assert_eq!(report["attempts"], 1);
    assert_eq!(pacs.received().len(), 2);
    let words = "takes no Comprehensive 3D SR Storage: class not supported";
    assert!(report["last_error"].as_str().unwrap().contains(words));
    let page = hepar.get("/").unwrap();
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains(words), "the page does not say it");
}
