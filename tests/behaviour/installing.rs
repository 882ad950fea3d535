//! What a package installs: units that systemd accepts, closed as tightly as they claim, and in
//! step with the program.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::harness::{
    cli::{Finished, hepar_in, run},
    place::python,
};

const UNITS: [&str; 2] = ["hepar.service", "hepar-selftest.service"];
const DROP_INS: [&str; 3] = ["port-104.conf", "accelerator.conf", "credentials.conf"];
/// `systemd-analyze security` counts from 0, closed, to 100; "≤ 2.0" on its printed scale.
const MOST_EXPOSED: &str = "--threshold=20";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn unit(name: &str) -> String {
    fs::read_to_string(repository().join("systemd").join(name)).unwrap()
}

/// The value of a key that the unit sets once.
fn value(unit: &str, key: &str) -> String {
    let values: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect();
    assert_eq!(values.len(), 1, "{key}: {values:?}");
    values[0].to_owned()
}

fn seconds(text: &str) -> Duration {
    let number = text.trim_end_matches('s').parse().unwrap();
    Duration::from_secs(number)
}

/// A file system with the units, a program at its place and systemd's own targets.
fn root_with(drop_in: Option<&str>) -> TempDir {
    let root = TempDir::new().unwrap();
    let units = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(units.join("hepar.service.d")).unwrap();
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    symlink("usr/lib", root.path().join("lib")).unwrap();
    fs::copy(
        env!("CARGO_BIN_EXE_hepar"),
        root.path().join("usr/bin/hepar"),
    )
    .unwrap();
    for name in UNITS {
        fs::write(units.join(name), unit(name)).unwrap();
    }
    if let Some(name) = drop_in {
        let example = repository().join("systemd/examples").join(name);
        fs::copy(example, units.join("hepar.service.d").join(name)).unwrap();
    }
    for target in fs::read_dir("/usr/lib/systemd/system").unwrap() {
        let target: io::Result<PathBuf> = target.map(|entry| entry.path());
        let target = target.unwrap();
        if target.extension().is_some_and(|kind| kind == "target") {
            let name = target.file_name().unwrap();
            fs::copy(&target, units.join(name)).unwrap();
        }
    }
    root
}

fn systemd_analyze(root: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new("systemd-analyze");
    command
        .arg(format!("--root={}", root.display()))
        .args(arguments);
    run("systemd-analyze", &mut command)
}

#[test]
fn systemd_accepts_every_unit_with_every_drop_in_and_finds_it_closed() {
    for drop_in in [None].into_iter().chain(DROP_INS.map(Some)) {
        let root = root_with(drop_in);
        for unit in UNITS {
            let verified = systemd_analyze(root.path(), &["verify", "--man=no", unit]);
            // An unknown key is only worth a warning to systemd.
            assert_eq!(verified.stderr, "", "{unit} {drop_in:?}");
            assert_eq!(verified.code, Some(0), "{unit} {drop_in:?}");
            let offline = ["security", "--offline=true", MOST_EXPOSED, unit];
            let judged = systemd_analyze(root.path(), &offline);
            assert_eq!(judged.code, Some(0), "{drop_in:?}\n{}", judged.stdout);
        }
    }
}

#[test]
fn the_unit_is_in_step_with_the_program() {
    let service = unit("hepar.service");
    let drain = hepar::appliance::LONGEST_STOP;
    assert!(
        seconds(&value(&service, "TimeoutStopSec")) > drain,
        "the drain is cut off"
    );
    assert_eq!(value(&service, "Type"), "notify");
    assert_eq!(value(&service, "RestartPreventExitStatus"), "64 78");

    let home = TempDir::new().unwrap();
    for name in UNITS {
        let start = value(&unit(name), "ExecStart");
        let words: Vec<&str> = start.split_whitespace().collect();
        let [program, subcommand, "--config", "/etc/hepar/hepar.toml"] = words[..] else {
            panic!("{name} runs {start}");
        };
        assert_eq!(program, "/usr/bin/hepar");
        let help = hepar_in(home.path(), &[subcommand, "--help"]).expect_success();
        assert!(help.stdout.contains("--config"), "{}", help.stdout);
    }
}

#[test]
fn the_bill_of_materials_is_cyclonedx_and_names_every_crate_with_its_checksum_and_licence() {
    let print = || {
        run(
            "sbom",
            &mut Command::new(repository().join("packaging/sbom")),
        )
    };
    let printed = print().expect_success().stdout;
    let home = TempDir::new().unwrap();
    let file = home.path().join("sbom.cdx.json");
    fs::write(&file, &printed).unwrap();
    run("check_bill", python("oracle/check_bill.py").arg(file)).expect_success();
    let bill: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let components = bill["components"].as_array().unwrap();
    for expected in ["tract-onnx", "rustls", "rusqlite", "liver-tumour"] {
        let named = |it: &&serde_json::Value| it["name"] == expected;
        assert!(components.iter().any(|it| named(&it)), "{expected}");
    }
    for component in components {
        let hash = component["hashes"][0]["content"].as_str().unwrap();
        assert_eq!(hash.len(), 64, "{component}");
        if component["type"] == "library" {
            let licence = component["licenses"][0]["expression"].as_str().unwrap();
            assert!(!licence.is_empty(), "{component}");
        }
    }
    assert_eq!(printed, print().stdout, "the same tree gives the same list");
}

#[test]
fn every_test_that_the_risk_table_relies_on_exists() {
    let risks = fs::read_to_string(repository().join("docs/risk.md")).unwrap();
    let (table, _) = risks.split_once("## What remains").unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in &rows[1..] {
        let proofs: Vec<(&str, &str)> = row
            .split('`')
            .filter_map(|word| word.split_once("::"))
            .collect();
        assert!(!proofs.is_empty(), "nothing proves: {row}");
        for (file, name) in proofs {
            let path = repository().join(format!("tests/behaviour/{file}.rs"));
            let source = fs::read_to_string(&path).unwrap();
            assert!(
                source.contains(&format!("#[test]\nfn {name}() {{")),
                "{file}::{name} does not exist"
            );
        }
    }
}
