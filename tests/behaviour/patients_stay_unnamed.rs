//! Whoever reads the log or the page learns nothing about a patient.
//!
//! The patient's identifier is a word: times, ports and UIDs hold any four digits now and then.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::harness::{
    appliance::Hepar,
    browser::{PASSWORD, add_user},
    modality::Modality,
    objects::{edit, text},
    phantoms::Series,
    wait_for,
};

#[test]
fn neither_log_nor_page_names_the_patient() {
    let mut hepar = Hepar::start();
    let series = Series::small_abdomen(970);
    for file in &series.files {
        edit(file, |object| {
            for (tag, vr, value) in [
                (tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
                (tags::PATIENT_ID, VR::LO, "MRN-QUOLL"),
                (tags::PATIENT_BIRTH_DATE, VR::DA, "19700203"),
            ] {
                object.put(text(tag, vr, value));
            }
        });
    }
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");
    let pages: Vec<String> = [
        "/",
        "/api/status",
        "/metrics",
        &format!("/series/{}", series.uid),
    ]
    .iter()
    .map(|path| String::from_utf8(hepar.get(path).unwrap().body).unwrap())
    .collect();
    hepar.terminate();
    for said in pages.iter().chain([&hepar.log()]) {
        for word in ["Doe", "Jane", "QUOLL", "19700203"] {
            assert!(!said.contains(word), "{word} is in\n{said}");
        }
    }
}

#[test]
fn a_user_sees_the_patient_where_it_is_allowed_and_nobody_else_does() {
    for (setting, shown) in [("show-patient = true\n", true), ("", false)] {
        let hepar = Hepar::setup().status(setting).start_guarded();
        add_user(&hepar, "anna", "viewer");
        let series = Series::small_abdomen(971);
        for file in &series.files {
            edit(file, |object| {
                object.put(text(tags::PATIENT_NAME, VR::PN, "Doe^Jane"));
                object.put(text(tags::PATIENT_ID, VR::LO, "MRN-QUOLL"));
            });
        }
        Modality::dcmsend(&[])
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        let path = format!("/series/{}", series.uid);
        let mut nobody = hepar.browser();
        assert_eq!(nobody.get(&path).status, 303);
        let mut browser = hepar.browser();
        browser.log_in("anna", PASSWORD);
        let page = wait_for("the result to be there", || {
            let page = browser.get(&path);
            page.body.contains("result.json").then_some(page)
        });
        let named = page.body.contains("Doe, Jane") && page.body.contains("MRN-QUOLL");
        assert_eq!(named, shown, "{setting:?}: {}", page.body);
        // The segmentation names its patient, whatever the page does.
        assert!(!page.body.contains("seg.dcm"), "{}", page.body);
        assert_eq!(browser.get(&format!("{path}/seg.dcm")).status, 403);
        assert!(
            !browser.get("/").body.contains("Doe"),
            "the list names nobody"
        );
        assert!(!hepar.log().contains("Doe") && !hepar.log().contains("QUOLL"));
    }
}
