//! Whichever engine runs, the same labels come out, and what ran is what is said.

use std::{fs, path::Path};

use ndarray::Array3;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    cli::{Finished, hepar_in},
    phantoms::Series,
    place::onnxruntime_library,
};

const CONFIGURATION: i32 = 78;

/// Voxels of either class on which engines may disagree, as a share of those that either labels:
/// their arithmetic differs in the last bits, and int8 in more than those.
const DISAGREEMENT: f64 = 0.02;

fn segment(home: &Path, series: &Series, out: &str, engine: &[&str]) -> Finished {
    let directory = series.directory().to_string_lossy();
    let mut arguments = vec!["segment", &*directory, "--out", out];
    arguments.extend(engine);
    hepar_in(home, &arguments)
}

fn result(home: &Path, out: &str) -> (Array3<u8>, Value) {
    let directory = home.join(out);
    let labels = ndarray_npy::read_npy(directory.join("labels.npy")).unwrap();
    let result = fs::read(directory.join("result.json")).unwrap();
    (labels, serde_json::from_slice(&result).unwrap())
}

#[test]
fn tract_and_onnxruntime_label_the_same_voxels() {
    let home = TempDir::new().unwrap();
    let series = Series::small_abdomen(1200);
    let library = onnxruntime_library();
    let library = library.to_str().unwrap();
    segment(home.path(), &series, "tract", &["--engine", "tract"]).expect_success();
    let ort = ["--engine", "onnxruntime", "--onnxruntime-library", library];
    segment(home.path(), &series, "ort", &ort).expect_success();

    let (ours, by_tract) = result(home.path(), "tract");
    let (theirs, by_ort) = result(home.path(), "ort");
    assert!(
        by_tract["engine"].to_string().contains("tract"),
        "{by_tract}"
    );
    assert!(
        by_ort["engine"].to_string().contains("onnxruntime"),
        "{by_ort}"
    );
    let (mut differ, mut labelled) = (0_u32, 0_u32);
    for (a, b) in ours.iter().zip(&theirs) {
        differ += u32::from(a != b);
        labelled += u32::from(*a > 0 || *b > 0);
    }
    assert!(labelled > 1000, "{labelled} voxels are labelled at all");
    let share = f64::from(differ) / f64::from(labelled);
    assert!(
        share < DISAGREEMENT,
        "{share:.4} of the labelled voxels differ"
    );
}

#[test]
fn without_its_library_auto_falls_back_and_a_demand_is_refused() {
    let home = TempDir::new().unwrap();
    let series = Series::small_abdomen(1210);
    let absent = ["--onnxruntime-library", "/nowhere/libonnxruntime.so"];
    segment(home.path(), &series, "auto", &absent).expect_success();
    let (_, by_auto) = result(home.path(), "auto");
    assert!(by_auto["engine"].to_string().contains("tract"), "{by_auto}");

    let demand = ["--engine", "onnxruntime", absent[0], absent[1]];
    let refused = segment(home.path(), &series, "demand", &demand);
    assert_eq!(refused.code, Some(CONFIGURATION), "{}", refused.stderr);
    let line = refused.stderr.lines().last().unwrap();
    assert!(line.contains("/nowhere/libonnxruntime.so"), "{line}");
}
