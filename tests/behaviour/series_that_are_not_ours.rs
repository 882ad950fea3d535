//! What an auto-pushed study carries besides: kept, ignored, and said why.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use hepar::phantom::{PhantomSpec, Region, Stacking};
use serde_json::Value;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    objects::{edit, text, write},
    pacs::Pacs,
    phantoms::{Series, small_abdomen, three_slices},
};

/// The reason why a series came to its end in `state`, in lower case.
fn reason(hepar: &Hepar, series: &str, state: &str) -> String {
    let end = hepar.wait_for_end(series);
    assert_eq!(end["state"], state, "{end}");
    end["reason"].as_str().unwrap().to_lowercase()
}

#[test]
fn other_objects_are_accepted_and_ignored_with_a_reason() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let others = [
        (uids::MR_IMAGE_STORAGE, "MR"),
        (uids::X_RAY_RADIATION_DOSE_SR_STORAGE, "SR"),
        (uids::SECONDARY_CAPTURE_IMAGE_STORAGE, "OT"),
        (uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE, "PR"),
        (uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE, "KO"),
        (uids::ENCAPSULATED_PDF_STORAGE, "DOC"),
        (uids::RAW_DATA_STORAGE, "CT"),
        (uids::SEGMENTATION_STORAGE, "SEG"),
        // A vendor's private class.
        ("1.3.12.2.1107.5.9.1", "OT"),
    ];
    let mut files = Vec::new();
    let mut series = Vec::new();
    for (number, (sop_class, modality)) in (0..).zip(others) {
        let other = write(hepar.home(), sop_class, modality, number);
        files.push(other.file);
        series.push((other.series, modality));
    }
    Modality::pynetdicom(&[])
        .send(hepar.address(), &files)
        .expect_all(files.len());

    for (uid, modality) in &series {
        let why = reason(&hepar, uid, "ignored");
        assert!(!why.is_empty(), "{modality}");
    }
    assert_eq!(pacs.ledger().len(), 0, "nothing is made of them");
}

#[test]
fn a_localizer_a_reformat_and_a_short_series_are_ignored_with_their_reason() {
    let hepar = Hepar::start();
    let image_type = |value: &'static str| {
        move |series: &Series| {
            for file in &series.files {
                edit(file, |object| {
                    object.put(text(tags::IMAGE_TYPE, VR::CS, value));
                });
            }
        }
    };
    let localizer = Series::three_slices(800);
    image_type("ORIGINAL\\PRIMARY\\LOCALIZER")(&localizer);
    let reformat = Series::small_abdomen(801);
    image_type("DERIVED\\SECONDARY\\MPR")(&reformat);
    let short = Series::of(&PhantomSpec {
        slices: 2,
        ..three_slices(802)
    });

    for (series, word) in [
        (&localizer, "localizer"),
        (&reformat, "reformatted"),
        (&short, "slices"),
    ] {
        Modality::dcmsend(&[])
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        let why = reason(&hepar, &series.uid, "ignored");
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn a_head_gets_an_answer_and_no_liver_is_claimed_without_a_warning() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let head = Series::of(&PhantomSpec {
        region: Region::Head,
        tumours: Vec::new(),
        ..small_abdomen(810)
    });
    Modality::dcmsend(&[])
        .send(hepar.address(), &head.files)
        .expect_all(head.len());
    let end = hepar.wait_for_end(&head.uid);
    match end["state"].as_str().unwrap() {
        "delivered" => {
            assert_eq!(pacs.received().len(), 1, "an empty result is a result");
            let result = format!("/series/{}/result.json", head.uid);
            let result = hepar.get(&result).unwrap().body;
            let result: Value = serde_json::from_slice(&result).unwrap();
            let gates = result["gates"].as_array().unwrap();
            let warned = gates
                .iter()
                .any(|gate| gate["code"] == "liver-volume" && gate["outcome"] != "pass");
            assert!(
                warned || end["liver_ml"].as_f64() < Some(50.0),
                "{end}\n{result}"
            );
        }
        "ignored" | "refused" => assert!(end["reason"].is_string(), "{end}"),
        state => panic!("{state}: {end}"),
    }
}

#[test]
fn a_missing_slice_is_named_by_its_neighbours() {
    let hepar = Hepar::start();
    let series = Series::of(&PhantomSpec {
        missing: vec![12],
        ..small_abdomen(820)
    });
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let end = hepar.wait_for_end(&series.uid);
    let page = hepar.get(&format!("/series/{}", series.uid)).unwrap();
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("missing between"), "{end}\n{page}");
}

#[test]
fn a_tilted_gantry_gets_an_answer() {
    let hepar = Hepar::start();
    let series = Series::of(&PhantomSpec {
        inclination: 15.0,
        stacking: Stacking::AlongTable,
        ..small_abdomen(830)
    });
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let end = hepar.wait_for_end(&series.uid);
    let page = hepar.get(&format!("/series/{}", series.uid)).unwrap();
    let page = String::from_utf8(page.body).unwrap().to_lowercase();
    assert!(page.contains("tilt"), "{end}\n{page}");
}
