//! A new system comes on a stick, proves itself, or the box goes back to the old one by itself.
//!
//! The bundle is made, signed and verified by the real RAUC. The board is not here: a script plays
//! `nvbootctrl` from a file that holds the firmware's state, another plays what `rauc install` does
//! once it has verified (it asks our backend to switch, as RAUC does), a third plays `systemctl`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::harness::{
    cli::{Finished, run},
    pacs::Pacs,
};

const NVBOOTCTRL: &str = r#"#!/bin/sh
cd "$BOARD"
name() { if [ "$1" = 0 ]; then echo A; else echo B; fi; }
case "$*" in
"-t rootfs dump-slots-info")
    echo "Current rootfs slot: $(name "$(cat running)")"
    echo "Active rootfs slot: $(name "$(cat next)")"
    echo "num_slots: 2"
    echo "slot: 0,             retry_count: 3,             status: normal"
    echo "slot: 1,             retry_count: 3,             status: normal"
    ;;
"set-active-boot-slot 0" | "set-active-boot-slot 1") echo "$2" > next ;;
verify) cat running > verified ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
"#;

/// `info` is RAUC's own; `install` verifies with it and then talks to the boot loader as RAUC does.
const RAUC: &str = r#"#!/bin/sh
verb=$1
for bundle do :; done
PATH=/usr/local/bin:/usr/bin:/bin rauc --keyring="$BOARD/keyring.pem" info --output-format=json "$bundle" || exit 1
[ "$verb" = install ] || exit 0
other=$("$HEPAR" update backend get-current | tr AB BA)
"$HEPAR" update backend set-state "$other" bad
"$HEPAR" update backend set-primary "$other"
"#;

const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
reboot) cat "$BOARD/next" > "$BOARD/running" ;;
"is-active hepar.service") [ ! -e "$BOARD/down" ] ;;
"restart hepar-selftest.service") [ ! -e "$BOARD/broken" ] ;;
*) exit 1 ;;
esac
"#;

/// A box that runs from slot A.
struct Board {
    home: TempDir,
}

