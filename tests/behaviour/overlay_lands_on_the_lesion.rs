//! The mask lies on the anatomy it was drawn for, in every viewer.
//!
//! Each case writes a CT series with an asymmetric mask, makes the SEG of it through the library and
//! hands both to `tests/oracle/check_seg.py`: dciodvfy must find no error, and dcmqi, highdicom and
//! the oracle's own reader must each give back, bit for bit, the labels placed by position.
//! No network is involved: the labels are known, and any error is in the encoding.

use ndarray::{Array3, Axis};

use super::{
    ct_series::{AXIAL, CtSeries},
    oracle::{self, Case, encode, labels},
};

fn assert_overlays_land(cases: &[Case]) {
    let files = ["seg.dcm", "labels.npy", "source"];
    oracle::assert_satisfied("oracle/check_seg.py", &files, cases);
}

#[test]
fn for_sizes_that_do_not_fill_bytes() {
    let sizes = [
        ("13x10", 13, 10, 7),
        ("511x513", 511, 513, 4),
        ("1x3", 1, 3, 5),
        ("7x9", 7, 9, 3),
        ("16x16", 16, 16, 3),
    ];
    assert_overlays_land(&sizes.map(|(name, rows, columns, slices)| {
        let series = CtSeries::axial(rows, columns, slices);
        Case::with_tumour_in(2..slices - 1, name, series)
    }));
}

#[test]
fn for_all_eight_ways_to_flip_an_axial_slice() {
    assert_overlays_land(&AXIAL.map(|(name, orientation)| {
        let mut series = CtSeries::axial(13, 10, 6);
        series.orientation = orientation;
        Case::with_tumour_in(2..5, name, series)
    }));
}

#[test]
fn where_the_gantry_is_tilted_or_slices_are_missing_or_oblique() {
    let mut forward = CtSeries::axial(23, 38, 6);
    forward.tilt_degrees = 12.0;
    let mut backward = CtSeries::axial(23, 38, 6);
    backward.tilt_degrees = -12.0;
    let mut hole = CtSeries::axial(13, 10, 9);
    hole.left_out = vec![4, 5];
    let mut oblique = CtSeries::axial(13, 10, 6);
    oblique.orientation = [0.96, 0.28, 0.0, -0.268_8, 0.921_6, 0.28];
    let mut anisotropic = CtSeries::axial(13, 10, 6);
    anisotropic.pixel_spacing = ["0.5000", "0.8125"];
    let cases = [
        ("tilted-forward", forward),
        ("tilted-backward", backward),
        ("hole", hole),
        ("oblique", oblique),
        ("anisotropic", anisotropic),
    ];
    assert_overlays_land(&cases.map(|(name, series)| Case::with_tumour_in(2..4, name, series)));
}

#[test]
fn for_a_tumour_in_one_slice_no_tumour_no_liver_and_a_tumour_at_the_edge() {
    let series = || CtSeries::axial(13, 10, 6);
    let none = labels(&series(), 0..0);
    let nothing = Array3::zeros(none.dim());
    let mut apart = labels(&series(), 1..2);
    apart.index_axis_mut(Axis(0), 5).fill(2);
    let mut everywhere = Array3::ones(none.dim());
    everywhere[[0, 0, 0]] = 2;
    everywhere[[5, 12, 9]] = 2;
    let cases = [
        ("one-slice-of-tumour", labels(&series(), 3..4)),
        ("no-tumour", none),
        ("nothing-found", nothing),
        ("tumour-apart", apart),
        ("everywhere", everywhere),
    ];
    assert_overlays_land(&cases.map(|(name, labels)| Case {
        name,
        series: series(),
        labels,
    }));
}

#[test]
fn for_an_enhanced_multi_frame_source() {
    let mut enhanced = CtSeries::axial(13, 10, 6);
    enhanced.enhanced = true;
    assert_overlays_land(&[Case::with_tumour_in(2..5, "enhanced", enhanced)]);
}

#[test]
fn whatever_the_source_says_about_the_patient_and_its_pixels() {
    let with = |name, change: &dyn Fn(&mut CtSeries)| {
        let mut series = CtSeries::axial(13, 10, 5);
        change(&mut series);
        Case::with_tumour_in(2..4, name, series)
    };
    assert_overlays_land(&[
        // Type 2 attributes that are not sent at all; those sent empty are in every case.
        with("sparse", &|series| series.sparse = true),
        // Names in code extensions and multi-byte sets, which have to arrive byte for byte.
        with("japanese", &|series| {
            series.character_set = b"\\ISO 2022 IR 87 ";
            series.patient_name =
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        }),
        with("german", &|series| {
            series.character_set = b"ISO_IR 100";
            series.patient_name = b"M\xfcller^J\xfcrgen ";
        }),
        with("chinese", &|series| {
            series.character_set = b"GB18030 ";
            series.patient_name = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab";
        }),
        // Lossy, with and without the ratio and method that the standard asks for.
        with("lossy", &|series| series.lossy = Some("12.5")),
        with("lossy-unsaid", &|series| series.lossy = Some("")),
        // Digits that a number printed anew would lose.
        with("trailing-zeros", &|series| {
            series.pixel_spacing = ["0.70312500", ".70312500"];
        }),
        with("implicit", &|series| series.implicit = true),
        with("emptied", &|series| {
            series.emptied = true;
            series.patient_name = b"Anonymous^";
        }),
    ]);
}

#[test]
fn and_the_oracle_sees_every_way_in_which_it_could_miss() {
    let case = Case::with_tumour_in(2..4, "intact", CtSeries::axial(13, 10, 6));
    let files = ["seg.dcm", "labels.npy", "source"];
    oracle::assert_satisfied("oracle/mutants.py", &files, &[case]);
}

#[test]
fn made_again_it_is_the_same_instance_and_with_one_more_slice_another_in_the_same_series() {
    let series = CtSeries::axial(13, 10, 6);
    let (files, truth) = (series.files(), labels(&series, 2..4));
    let made = encode(&files, &truth, "2026-11-21T10:00:00Z[UTC]");
    let mut shuffled = files.clone();
    shuffled.rotate_left(2);
    let again = encode(&shuffled, &truth, "2026-11-22T23:59:59Z[UTC]");
    let fewer = truth.slice(ndarray::s![..5, .., ..]).to_owned();
    let before = encode(&files[..5], &fewer, "2026-11-21T09:59:50Z[UTC]");

    for (made, again, before) in [
        (
            &made.segmentation,
            &again.segmentation,
            &before.segmentation,
        ),
        (&made.report, &again.report, &before.report),
    ] {
        assert_eq!(made.sop_instance, again.sop_instance);
        assert_eq!(made.series, again.series);
        assert_ne!(made.sop_instance, before.sop_instance);
        assert_eq!(made.series, before.series);
    }
}
