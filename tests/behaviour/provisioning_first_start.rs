//! The first start makes what is missing, and no start writes anything over.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::harness::{
    appliance::Hepar,
    browser::PASSWORD,
    cli::{hepar_in, hepar_told},
};

/// What stands after `words` in a line of `text`.
fn said(text: &str, words: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(words));
    line.unwrap_or_else(|| panic!("{words:?} is not in\n{text}"))
        .trim()
        .to_owned()
}

#[test]
fn the_first_start_lets_one_administrator_in_who_must_choose_a_password() {
    let mut hepar = Hepar::setup().start_guarded();
    let log = hepar.log();
    let password = said(&log, "one-time password");
    assert_eq!(log.matches(&password).count(), 1, "told once");
    assert_eq!(said(&log, "new user"), "administrator");
    let page = said(&log, "page ");
    assert_eq!(page, format!("https://{}/", hepar.page_address()));
    assert_eq!(said(&log, "its SHA-256").len(), 32 * 3 - 1);
    for name in ["users.toml", "page.key"] {
        let mode = fs::metadata(hepar.home().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    let mut browser = hepar.browser();
    assert_eq!(browser.log_in("administrator", &password).status, 303);
    for path in ["/", "/api/status", "/series/1.2.3"] {
        let reply = browser.get(path);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some("/password")),
            "{path}"
        );
    }
    let csrf = browser.get("/password").hidden("csrf");
    let fields = [
        ("csrf", csrf.as_str()),
        ("current", &password),
        ("new", PASSWORD),
        ("repeated", PASSWORD),
    ];
    assert_eq!(browser.post("/password", &fields).status, 303);
    assert_eq!(browser.get("/").status, 200);

    let files = ["users.toml", "page.pem", "page.key"];
    let read = |hepar: &Hepar| files.map(|name| fs::read(hepar.home().join(name)).unwrap());
    let before = read(&hepar);
    hepar.terminate();
    hepar.start_again_guarded();
    assert_eq!(read(&hepar), before, "a second start changes nothing");
    assert!(!hepar.log().contains("one-time"), "{}", hepar.log());
    let mut browser = hepar.browser();
    assert_eq!(browser.log_in("administrator", &password).status, 401);
    assert_eq!(browser.log_in("administrator", PASSWORD).status, 303);
}

#[test]
fn a_later_start_names_what_is_missing_and_makes_nothing() {
    let mut hepar = Hepar::setup().start_guarded();
    hepar.terminate();
    let config = hepar.config().display().to_string();
    let attempts = [("users.toml", "users.toml"), ("page.key", "page.key")];
    for (name, words) in attempts {
        let (there, aside) = (hepar.home().join(name), hepar.home().join("aside"));
        fs::rename(&there, &aside).unwrap();
        for arguments in [
            ["serve", "--config", &config].as_slice(),
            &["check-config", &config],
        ] {
            let finished = hepar_in(hepar.home(), arguments);
            assert_eq!(finished.code, Some(78), "{}", finished.stderr);
            assert!(finished.stderr.contains(words), "{}", finished.stderr);
        }
        assert!(!there.exists(), "{name} was made");
        fs::rename(&aside, &there).unwrap();
    }
    hepar_in(hepar.home(), &["check-config", &config]).expect_success();
}

#[test]
fn provisioning_writes_a_configuration_that_explains_itself() {
    let home = TempDir::new().unwrap();
    let provision = || {
        hepar_in(home.path(), &["provision", "--config", "etc/hepar.toml"])
            .expect_success()
            .stdout
    };
    let first = provision();
    assert_eq!(said(&first, "new configuration"), "etc/hepar.toml");
    said(&first, "one-time password");
    let files = [
        "etc/hepar.toml",
        "hepar-state/users.toml",
        "hepar-state/page/certificate.pem",
        "hepar-state/page/key.pem",
    ];
    let read = || files.map(|name| fs::read(home.path().join(name)).unwrap());
    let before = read();
    let second = provision();
    assert!(
        !second.contains("new ") && !second.contains("one-time"),
        "{second}"
    );
    assert_eq!(read(), before);

    let explained = hepar_in(home.path(), &["check-config", "etc/hepar.toml"])
        .expect_success()
        .stdout;
    let line = said(&explained, "address = \"0.0.0.0:8443\"");
    assert!(
        line.starts_with("# line ") && line.contains("TLS"),
        "{line}"
    );
    assert!(
        said(&explained, "quiet-period =").contains("# default"),
        "{explained}"
    );
    assert!(explained.contains("for users only"), "{explained}");
    let hash = fs::read_to_string(home.path().join("hepar-state/users.toml")).unwrap();
    let hash = hash
        .split_once("$argon2id")
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0;
    assert!(!explained.contains(hash) && !explained.contains("PRIVATE KEY"));
}

#[test]
fn a_mistyped_configuration_does_not_make_a_new_one_on_a_box_in_use() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("hepar-state")).unwrap();
    fs::write(home.path().join("hepar-state/journal.db"), "").unwrap();
    let finished = hepar_in(home.path(), &["serve", "--config", "hepra.toml"]);
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("hepra.toml"),
        "{}",
        finished.stderr
    );
    assert!(!Path::new(&home.path().join("hepra.toml")).exists());
}

#[test]
fn users_are_kept_by_the_command_line() {
    let home = TempDir::new().unwrap();
    let user = |arguments: &[&str], input: &str| {
        let arguments: Vec<_> = ["user"].iter().chain(arguments).copied().collect();
        hepar_told(home.path(), &arguments, input)
    };
    fs::create_dir(home.path().join("hepar-state")).unwrap();
    let add = ["add", "anna", "--role", "administrator"];
    user(&add, "correct horse battery\n").expect_success();
    assert_eq!(user(&add, "correct horse battery\n").code, Some(64));
    assert_eq!(
        user(&["add", "bert", "--role", "viewer"], "short\n").code,
        Some(64)
    );
    assert_eq!(user(&["add", "bert", "--role", "root"], "").code, Some(64));
    assert_eq!(
        user(&["add", "bert", "--role", "viewer"], "").code,
        Some(64)
    );
    let made = user(&["add", "bert", "--role", "viewer", "--one-time"], "").expect_success();
    said(&made.stdout, "one-time password");
    let list = user(&["list"], "").expect_success().stdout;
    assert!(said(&list, "anna").starts_with("administrator"), "{list}");
    assert!(said(&list, "bert").contains("one-time"), "{list}");
    user(&["set-password", "bert"], "another good password\n").expect_success();
    assert_eq!(
        user(&["remove", "anna"], "").code,
        Some(64),
        "the last administrator stays"
    );
    user(&["remove", "bert"], "").expect_success();
    assert!(!user(&["list"], "").stdout.contains("bert"));
}
