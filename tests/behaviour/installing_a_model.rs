//! A new model comes in, runs within seconds, and can be sent back; nobody's series is mixed.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use minisign::KeyPair;

use crate::harness::{
    appliance::Hepar,
    cli::{Finished, hepar_in},
    modality::Modality,
    pacs::Pacs,
    phantoms::Series,
    wait_for,
};

/// Somebody who makes bundles.
struct Maker(KeyPair);

impl Maker {
    fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    fn public_key(&self) -> String {
        self.0.pk.to_base64()
    }

    /// The bundle of this repository under another version, signed and packed.
    fn package(&self, version: &str, into: &Path) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/liver-tumour");
        let manifest = fs::read_to_string(source.join("bundle.toml")).unwrap();
        let own = manifest.lines().find(|line| line.starts_with("version"));
        let manifest = manifest
            .replacen(own.unwrap(), &format!("version = \"{version}\""), 1)
            .into_bytes();
        let signature = minisign::sign(None, &self.0.sk, Cursor::new(&manifest), None, None);
        let signature = signature.unwrap().into_string().into_bytes();
        let file = |name: &str| fs::read(source.join(name)).unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in [
            ("bundle.toml", manifest),
            ("bundle.toml.minisig", signature),
            ("encoder.onnx", file("encoder.onnx")),
            ("golden.npz", file("golden.npz")),
            ("head.onnx", file("head.onnx")),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        let path = into.join(format!("liver-tumour-{version}.tar"));
        fs::write(&path, archive.into_inner().unwrap()).unwrap();
        path
    }
}

/// `hepar model ...` with the configuration of the running appliance.
fn model(hepar: &Hepar, arguments: &[&str]) -> Finished {
    let mut line = vec!["model"];
    line.extend(arguments);
    line.extend(["--config", hepar.config().to_str().unwrap()]);
    hepar_in(hepar.home(), &line)
}

fn running_version(hepar: &Hepar) -> String {
    let version = hepar.status()["engine"]["version"].clone();
    version.as_str().unwrap_or_default().to_owned()
}

fn wait_for_version(hepar: &Hepar, version: &str) {
    wait_for(&format!("version {version} to run"), || {
        (running_version(hepar) == version).then_some(())
    });
}

#[test]
fn a_new_model_runs_within_seconds_series_in_work_finish_on_the_old_and_it_can_be_sent_back() {
    let (maker, pacs) = (Maker::new(), Pacs::pynetdicom(&[]));
    let setup = Hepar::setup().sending_to(&pacs);
    let mut hepar = setup.trusting(&maker.public_key()).start();
    let package = maker.package("90.1.0", hepar.home());
    let install = ["install", package.to_str().unwrap()];
    let built_in = wait_for("the engine", || {
        let version = running_version(&hepar);
        (!version.is_empty()).then_some(version)
    });

    // The model is exchanged while a series arrives.
    let series = Series::small_abdomen(900);
    let scanner = Modality::pynetdicom(&["--interval", "0.5"]);
    let sending = scanner.start(hepar.address(), &series.files);
    hepar.wait_for_series(&series.uid, "in work", |found| {
        found["slices_encoded"].as_u64() > Some(0)
    });
    let installed = model(&hepar, &install).expect_success().stdout;
    assert!(installed.contains("signed by RW"), "{installed}");
    wait_for_version(&hepar, "90.1.0");
    sending.finish();
    let delivered = |series: &Series| {
        hepar.wait_for_state(&series.uid, "delivered");
        pacs.ledger().pop().unwrap()["sop_instance"].clone()
    };
    let (sent, by_built_in) = (delivered(&series), hepar.expected_result(&series));
    assert_eq!(sent, by_built_in, "begun with the old model");

    let series = Series::small_abdomen(901);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.files.len());
    let (sent, by_built_in) = (delivered(&series), hepar.expected_result(&series));
    assert_ne!(sent, by_built_in, "begun with the new model");

    // The same choice after a restart; and back again while running.
    hepar.terminate();
    hepar.start_again();
    wait_for_version(&hepar, "90.1.0");
    let digest = hepar.status()["engine"]["digest"].clone();
    let listed = model(&hepar, &["list"]).expect_success().stdout;
    assert!(listed.contains("* liver-tumour@90.1.0"), "{listed}");
    assert!(listed.contains(digest.as_str().unwrap()), "{listed}");
    model(&hepar, &["rollback"]).expect_success();
    wait_for_version(&hepar, &built_in);
}

#[test]
fn what_a_box_does_not_trust_changes_nothing() {
    let (maker, stranger) = (Maker::new(), Maker::new());
    let hepar = Hepar::setup().trusting(&maker.public_key()).start();
    let good = maker.package("90.1.0", hepar.home());
    let whole = fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = hepar.home().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut damaged = whole.clone();
    // In the encoder, which comes third.
    damaged[100_000] ^= 1;
    let foreign = fs::read(stranger.package("90.2.0", hepar.home())).unwrap();
    for (package, said) in [
        (write("damaged.tar", &damaged), "encoder.onnx has SHA-256"),
        (write("foreign.tar", &foreign), "model.trusted-keys"),
        (
            write("short.tar", &whole[..whole.len() / 2]),
            "encoder.onnx is missing or cut short",
        ),
        (write("text.tar", b"not an archive"), "tar archive"),
    ] {
        let refused = model(&hepar, &["install", &package]);
        assert_eq!(refused.code, Some(78), "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let listed = model(&hepar, &["list"]).expect_success().stdout;
    assert!(listed.contains("* default"), "{listed}");
    assert_eq!(listed.lines().count(), 1, "{listed}");

    let older = maker.package("0.0.1", hepar.home());
    let older = older.to_str().unwrap();
    let refused = model(&hepar, &["install", older]);
    assert_eq!(refused.code, Some(64), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("is older than"),
        "{}",
        refused.stderr
    );
    model(&hepar, &["install", older, "--downgrade"]).expect_success();
}

#[test]
fn a_model_that_fails_its_check_at_start_gives_way_to_the_one_before_and_the_page_says_so() {
    let maker = Maker::new();
    let mut hepar = Hepar::setup().trusting(&maker.public_key()).start();
    for version in ["90.1.0", "90.2.0"] {
        let package = maker.package(version, hepar.home());
        model(&hepar, &["install", package.to_str().unwrap()]).expect_success();
    }
    wait_for_version(&hepar, "90.2.0");
    hepar.terminate();
    let bundles = hepar.state_dir().join("models/bundles");
    fs::write(bundles.join("liver-tumour@90.2.0/head.onnx"), b"damaged").unwrap();
    hepar.start_again();
    wait_for_version(&hepar, "90.1.0");
    let notices = hepar.status()["notices"].to_string();
    assert!(
        notices.contains("liver-tumour@90.2.0 cannot be used (head.onnx has SHA-256"),
        "{notices}"
    );
}
