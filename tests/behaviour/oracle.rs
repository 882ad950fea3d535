//! Results made from known labels, and the scripts of `tests/oracle` that judge them.

use std::{fs, ops::Range};

use hepar::{
    dicom::Code,
    encode::{self, EncodedObject, Equipment, Model, ReportInput, SegInput},
    mask::{self, Labels},
    model::SegmentSpec,
    series::InstanceHeader,
    volume,
};
use ndarray::{Array3, Axis};
use tempfile::TempDir;

use super::{ct_series::CtSeries, harness::place};

/// A series, and what is to be found in it: one slice of labels for each position along the normal.
pub struct Case {
    pub name: &'static str,
    pub series: CtSeries,
    pub labels: Array3<u8>,
}

impl Case {
    /// With [`labels`] that have a tumour in these slices.
    pub fn with_tumour_in(slices: Range<usize>, name: &'static str, series: CtSeries) -> Self {
        let labels = labels(&series, slices);
        Self {
            name,
            series,
            labels,
        }
    }
}

/// What the library makes of a case.
pub struct Results {
    pub segmentation: EncodedObject,
    pub report: EncodedObject,
}

/// Encodes the labels of a series of `files` as of `now`.
pub fn encode(files: &[Vec<u8>], labels: &Array3<u8>, now: &str) -> Results {
    let headers: Vec<InstanceHeader> = files
        .iter()
        .map(|file| InstanceHeader::read(file).unwrap())
        .collect();
    let stack = volume::arrange(&headers).unwrap();
    let slices = labels.axis_iter(Axis(0)).map(|slice| slice.to_owned());
    let labels: Labels = slices.collect();
    let source = SegInput {
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
    };
    let segmentation = encode::segmentation(&source).unwrap();
    let remarks: Vec<String> = stack.findings.iter().map(ToString::to_string).collect();
    let seen = [0..stack.geometry.rows(), 0..stack.geometry.columns()];
    let report = encode::report(&ReportInput {
        source: &source,
        segmentation: &segmentation,
        findings: &mask::measure(&labels, &stack, &seen),
        remarks: &remarks,
    });
    Results {
        segmentation,
        report: report.unwrap(),
    }
}

/// Encodes every case and runs a script once over all of them, with these files of each.
pub fn assert_satisfied(script: &str, files_of_each: &[&str], cases: &[Case]) {
    let directory = TempDir::new().unwrap();
    let mut oracle = place::python(script);
    for case in cases {
        let place = directory.path().join(case.name);
        let source = place.join("source");
        fs::create_dir_all(&source).unwrap();
        let files = case.series.files();
        for (number, file) in files.iter().enumerate() {
            fs::write(source.join(format!("{number:04}.dcm")), file).unwrap();
        }
        let results = encode(&files, &case.labels, "2026-11-21T10:00:00+01:00[+01:00]");
        fs::write(place.join("seg.dcm"), results.segmentation.bytes).unwrap();
        fs::write(place.join("report.dcm"), results.report.bytes).unwrap();
        ndarray_npy::write_npy(place.join("labels.npy"), &case.labels).unwrap();
        oracle.args(files_of_each.iter().map(|name| place.join(name)));
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

/// A liver without any symmetry and, where `tumour` names slices, a tumour in it. Every slice
/// differs from every other, so that no permutation of slices, rows, columns or bits goes unseen.
pub fn labels(series: &CtSeries, tumour: Range<usize>) -> Array3<u8> {
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
