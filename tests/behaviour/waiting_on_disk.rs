//! Slices that memory has no room for wait on disk, and the result is the same.

use std::fs;

use dicom_dictionary_std::tags;
use dicom_object::DefaultDicomObject;

use crate::harness::{
    appliance::Hepar, modality::Modality, pacs::Pacs, phantoms::Series, wait_for,
};

/// Of all that waits in one kind of place.
fn waiting(hepar: &Hepar, place: &str) -> f64 {
    let metrics = hepar.get("/metrics").unwrap().body;
    let metrics = String::from_utf8(metrics).unwrap();
    let line = format!("hepar_waiting_slices_bytes{{place=\"{place}\"}} ");
    let value = metrics.lines().find_map(|found| found.strip_prefix(&line));
    value.expect(&line).parse().unwrap()
}

fn pixels(object: &DefaultDicomObject) -> Vec<u8> {
    let pixels = object.element(tags::PIXEL_DATA).unwrap();
    pixels.to_bytes().unwrap().into_owned()
}

#[test]
fn what_memory_has_no_room_for_waits_on_disk_and_the_result_is_the_same() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup()
        .sending_to(&pacs)
        .waiting_memory_mb(0)
        .start();
    let series = Series::small_abdomen(1300);
    let scanner = Modality::pynetdicom(&["--interval", "0.2"]);
    let sending = scanner.start(hepar.address(), &series.files);
    wait_for("a slice to wait on disk", || {
        (waiting(&hepar, "disk") > 0.0).then_some(())
    });
    assert!(waiting(&hepar, "memory") < 1.0);
    sending.finish().expect_all(24);
    hepar.wait_for_state(&series.uid, "delivered");

    // `segment` keeps everything in memory.
    let expected = hepar.expected_result(&series);
    let in_memory = hepar.home().join(&series.uid).join("seg.dcm");
    let in_memory = dicom_object::open_file(in_memory).unwrap();
    let received = pacs.received();
    assert_eq!(received.len(), 1);
    assert_eq!(expected, received[0].sop_instance());
    let seg = pixels(&received[0].open());
    assert!(seg.iter().any(|byte| *byte != 0));
    assert!(seg == pixels(&in_memory), "another mask");

    assert!(waiting(&hepar, "disk") < 1.0, "nothing waits any more");
    let state = fs::read_dir(hepar.state_dir()).unwrap();
    let state: Vec<_> = state.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        state
            .iter()
            .all(|name| !name.to_string_lossy().starts_with(".tmp")),
        "{state:?}"
    );
}
