//! Results go encrypted to a PACS that is the right one, and to no other.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::harness::{
    appliance::Hepar,
    certificates::{Authority, Issued, text},
    cli::hepar_in,
    modality::Modality,
    pacs::Pacs,
    phantoms::Series,
};

fn dcmtk<'a>(own: &'a Issued, authority: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut switches = vec!["+tls", text(&own.key), text(&own.certificate)];
    switches.extend(["+cf", text(authority)]);
    switches.extend(more);
    switches
}

fn pynetdicom<'a>(own: &'a Issued, authority: Option<&'a Path>) -> Vec<&'a str> {
    let mut switches = vec!["--tls-certificate", text(&own.certificate)];
    switches.extend(["--tls-key", text(&own.key)]);
    if let Some(authority) = authority {
        switches.extend(["--tls-ca", text(authority)]);
    }
    switches
}

#[test]
fn a_result_reaches_encrypted_pacs_that_ask_for_our_certificate() {
    let hospital = Authority::new();
    let (ours, theirs) = (hospital.issue("hepar"), hospital.issue("pacs"));
    let ca = hospital.file();
    let dcmtk = Pacs::encrypted_storescp(&dcmtk(&theirs, &ca, &["-rc"]));
    let python = Pacs::pynetdicom(&pynetdicom(&theirs, Some(&ca)));
    let tls = format!(
        "tls = {{ ca = \"{}\", name = \"localhost\", certificate = \"{}\", key = \"{}\" }}\n",
        ca.display(),
        ours.certificate.display(),
        ours.key.display()
    );
    let hepar = Hepar::setup()
        .sending_to_with("dcmtk", &dcmtk, &tls)
        .sending_to_with("python", &python, &tls)
        .start();
    let series = Series::small_abdomen(330);
    Modality::storescu(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let end = hepar.wait_for_state(&series.uid, "delivered");
    for destination in end["destinations"].as_array().unwrap() {
        assert_eq!(destination["attempts"], 1, "{destination}");
    }
    assert_eq!(dcmtk.received().len(), 1);
    assert_eq!(python.received().len(), 1);
}

#[test]
fn a_pacs_that_is_not_the_right_one_is_told_apart_in_words() {
    let (hospital, elsewhere) = (Authority::new(), Authority::new());
    let ours = hospital.issue("hepar");
    let (good, expired) = (hospital.issue("pacs"), hospital.issue_expired("old"));
    let right = Pacs::pynetdicom(&pynetdicom(&good, None));
    let late = Pacs::pynetdicom(&pynetdicom(&expired, None));
    let strict = Pacs::pynetdicom(&pynetdicom(&good, Some(&hospital.file())));
    let plain = Pacs::pynetdicom(&[]);

    let ca = |authority: &Authority| format!("ca = \"{}\"", authority.file().display());
    let named = |vouched: &str| format!("tls = {{ {vouched}, name = \"localhost\" }}\n");
    let known = named(&ca(&hospital));
    let pin = format!("tls = {{ pin = \"{}\" }}\n", "AB".repeat(32));
    let shown = format!(
        "tls = {{ {}, name = \"localhost\", certificate = \"{}\", key = \"{}\" }}\n",
        ca(&hospital),
        ours.certificate.display(),
        ours.key.display()
    );
    let wrong_name = format!("tls = {{ {}, name = \"pacs.example\" }}\n", ca(&hospital));
    // A peer that closes at once may take its own last words with it.
    let broke = "broke while we asked";
    let cases: [(_, _, _, &[&str]); 9] = [
        ("right", &right, known.clone(), &["answered in"]),
        ("shown", &strict, shown, &["answered in"]),
        (
            "elsewhere",
            &right,
            named(&ca(&elsewhere)),
            &["no authority"],
        ),
        ("pinned", &right, pin, &["not the pinned"]),
        ("renamed", &right, wrong_name, &["another name"]),
        ("late", &late, known.clone(), &["expired"]),
        (
            "bare",
            &strict,
            known.clone(),
            &["give it our authority", broke],
        ),
        ("plain", &plain, known, &["does not speak TLS"]),
        ("unaware", &right, String::new(), &["speaks TLS", broke]),
    ];
    let home = TempDir::new().unwrap();
    let mut config = Vec::new();
    for (name, pacs, tls, _) in &cases {
        let address = pacs.address();
        config.push(format!(
            "[[destination]]\nname = \"{name}\"\nae-title = \"PACS\"\naddress = \"{address}\"\n{tls}"
        ));
    }
    fs::write(home.path().join("hepar.toml"), config.concat()).unwrap();
    for (name, _, _, words) in &cases {
        let finished = hepar_in(home.path(), &["echo", name, "--config", "hepar.toml"]);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(
            words.iter().any(|words| said.contains(words)),
            "{name}: {said}"
        );
        let expected = if words.contains(&"answered in") {
            0
        } else {
            74
        };
        assert_eq!(finished.code, Some(expected), "{name}: {said}");
    }
}
