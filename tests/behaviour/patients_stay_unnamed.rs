//! Whoever reads the log or the page learns nothing about a patient.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    objects::{edit, text},
    phantoms::Series,
};

#[test]
fn neither_log_nor_page_names_the_patient() {
    let mut hepar = Hepar::start();
    let series = Series::small_abdomen(970);
    for file in &series.files {
        edit(file, |object| {
            for (tag, vr, value) in [
                (tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
                (tags::PATIENT_ID, VR::LO, "MRN-4711"),
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
        for word in ["Doe", "Jane", "4711", "19700203"] {
            assert!(!said.contains(word), "{word} is in\n{said}");
        }
    }
}
