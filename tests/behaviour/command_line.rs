//! Every subcommand does what its help says and ends with the code that scripts rely on.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    appliance::Hepar,
    cli::{Finished, hepar_in},
    pacs::Pacs,
    phantoms::Series,
};

const USAGE: i32 = 64;
const IO: i32 = 74;

fn hepar(home: &Path, line: &str) -> Finished {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    hepar_in(home, &arguments)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn labels(path: &Path) -> ndarray::Array3<u8> {
    ndarray_npy::read_npy(path).unwrap()
}

#[test]
fn a_phantom_is_segmented_and_its_liver_is_found() {
    let home = TempDir::new().unwrap();
    hepar(
        home.path(),
        "phantom --out ct --slices 24 --slice-spacing 6 --seed 7",
    )
    .expect_success();
    hepar(home.path(), "segment ct --out result --maps").expect_success();

    let truth = labels(&home.path().join("ct/labels.npy"));
    let found = labels(&home.path().join("result/labels.npy"));
    assert_eq!(truth.dim(), found.dim());
    let (mut both, mut either) = (0_u32, 0_u32);
    for (truth, found) in truth.iter().zip(&found) {
        both += 2 * u32::from(*truth > 0 && *found > 0);
        either += u32::from(*truth > 0) + u32::from(*found > 0);
    }
    let dice = f64::from(both) / f64::from(either);
    assert!(dice > 0.8, "liver and tumour together: Dice {dice:.3}");

    // Certainty and doubt lie where the labels say.
    let mean_where = |map: &str, label: u8| {
        let map = labels(&home.path().join("result").join(map));
        assert_eq!(map.dim(), found.dim());
        let of: Vec<f64> = map
            .iter()
            .zip(&found)
            .filter(|(_, found)| **found == label)
            .map(|(value, _)| f64::from(*value))
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(
        mean_where("lesion-probability.npy", 2) > 2.0 * mean_where("lesion-probability.npy", 1)
    );
    assert!(mean_where("entropy.npy", 2) > mean_where("entropy.npy", 0));

    let result = json(&home.path().join("result/result.json"));
    assert_eq!(result["n_slices"], 24);
    for key in [
        "liver_ml",
        "tumour_ml",
        "lesions",
        "gates",
        "spacing",
        "engine",
        "model",
        "timings_ms",
    ] {
        assert!(!result[key].is_null(), "{key} is missing in {result}");
    }
    assert!(home.path().join("result/seg.dcm").exists());
}

#[test]
fn the_same_phantom_is_the_same_on_every_call() {
    let home = TempDir::new().unwrap();
    for out in ["a", "b"] {
        hepar(
            home.path(),
            &format!("phantom --out {out} --slices 3 --seed 5"),
        )
        .expect_success();
    }
    let names = |out: &str| {
        let mut names: Vec<_> = fs::read_dir(home.path().join(out))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("a"), names("b"));
    assert_eq!(
        names("a").len(),
        5,
        "three slices, labels.npy and truth.json"
    );
    for name in names("a") {
        let [a, b] = ["a", "b"].map(|out| fs::read(home.path().join(out).join(&name)).unwrap());
        assert!(a == b, "{name:?} differs");
    }
}

#[test]
fn a_directory_without_ct_is_an_error_in_words() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("empty")).unwrap();
    fs::write(home.path().join("empty/readme.txt"), "no DICOM").unwrap();
    for (directory, code) in [("empty", USAGE), ("absent", IO)] {
        let finished = hepar(home.path(), &format!("segment {directory} --out out"));
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        assert!(finished.stderr.contains(directory), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    }
}

#[test]
fn echo_tells_whether_a_destination_answers() {
    let mut pacs = Pacs::pynetdicom(&[]);
    let hepar_with = Hepar::setup().sending_to(&pacs).start();
    let config = hepar_with.config().to_owned();
    let echo = |name: &str| {
        let arguments = [
            "echo".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            name.as_ref(),
        ];
        hepar_in(hepar_with.home(), &arguments)
    };
    echo("pacs").expect_success();
    let unknown = echo("archive");
    assert!(unknown.stderr.contains("archive"), "{}", unknown.stderr);
    assert_ne!(unknown.code, Some(0));
    pacs.stop();
    let down = echo("pacs");
    assert_eq!(down.code, Some(IO), "{}", down.stderr);
}

#[test]
fn check_config_prints_every_value_in_force() {
    let home = TempDir::new().unwrap();
    fs::write(
        home.path().join("hepar.toml"),
        "[listener]\nae-title = \"LIVER\"\n",
    )
    .unwrap();
    let printed = hepar(home.path(), "check-config hepar.toml")
        .expect_success()
        .stdout;
    for line in [
        "ae-title = \"LIVER\"",
        "max-associations = 32",
        "quiet-period",
    ] {
        assert!(printed.contains(line), "{line} is not in\n{printed}");
    }
    // What it prints is a configuration, and the same one.
    fs::write(home.path().join("printed.toml"), &printed).unwrap();
    let again = hepar(home.path(), "check-config printed.toml")
        .expect_success()
        .stdout;
    let values = |printed: &str| -> Vec<String> {
        let lines = printed.lines().map(|line| line.split("  # ").next());
        lines
            .flatten()
            .map(|value| value.trim().to_owned())
            .collect()
    };
    assert_eq!(values(&again), values(&printed));
}

#[test]
fn check_model_accepts_the_bundle_inside_and_refuses_a_damaged_one() {
    let home = TempDir::new().unwrap();
    hepar(home.path(), "check-model").expect_success();

    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/liver-tumour");
    let damaged = home.path().join("bundle");
    fs::create_dir(&damaged).unwrap();
    for entry in fs::read_dir(bundle).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), damaged.join(entry.file_name())).unwrap();
    }
    hepar(home.path(), "check-model bundle").expect_success();
    let encoder = damaged.join("encoder.onnx");
    let mut bytes = fs::read(&encoder).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&encoder, bytes).unwrap();
    let refused = hepar(home.path(), "check-model bundle");
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("encoder.onnx"),
        "{}",
        refused.stderr
    );
}

