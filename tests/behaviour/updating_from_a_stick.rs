//! A stick with the right label brings models and systems to a box without a login.
//!
//! The script of the image runs against stand-ins: `mount` copies a directory, `hepar` and
//! `systemctl` write down how they were called.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::harness::cli::{Finished, run};

const SCRIPT: &str = "yocto/meta-hepar/dynamic-layers/rauc/recipes-hepar/hepar-update/files/stick";
const STAND_INS: [(&str, &str); 5] = [
    ("mount", r#"cp "$3"/* "$4""#),
    ("umount", r#"rm -f "$1"/*"#),
    // Without its options, which end with the account.
    (
        "systemd-run",
        r#"while [ "$1" != --uid=hepar ]; do shift; done; shift; "$@""#,
    ),
    (
        "hepar",
        r#"echo "hepar $1 $2 $(basename "$3")" >>"$BOX/called"; [ ! -e "$BOX/$(basename "$3").cut" ] || kill -9 $PPID
[ ! -e "$BOX/$(basename "$3").refused" ]"#,
    ),
    ("systemctl", r#"echo "systemctl $*" >>"$BOX/called""#),
];

/// A box with an empty stick.
struct Stick {
    home: TempDir,
}

impl Stick {
    fn new() -> Self {
        let stick = Self {
            home: TempDir::new().unwrap(),
        };
        for folder in ["bin", "stick", "data", "run"] {
            fs::create_dir(stick.path(folder)).unwrap();
        }
        for (name, body) in STAND_INS {
            stick.program(&format!("bin/{name}"), &format!("#!/bin/sh\n{body}\n"));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
        let mut script = fs::read_to_string(script).unwrap();
        for folder in ["data", "run"] {
            let (there, here) = (format!("/{folder}/hepar-stick"), stick.path(folder));
            assert!(script.contains(&there), "{there} in\n{script}");
            script = script.replace(&there, &format!("{}/hepar-stick", here.display()));
        }
        stick.program("install", &script);
        stick
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn holds(&self, name: &str, content: &str) {
        fs::write(self.path("stick").join(name), content).unwrap();
    }

    /// What happens to this file when it is installed: `cut` for a power cut, or `refused`.
    fn will_be(&self, name: &str, fate: &str) -> PathBuf {
        let sign = self.path(&format!("{name}.{fate}"));
        fs::write(&sign, "").unwrap();
        sign
    }

    /// Plugs it in, or starts the box with it, and says what was called.
    fn plug_in(&self) -> (Finished, Vec<String>) {
        let _ = fs::remove_file(self.path("called"));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(self.path("install"));
        command
            .arg(self.path("stick"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("BOX", self.home.path());
        let finished = run("stick", &mut command);
        let called = fs::read_to_string(self.path("called")).unwrap_or_default();
        (finished, called.lines().map(str::to_owned).collect())
    }
}

#[test]
fn models_come_first_then_a_system_with_a_restart_and_each_file_once() {
    let stick = Stick::new();
    stick.holds("liver-tumour-2.0.0.tar", "a model");
    stick.holds("hepar-0.2.0.raucb", "a system");
    stick.holds("holiday.jpg", "neither");
    let (finished, called) = stick.plug_in();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(
        called,
        [
            "hepar model install liver-tumour-2.0.0.tar",
            "hepar update install hepar-0.2.0.raucb",
            "systemctl reboot"
        ]
    );
    let (_, called) = stick.plug_in();
    assert!(called.is_empty(), "a stick that stays in: {called:?}");
    stick.holds("liver-tumour-2.0.0.tar", "another model of that name");
    let (_, called) = stick.plug_in();
    assert_eq!(called, ["hepar model install liver-tumour-2.0.0.tar"]);
    let left: Vec<_> = fs::read_dir(stick.path("run")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_refused_is_not_tried_again_and_the_box_stays_up() {
    let stick = Stick::new();
    for name in ["a.tar", "a.raucb"] {
        stick.holds(name, name);
        stick.will_be(name, "refused");
    }
    let (finished, called) = stick.plug_in();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(
        called,
        ["hepar model install a.tar", "hepar update install a.raucb"]
    );
    assert!(stick.plug_in().1.is_empty());
}

#[test]
fn what_a_power_cut_interrupted_is_begun_again() {
    let stick = Stick::new();
    stick.holds("hepar-0.2.0.raucb", "a system");
    let cut = stick.will_be("hepar-0.2.0.raucb", "cut");
    let (finished, _) = stick.plug_in();
    assert_eq!(finished.code, None, "ended by the cut");
    fs::remove_file(cut).unwrap();
    let (_, called) = stick.plug_in();
    let again = ["hepar update install hepar-0.2.0.raucb", "systemctl reboot"];
    assert_eq!(called, again);
}
