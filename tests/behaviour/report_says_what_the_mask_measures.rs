//! The structured report counts and measures what the mask shows, for every reader of TID 1500.
//!
//! `tests/oracle/check_sr.py` works the numbers out anew from the labels and the positions of the
//! source, and compares them with what dcmqi and highdicom read; dciodvfy must find no error.

use ndarray::{Array3, s};

use super::{
    ct_series::CtSeries,
    oracle::{self, Case, labels},
};

fn assert_reports_agree(cases: &[Case]) {
    let files = ["report.dcm", "seg.dcm", "labels.npy", "source"];
    oracle::assert_satisfied("oracle/check_sr.py", &files, cases);
}

#[test]
fn with_several_lesions_one_none_and_no_liver() {
    let series = || CtSeries::axial(23, 38, 8);
    let none = labels(&series(), 0..0);
    let mut three = none.clone();
    for (at, size) in [(2, 2), (4, 3), (6, 1)] {
        three.slice_mut(s![at, 5..5 + size, 6..7 + size]).fill(2);
    }
    let cases = [
        ("three-lesions", three),
        ("one-lesion", labels(&series(), 3..6)),
        ("no-lesion", none.clone()),
        ("nothing-found", Array3::zeros(none.dim())),
    ];
    assert_reports_agree(&cases.map(|(name, labels)| Case {
        name,
        series: series(),
        labels,
    }));
}

#[test]
fn of_an_enhanced_a_tilted_and_a_sparse_source() {
    let mut enhanced = CtSeries::axial(13, 10, 6);
    enhanced.enhanced = true;
    let mut tilted = CtSeries::axial(23, 38, 6);
    tilted.tilt_degrees = 12.0;
    let mut sparse = CtSeries::axial(13, 10, 6);
    sparse.sparse = true;
    let mut japanese = CtSeries::axial(13, 10, 6);
    japanese.character_set = b"\\ISO 2022 IR 87 ";
    japanese.patient_name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B ";
    let cases = [
        ("enhanced", enhanced),
        ("tilted", tilted),
        ("sparse", sparse),
        ("japanese", japanese),
    ];
    assert_reports_agree(&cases.map(|(name, series)| Case::with_tumour_in(2..4, name, series)));
}