impl Board {
    fn new(destinations: &str) -> Self {
        let board = Self {
            home: TempDir::new().unwrap(),
        };
        for (name, script) in [
            ("nvbootctrl", NVBOOTCTRL),
            ("rauc", RAUC),
            ("systemctl", SYSTEMCTL),
        ] {
            let path = board.path("bin").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for state in ["running", "next"] {
            fs::write(board.path(state), "0\n").unwrap();
        }
        let config = format!(
            "[device]\nstate-dir = \"{}\"\n{destinations}",
            board.path("state").display()
        );
        fs::write(board.path("hepar.toml"), config).unwrap();
        board
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Which slot a file of the firmware's state names.
    fn slot(&self, file: &str) -> String {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        text.trim().to_owned()
    }

    /// A signed bundle for this box, which trusts its maker.
    fn bundle(&self, version: &str) -> PathBuf {
        let (key, certificate) = (self.path("key.pem"), self.path("keyring.pem"));
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "3650"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", "/O=hepar test/CN=release", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        run("openssl", &mut openssl).expect_success();

        let content = self.path("content");
        fs::create_dir_all(&content).unwrap();
        // Not to be compressed: a hash tree needs more than one block.
        let image: Vec<u8> = (0..100_000_u32)
            .map(|i| (i.wrapping_mul(i).wrapping_mul(2_654_435_761) >> 15) as u8)
            .collect();
        fs::write(content.join("rootfs.img"), image).unwrap();
        let manifest = format!(
            "[update]\ncompatible=hepar-test\nversion={version}\n[bundle]\nformat=verity\n\
             [image.rootfs]\nfilename=rootfs.img\n"
        );
        fs::write(content.join("manifest.raucm"), manifest).unwrap();
        let bundle = self.path(&format!("hepar-{version}.raucb"));
        let mut rauc = Command::new("rauc");
        let signed_with = |option: &str, path: &Path| format!("--{option}={}", path.display());
        rauc.arg(signed_with("cert", &certificate))
            .arg(signed_with("key", &key))
            .arg("bundle")
            .arg(&content)
            .arg(&bundle);
        run("rauc", &mut rauc).expect_success();
        bundle
    }

    /// `hepar update ...` as root on the box.
    fn update(&self, arguments: &[&str]) -> Finished {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hepar"));
        command
            .arg("update")
            .args(arguments)
            .arg("--config")
            .arg(self.path("hepar.toml"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("BOARD", self.home.path())
            .env("HEPAR", env!("CARGO_BIN_EXE_hepar"));
        run("hepar", &mut command)
    }

    fn install(&self, bundle: &Path) -> Finished {
        self.update(&["install", bundle.to_str().unwrap(), "--restart"])
    }

    fn last_update(&self) -> String {
        self.update(&["status"]).expect_success().stdout
    }
}

fn destination(pacs: &Pacs) -> String {
    format!(
        "[[destination]]\nname = \"pacs\"\nae-title = \"{}\"\naddress = \"{}\"\n",
        Pacs::AE_TITLE,
        pacs.address()
    )
}

#[test]
fn a_system_that_works_is_kept() {
    let pacs = Pacs::pynetdicom(&[]);
    let board = Board::new(&destination(&pacs));
    let said = board
        .install(&board.bundle("0.2.0"))
        .expect_success()
        .stdout;
    assert!(said.contains("signature holds"), "{said}");
    assert!(said.contains("answer now: [pacs]"), "{said}");
    assert_eq!(board.slot("running"), "1", "restarted into the other slot");
    assert_eq!(board.slot("verified"), "", "nobody has vouched for it yet");
    let status = board.last_update();
    assert!(status.contains("0.2.0 is on trial"), "{status}");

    board.update(&["confirm"]).expect_success();
    assert_eq!(board.slot("verified"), "1");
    let status = board.last_update();
    assert!(status.contains("0.2.0 confirmed"), "{status}");
    // The next start changes nothing.
    board.update(&["confirm"]).expect_success();
    assert_eq!(
        (board.slot("running"), board.slot("next")),
        ("1".into(), "1".into())
    );
}

#[test]
fn a_system_that_fails_its_self_test_is_left_for_the_old_one() {
    let board = Board::new("");
    board.install(&board.bundle("0.2.0")).expect_success();
    fs::write(board.path("broken"), "").unwrap();
    board
        .update(&["confirm", "--patience", "0"])
        .expect_success();
    assert_eq!(board.slot("running"), "0", "restarted into the old system");
    assert_eq!(
        board.slot("verified"),
        "",
        "the new one was never vouched for"
    );
    board.update(&["confirm"]).expect_success();
    assert_eq!(board.slot("verified"), "0");
    let status = board.last_update();
    assert!(
        status.contains("0.2.0 given up: hepar-selftest.service fails"),
        "{status}"
    );
}

#[test]
fn a_system_that_cannot_see_its_data_is_not_vouched_for_unless_the_service_runs() {
    let board = Board::new("");
    board.install(&board.bundle("0.2.0")).expect_success();
    // As without the data partition.
    fs::remove_file(board.path("state/update.toml")).unwrap();
    fs::write(board.path("down"), "").unwrap();
    let confirm = || board.update(&["confirm", "--patience", "0"]);
    let refused = confirm();
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("hepar.service fails"));
    assert_eq!(board.slot("verified"), "", "the firmware goes back");

    // A box that was never updated keeps its system, whatever keeps the service down.
    let journal = board.path("state/journal.db");
    fs::write(&journal, "").unwrap();
    confirm().expect_success();
    assert_eq!(board.slot("verified"), "1");
    fs::remove_file(&journal).unwrap();
    fs::remove_file(board.path("verified")).unwrap();

    fs::remove_file(board.path("down")).unwrap();
    confirm().expect_success();
    assert_eq!(board.slot("verified"), "1");
}

#[test]
fn a_system_that_lost_its_pacs_is_left_and_a_pacs_that_was_down_before_counts_for_nothing() {
    let pacs = Pacs::pynetdicom(&[]);
    let down = "[[destination]]\nname = \"archive\"\nae-title = \"X\"\naddress = \"127.0.0.1:1\"\n";
    let board = Board::new(&format!("{}{down}", destination(&pacs)));
    let bundle = board.bundle("0.2.0");
    board.install(&bundle).expect_success();
    board.update(&["confirm"]).expect_success();
    assert_eq!(board.slot("verified"), "1", "as reachable as before");

    board.install(&bundle).expect_success();
    assert_eq!(board.slot("running"), "0");
    drop(pacs);
    board
        .update(&["confirm", "--patience", "0"])
        .expect_success();
    assert_eq!(board.slot("running"), "1");
    board.update(&["confirm"]).expect_success();
    let status = board.last_update();
    assert!(
        status.contains("given up: pacs answered before"),
        "{status}"
    );
}

#[test]
fn a_bundle_that_was_tampered_with_or_cut_short_is_refused_before_anything_is_written() {
    let board = Board::new("");
    let bundle = board.bundle("0.2.0");
    let whole = fs::read(&bundle).unwrap();
    // The signature's last bytes; after them only its length follows.
    let signature = whole.len() - 20;
    for (name, bytes) in [
        (
            "signature",
            [
                &whole[..signature],
                &[whole[signature] ^ 1],
                &whole[signature + 1..],
            ]
            .concat(),
        ),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("text", b"not a bundle".to_vec()),
    ] {
        let path = board.path(&format!("{name}.raucb"));
        fs::write(&path, bytes).unwrap();
        let refused = board.install(&path);
        assert_eq!(refused.code, Some(78), "{name}: {}", refused.stderr);
        assert_eq!(board.slot("next"), "0", "{name}");
        assert!(!board.path("state/update.toml").exists(), "{name}");
    }
    // A good bundle by somebody else.
    let stranger = Board::new("");
    let foreign = stranger.bundle("0.3.0");
    assert_eq!(board.install(&foreign).code, Some(78));
    assert_eq!(board.slot("next"), "0");
}
