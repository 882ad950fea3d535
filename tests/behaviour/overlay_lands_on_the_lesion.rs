//! The mask lies on the anatomy it was drawn for, in every viewer.
//!
//! Each case writes a CT series with an asymmetric mask, makes the SEG of it through the library and
//! hands both to `tests/oracle/check_seg.py`: dciodvfy must find no error, and dcmqi, highdicom and
//! the oracle's own reader must each give back, bit for bit, the labels placed by position.
//! No network is involved: the labels are known, and any error is in the encoding.

use std::fs;

use hepar::{
    dicom::Code,
    encode::{self, Equipment, Model, SegInput, SegObject},
    mask::Labels,
    model::SegmentSpec,
    series::InstanceHeader,
    volume,
};
use ndarray::{Array2, Array3, Axis};
use tempfile::TempDir;

use super::{
    ct_series::{AXIAL, CtSeries},
    harness::place,
};

fn segments() -> Vec<SegmentSpec> {
    let code = |value: &str, meaning: &str| Code::new(value, "SCT", meaning);
    let liver = code("10200004", "Liver");
    vec![
        SegmentSpec {
            label_value: 1,
            label: "Liver".into(),
            category: code("91723000", "Anatomical Structure"),
            property_type: liver.clone(),
            anatomic_region: None,
            cielab: [41661, 41167, 40792],
        },
        SegmentSpec {
            label_value: 2,
            label: "Liver tumour".into(),
            category: code("49755003", "Morphologically Abnormal Structure"),
            property_type: code("108369006", "Neoplasm"),
            anatomic_region: Some(liver),
            cielab: [37677, 56356, 24077],
        },
    ]
}

/// The SEG of a series of `files` with one slice of labels for each position along the normal.
fn encode(files: &[Vec<u8>], labels: &Array3<u8>) -> SegObject {
    encode_at(files, labels, "2026-11-21T10:00:00+01:00[+01:00]")
}

fn encode_at(files: &[Vec<u8>], labels: &Array3<u8>, now: &str) -> SegObject {
    let headers: Vec<InstanceHeader> = files
        .iter()
        .map(|file| InstanceHeader::read(file).unwrap())
        .collect();
    let stack = volume::arrange(&headers).unwrap();
    let labels = Labels {
        slices: labels
            .axis_iter(Axis(0))
            .map(|slice| slice.to_owned())
            .collect::<Vec<Array2<u8>>>(),
    };
    encode::segmentation(&SegInput {
        template: &files[0],
        headers: &headers,
        stack: &stack,
        labels: &labels,
        segments: &segments(),
        equipment: &Equipment {
            manufacturer: "Hepar project".into(),
            model_name: "Hepar".into(),
            serial_number: "test bench".into(),
            software_versions: vec!["hepar 0.1.0".into()],
        },
        model: Model {
            name: "liver-tumour",
            version: "1.0.0",
            digest: "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        },
        configuration_digest: "0123456789abcdef",
        revision: 1,
        now: &now.parse().unwrap(),
    })
    .unwrap()
}

/// Encodes every series and runs the oracle once over all of them.
fn assert_overlays_land(cases: &[(&str, CtSeries, Array3<u8>)]) {
    run_oracle("oracle/check_seg.py", cases);
}

fn run_oracle(script: &str, cases: &[(&str, CtSeries, Array3<u8>)]) {
    let directory = TempDir::new().unwrap();
    let mut oracle = place::python(script);
    for (name, series, labels) in cases {
        let case = directory.path().join(name);
        let (source, seg, npy) = (
            case.join("source"),
            case.join("seg.dcm"),
            case.join("labels.npy"),
        );
        fs::create_dir_all(&source).unwrap();
        let files = series.files();
        for (number, file) in files.iter().enumerate() {
            fs::write(source.join(format!("{number:04}.dcm")), file).unwrap();
        }
        fs::write(&seg, encode(&files, labels).bytes).unwrap();
        ndarray_npy::write_npy(&npy, labels).unwrap();
        oracle.args([&seg, &npy, &source]);
    }
    let output = oracle
        .output()
        .expect("the oracle starts; run tests/run once");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A liver without any symmetry and, where `tumour` names slices, a tumour in it. Every slice
/// differs from every other, so that no permutation of slices, rows, columns or bits goes unseen.
fn labels(series: &CtSeries, tumour: std::ops::Range<usize>) -> Array3<u8> {
    let (slices, rows, columns) = (series.slices(), series.rows, series.columns);
    let mut labels = Array3::zeros((slices, rows, columns));
    for ((slice, row, column), label) in labels.indexed_iter_mut() {
        if slice == 0 || slice + 1 == slices {
            continue;
        }
        let (r, c) = (row as f64 / rows as f64, column as f64 / columns as f64);
        let lean = slice as f64 / slices as f64 / 4.0;
        if r > 0.1 && c > 0.05 + lean && r + 1.7 * c < 1.2 {
            *label = 1;
            if tumour.contains(&slice) && r > 0.3 && c > 0.1 + lean && r + c < 0.75 {
                *label = 2;
            }
        }
    }
    labels
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
        let labels = labels(&series, 2..slices - 1);
        (name, series, labels)
    }));
}

