//! The layer that builds the appliance's image agrees with the program it is about.
//!
//! BitBake's own parser reads it over an empty core layer, and a linter looks for common mistakes.
//! Nothing is built, and no board is here.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{
    cli::{Finished, run},
    place::python,
};

fn layer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("yocto/meta-hepar")
}

fn check(options: &[&str]) -> Finished {
    let mut command = python("yocto/check_layer.py");
    command
        .args(options)
        .arg(layer())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run("check_layer", &mut command)
}

#[test]
fn it_parses_and_its_crates_versions_licences_and_units_are_those_of_the_sources() {
    let said = check(&[]).expect_success().stdout;
    assert!(said.contains("recipes"), "{said}");
}

#[test]
fn a_layer_with_something_wrong_in_it_is_refused() {
    for (mutant, said) in [
        ("series", "is not compatible with the core layer"),
        ("file", "hepar.nft is not there"),
        ("crate", "the crates are not those of Cargo.lock"),
        ("order", "could lay memory over /var/lib/hepar"),
        ("log", "/var/log is a link into memory"),
        ("trial", "without /var/lib/hepar would be vouched for"),
        ("vouching", "would vouch for every system that starts"),
        ("keyring", "system.conf has no @KEYRING@"),
        ("console", "nobody sees the one-time password"),
    ] {
        let refused = check(&["--mutant", mutant]);
        assert_ne!(refused.code, Some(0), "{mutant} passed");
        let output = refused.stdout + &refused.stderr;
        assert!(output.contains(said), "{mutant}: {output}");
    }
}

#[test]
fn the_linter_finds_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/yocto/lint"));
    command
        .arg(root.join("target/test-venv/bin/oelint-adv"))
        .arg(layer());
    run("lint", &mut command).expect_success();
}
