//! What cannot work is one clear line and an exit code that keeps systemd from trying again.

use std::fs;

use tempfile::TempDir;

use crate::harness::{
    appliance::Hepar,
    cli::{Finished, hepar_in},
    place::own_address,
};

const USAGE: i32 = 64;
const IO: i32 = 74;
const CONFIGURATION: i32 = 78;

/// Serves a configuration that must be refused.
fn serve(configuration: &str) -> Finished {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("hepar.toml"), configuration).unwrap();
    hepar_in(home.path(), &["serve", "--config", "hepar.toml"])
}

fn check(finished: &Finished, code: i32, words: &[&str]) {
    let line = finished.stderr.trim_end();
    assert_eq!(finished.code, Some(code), "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
    assert_eq!(line.lines().count(), 1, "one line is enough: {line}");
}

#[test]
fn a_wrong_value_is_refused_with_its_line_and_column() {
    let wrong = [
        ("[listener]\nport = 11112\n", ["hepar.toml:2:1", "port"]),
        (
            "[listener]\nae-title = \"THIS TITLE IS TOO LONG\"\n",
            ["hepar.toml:2:12", "16"],
        ),
        (
            "\n[series]\nquiet-period = \"soon\"\n",
            ["hepar.toml:3:16", "soon"],
        ),
        (
            "[listener]\naddress = \"here:104\"\n",
            ["hepar.toml:2:11", "address"],
        ),
        (
            "[model]\nengine = \"steam\"\n",
            ["hepar.toml:2:10", "tract"],
        ),
        ("[listener\n", ["hepar.toml:1:", ""]),
    ];
    for (configuration, words) in wrong {
        check(&serve(configuration), CONFIGURATION, &words);
    }
}

#[test]
fn what_is_well_formed_but_cannot_work_is_refused() {
    let destination = "[[destination]]\nname = \"pacs\"\nae-title = \"PACS\"\n";
    let wrong = [
        (
            format!("{destination}address = \"10.0.0.9\"\n"),
            "host:port",
        ),
        (
            format!("{destination}address = \"p:104\"\n{destination}address = \"q:104\"\n"),
            "two destinations",
        ),
        (
            "[[caller]]\nae-title = \"CT1\"\ndestinations = [\"pacs\"]\n".to_owned(),
            "does not exist",
        ),
        (
            "[status]\nshow-patient = true\n".to_owned(),
            "needs a login",
        ),
        (
            "[listener]\nmax-associations = 0\n".to_owned(),
            "at least 1",
        ),
    ];
    for (configuration, words) in wrong {
        check(&serve(&configuration), CONFIGURATION, &[words]);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let hepar = Hepar::start();
    let home = TempDir::new().unwrap();
    let free = own_address();
    for (dicom, page) in [(hepar.address(), free), (free, hepar.page_address())] {
        let configuration = format!(
            "[device]\nstate-dir = \"{}\"\n[listener]\naddress = \"{dicom}\"\n[status]\naddress = \"{page}\"\n",
            home.path().join("state").display()
        );
        let taken = if dicom == free { page } else { dicom };
        let finished = serve(&configuration);
        assert_eq!(finished.code, Some(IO), "{}", finished.stderr);
        let last = finished.stderr.lines().last().unwrap();
        assert!(last.contains(&taken.to_string()), "{last}");
    }
}

#[test]
fn a_second_appliance_on_the_same_state_is_refused() {
    let hepar = Hepar::start();
    let (dicom, page) = (own_address(), own_address());
    let finished = serve(&format!(
        "[device]\nstate-dir = \"{}\"\n[listener]\naddress = \"{dicom}\"\n[status]\naddress = \"{page}\"\n",
        hepar.state_dir().display()
    ));
    assert_eq!(finished.code, Some(IO), "{}", finished.stderr);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    let finished = serve(&format!(
        "[device]\nstate-dir = \"{0}\"\n[listener]\naddress = \"{1}\"\n[status]\naddress = \"{2}\"\n",
        file.join("state").display(),
        own_address(),
        own_address(),
    ));
    assert_eq!(finished.code, Some(IO), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("file"), "{last}");
}

#[test]
fn a_wrong_command_line_is_explained() {
    let home = TempDir::new().unwrap();
    for arguments in [
        &["serv"][..],
        &["segment"],
        &["serve", "--port", "104"],
        &["check-config", "a", "b"],
    ] {
        let finished = hepar_in(home.path(), arguments);
        assert_eq!(finished.code, Some(USAGE), "{arguments:?}");
        assert!(finished.stderr.contains("Usage"), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}