#[test]
fn for_all_eight_ways_to_flip_an_axial_slice() {
    let flips = AXIAL.map(|(name, orientation)| {
        let mut series = CtSeries::axial(13, 10, 6);
        series.orientation = orientation;
        let labels = labels(&series, 2..5);
        (name, series, labels)
    });
    assert_overlays_land(&flips);
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
    assert_overlays_land(&cases.map(|(name, series)| {
        let labels = labels(&series, 2..4);
        (name, series, labels)
    }));
}

#[test]
fn for_a_tumour_in_one_slice_no_tumour_no_liver_and_a_tumour_at_the_edge() {
    let series = || CtSeries::axial(13, 10, 6);
    let one_slice = labels(&series(), 3..4);
    let none = labels(&series(), 0..0);
    let nothing = Array3::zeros(none.dim());
    let mut apart = labels(&series(), 1..2);
    apart.index_axis_mut(Axis(0), 5).fill(2);
    let mut everywhere = Array3::ones(none.dim());
    everywhere[[0, 0, 0]] = 2;
    everywhere[[5, 12, 9]] = 2;
    assert_overlays_land(&[
        ("one-slice-of-tumour", series(), one_slice),
        ("no-tumour", series(), none),
        ("nothing-found", series(), nothing),
        ("tumour-apart", series(), apart),
        ("everywhere", series(), everywhere),
    ]);
}

#[test]
fn for_an_enhanced_multi_frame_source() {
    let mut enhanced = CtSeries::axial(13, 10, 6);
    enhanced.enhanced = true;
    let labels = labels(&enhanced, 2..5);
    assert_overlays_land(&[("enhanced", enhanced, labels)]);
}

#[test]
fn whatever_the_source_says_about_the_patient_and_its_pixels() {
    let with = |change: &dyn Fn(&mut CtSeries)| {
        let mut series = CtSeries::axial(13, 10, 5);
        change(&mut series);
        let labels = labels(&series, 2..4);
        (series, labels)
    };
    let cases = [
        // Type 2 attributes sent empty, and not sent at all.
        ("sparse", with(&|series| series.sparse = true)),
        // A name in two code extensions, which has to arrive byte for byte.
        (
            "japanese",
            with(&|series| {
                series.character_set = b"\\ISO 2022 IR 87 ";
                series.patient_name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B ";
            }),
        ),
        (
            "german",
            with(&|series| {
                series.character_set = b"ISO_IR 100";
                series.patient_name = b"M\xfcller^J\xfcrgen ";
            }),
        ),
        (
            "chinese",
            with(&|series| {
                series.character_set = b"GB18030 ";
                series.patient_name = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab";
            }),
        ),
        // Lossy, with and without the ratio and method that the standard asks for.
        ("lossy", with(&|series| series.lossy = Some("12.5"))),
        ("lossy-unsaid", with(&|series| series.lossy = Some(""))),
        // Digits that a number printed anew would lose.
        (
            "trailing-zeros",
            with(&|series| series.pixel_spacing = ["0.70312500", ".70312500"]),
        ),
        ("implicit", with(&|series| series.implicit = true)),
    ];
    assert_overlays_land(&cases.map(|(name, (series, labels))| (name, series, labels)));
}

#[test]
fn made_again_it_is_the_same_instance_and_with_one_more_slice_another_in_the_same_series() {
    let series = CtSeries::axial(13, 10, 6);
    let (files, truth) = (series.files(), labels(&series, 2..4));
    let made = encode(&files, &truth);
    let mut shuffled = files.clone();
    shuffled.rotate_left(2);
    let again = encode_at(&shuffled, &truth, "2026-11-22T23:59:59Z[UTC]");
    assert_eq!(made.sop_instance, again.sop_instance);
    assert_eq!(made.series, again.series);

    let fewer = truth.slice(ndarray::s![..5, .., ..]).to_owned();
    let before = encode(&files[..5], &fewer);
    assert_ne!(made.sop_instance, before.sop_instance);
    assert_eq!(made.series, before.series);
}

#[test]
fn and_the_oracle_sees_every_way_in_which_it_could_miss() {
    let series = CtSeries::axial(13, 10, 6);
    let labels = labels(&series, 2..4);
    run_oracle("oracle/mutants.py", &[("intact", series, labels)]);
}