#[test]
fn demo_shows_the_whole_path_with_nothing_configured() {
    let home = TempDir::new().unwrap();
    let shown = hepar(home.path(), "demo")
        .expect_success()
        .stdout
        .to_lowercase();
    for word in ["slices", "liver", "tumour", "dice"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
}

#[test]
fn demo_of_a_directory_tells_what_became_of_each_series_in_it() {
    let home = TempDir::new().unwrap();
    let push = |series: &[&Series]| {
        let directory = home.path().join("study");
        fs::create_dir_all(&directory).unwrap();
        for file in series.iter().flat_map(|series| &series.files) {
            fs::copy(file, directory.join(file.file_name().unwrap())).unwrap();
        }
        hepar(home.path(), "demo --series study")
    };
    let short = Series::three_slices(1400);
    let refused = push(&[&short]);
    assert_ne!(refused.code, Some(0));
    let words = "no series was segmented: refused (3 slices, 8 are needed";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    let shown = push(&[&Series::small_abdomen(1401)])
        .expect_success()
        .stdout;
    assert!(shown.contains("SEG stored"), "{shown}");
    assert!(!shown.contains("NaN"), "{shown}");
}

#[test]
fn it_writes_its_own_manual_completions_and_conformance_statement() {
    let home = TempDir::new().unwrap();
    hepar(home.path(), "man pages").expect_success();
    let pages = home.path().join("pages");
    for (page, words) in [
        ("hepar.1", "Run the appliance"),
        ("hepar-serve.1", "config"),
        ("hepar-segment.1", "out"),
    ] {
        let page = fs::read_to_string(pages.join(page)).unwrap();
        assert!(page.starts_with(".ie"), "no roff: {page}");
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = hepar(home.path(), &format!("completions {shell}"))
            .expect_success()
            .stdout;
        assert!(script.contains("check-config"), "{shell}: {script}");
    }
    let statement = hepar(home.path(), "conformance").expect_success().stdout;
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    assert_eq!(statement, fs::read_to_string(committed).unwrap());
}

#[test]
fn help_and_version_are_no_errors() {
    let home = TempDir::new().unwrap();
    let help = hepar(home.path(), "--help").expect_success().stdout;
    for command in [
        "serve",
        "demo",
        "segment",
        "phantom",
        "echo",
        "check-config",
        "check-model",
    ] {
        assert!(help.contains(command), "{command} is not in\n{help}");
    }
    let version = hepar(home.path(), "--version").expect_success().stdout;
    assert_eq!(version.trim(), concat!("hepar ", env!("CARGO_PKG_VERSION")));
}
