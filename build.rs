//! The default model bundle is built into the binary; says so clearly when it is not there. Also
//! passes on which tract is linked, which the crate itself does not tell, and collects the page's
//! languages: one file each.

use std::{env, fs, path::PathBuf};

const BUNDLE: [&str; 4] = ["bundle.toml", "encoder.onnx", "golden.npz", "head.onnx"];

fn main() {
    for file in BUNDLE {
        let path = format!("models/liver-tumour/{file}");
        println!("cargo::rerun-if-changed={path}");
        if !PathBuf::from(&path).is_file() {
            println!(
                "cargo::error={path} is missing: it is built into the binary. Restore it from \
                 version control, or train a bundle (models/README.md)"
            );
        }
    }
    collect_languages();
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rustc-env=HEPAR_TRACT_VERSION={}", tract_version());
}

/// Writes `languages.rs`: a slice of `(language tag, messages)`, by tag.
fn collect_languages() {
    const DIRECTORY: &str = "src/status/languages";
    println!("cargo::rerun-if-changed={DIRECTORY}");
    let mut files: Vec<PathBuf> = fs::read_dir(DIRECTORY)
        .expect("the languages are in version control")
        .map(|entry| entry.expect("a directory that can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ftl"))
        .collect();
    files.sort();
    let entries = files.iter().map(|path| {
        let tag = path.file_stem().and_then(|stem| stem.to_str());
        let tag = tag.expect("a language's file is named by its tag");
        // No folder of this machine in the file: a build in another one gives the same program.
        let path = format!("/{DIRECTORY}/{tag}.ftl");
        format!("    ({tag:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),\n")
    });
    let list = format!("&[\n{}]\n", entries.collect::<String>());
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("languages.rs"), list).expect("cargo made the directory");
}

fn tract_version() -> String {
    let lock = fs::read_to_string("Cargo.lock").expect("cargo writes Cargo.lock first");
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"tract-onnx\"")
        .and_then(|_| lines.next()?.strip_prefix("version = "))
        .map_or_else(|| "unknown".to_owned(), |version| version.replace('"', ""))
}
