//! The SEG arrives at any PACS, whole and the same everywhere.

use dicom_dictionary_std::{tags, uids};
use dicom_object::DefaultDicomObject;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    pacs::{Pacs, Received},
    phantoms::Series,
};

fn text(object: &DefaultDicomObject, tag: dicom_core::Tag) -> String {
    let element = object.element(tag).unwrap();
    element
        .to_str()
        .unwrap()
        .trim_end_matches(['\0', ' '])
        .to_owned()
}

#[test]
fn one_result_reaches_every_kind_of_pacs_whole() {
    let peers = [
        ("storescp-4096", Pacs::storescp(&["--max-pdu", "4096"])),
        ("storescp-131072", Pacs::storescp(&["--max-pdu", "131072"])),
        ("pynetdicom-4096", Pacs::pynetdicom(&["--max-pdu", "4096"])),
        ("pynetdicom-any", Pacs::pynetdicom(&["--max-pdu", "0"])),
        ("implicit-only", Pacs::pynetdicom(&["--implicit-only"])),
        ("orthanc", Pacs::orthanc()),
    ];
    let setup = peers.iter().fold(Hepar::setup(), |setup, (name, pacs)| {
        setup.sending_to_named(name, pacs)
    });
    let hepar = setup.start();
    let series = Series::small_abdomen(200);

    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let end = hepar.wait_for_state(&series.uid, "delivered");
    let destinations = end["destinations"].as_array().unwrap();
    assert_eq!(destinations.len(), peers.len());
    for destination in destinations {
        assert_eq!(destination["state"], "delivered", "{destination}");
        assert_eq!(destination["attempts"], 1, "{destination}");
    }

    let page = hepar
        .get(&format!("/series/{}/seg.dcm", series.uid))
        .unwrap();
    let ours = Received { bytes: page.body }.data_set();
    for (name, pacs) in &peers {
        let received = pacs.received();
        assert_eq!(received.len(), 1, "{name} holds one object");
        let class = text(&received[0].open(), tags::SOP_CLASS_UID);
        assert_eq!(class, uids::SEGMENTATION_STORAGE);
        assert!(
            received[0].data_set() == ours,
            "{name} holds another data set than the page"
        );
    }
}

const DEFLATED: &str = "deflate = true\n";

#[test]
fn a_result_goes_deflated_where_that_is_asked_for_and_taken() {
    let takes_it = Pacs::storescp(&["--prefer-deflated"]);
    let (does_not, archive) = (Pacs::storescp(&[]), Pacs::orthanc());
    let hepar = Hepar::setup()
        .sending_to_with("takes it", &takes_it, DEFLATED)
        .sending_to_with("does not", &does_not, DEFLATED)
        .sending_to_with("archive", &archive, DEFLATED)
        .start();
    let series = Series::small_abdomen(202);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");

    let page = hepar.get(&format!("/series/{}/seg.dcm", series.uid));
    let ours = Received {
        bytes: page.unwrap().body,
    };
    for (pacs, syntax) in [
        (&takes_it, uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
        (&does_not, uids::EXPLICIT_VR_LITTLE_ENDIAN),
        (&archive, uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
    ] {
        let received = &pacs.received()[0];
        let object = received.open();
        assert_eq!(object.meta().transfer_syntax(), syntax);
        assert!(
            received.data_set() == ours.data_set(),
            "another object than the page's"
        );
    }
    // An archive may write what it keeps anew.
    let [sent, whole] = [&takes_it.received()[0], &ours].map(|it| it.bytes.len());
    assert!(sent < whole / 5, "{sent} of {whole} bytes");
}

#[test]
fn the_result_belongs_to_the_study_and_frame_of_reference_of_its_series() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(201);
    Modality::storescu(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());

    let received = pacs.wait_for_received(1);
    let seg = received[0].open();
    let slice = dicom_object::open_file(&series.files[0]).unwrap();
    for tag in [
        tags::STUDY_INSTANCE_UID,
        tags::FRAME_OF_REFERENCE_UID,
        tags::PATIENT_ID,
        tags::PATIENT_NAME,
    ] {
        assert_eq!(text(&seg, tag), text(&slice, tag), "{tag}");
    }
    assert_ne!(text(&seg, tags::SERIES_INSTANCE_UID), series.uid);
    let referenced = seg.element(tags::REFERENCED_SERIES_SEQUENCE).unwrap();
    let item = &referenced.items().unwrap()[0];
    let uid = item.element(tags::SERIES_INSTANCE_UID).unwrap();
    assert_eq!(uid.to_str().unwrap().trim_end_matches('\0'), series.uid);

    let end = hepar.wait_for_state(&series.uid, "delivered");
    assert!(end["liver_ml"].as_f64().unwrap() > 0.0, "{end}");
    assert_eq!(pacs.ledger().len(), 1, "it was sent once");
}

#[test]
fn with_no_destination_the_result_is_kept_for_the_page() {
    let hepar = Hepar::start();
    let series = Series::small_abdomen(202);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let end = hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(end["destinations"].as_array().unwrap().len(), 0);
    for name in ["seg.dcm", "result.json"] {
        let answer = hepar
            .get(&format!("/series/{}/{name}", series.uid))
            .unwrap();
        assert_eq!(answer.status, 200, "{name}");
    }
    let absent = hepar.get("/series/1.2.3/seg.dcm").unwrap();
    assert_eq!(absent.status, 404);
}

#[test]
fn a_scanner_with_destinations_of_its_own_is_sent_to_those() {
    let (ward, research) = (Pacs::pynetdicom(&[]), Pacs::pynetdicom(&[]));
    let hepar = Hepar::setup()
        .sending_to_named("ward", &ward)
        .sending_to_named("research", &research)
        .accepting_for("CT1", "ward")
        .start();
    let series = Series::small_abdomen(203);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(ward.received().len(), 1);
    assert_eq!(research.received().len(), 0);
}
