//! The default model bundle is built into the binary; says so clearly when it is not there. Also
//! passes on which tract is linked, which the crate itself does not tell.

const BUNDLE: [&str; 4] = ["bundle.toml", "encoder.onnx", "golden.npz", "head.onnx"];

fn main() {
    for file in BUNDLE {
        let path = format!("models/liver-tumour/{file}");
        println!("cargo::rerun-if-changed={path}");
        if !std::path::Path::new(&path).is_file() {
            println!(
                "cargo::error={path} is missing: it is built into the binary. Restore it from \
                 version control, or train a bundle (models/README.md)"
            );
        }
    }
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rustc-env=HEPAR_TRACT_VERSION={}", tract_version());
}

fn tract_version() -> String {
    let lock = std::fs::read_to_string("Cargo.lock").expect("cargo writes Cargo.lock first");
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"tract-onnx\"")
        .and_then(|_| lines.next()?.strip_prefix("version = "))
        .map_or_else(|| "unknown".to_owned(), |version| version.replace('"', ""))
}
