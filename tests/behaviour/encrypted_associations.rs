//! Scanners that send encrypted are heard beside those that send plain, and nobody else is.

use std::path::Path;

use crate::harness::{
    appliance::Hepar,
    certificates::{Authority, Issued, text},
    modality::Modality,
    phantoms::Series,
    wait_for,
};

/// DCMTK's switches for an encrypted scanner.
fn dcmtk<'a>(own: Option<&'a Issued>, authority: &'a Path) -> Vec<&'a str> {
    let mut switches = match own {
        Some(own) => vec!["+tls", text(&own.key), text(&own.certificate)],
        None => vec!["+tla"],
    };
    switches.extend(["+cf", text(authority)]);
    switches
}

/// pynetdicom's.
fn pynetdicom<'a>(own: Option<&'a Issued>, authority: &'a Path) -> Vec<&'a str> {
    let mut switches = vec!["--tls-ca", text(authority)];
    if let Some(own) = own {
        switches.extend(["--tls-certificate", text(&own.certificate)]);
        switches.extend(["--tls-key", text(&own.key)]);
    }
    switches
}

/// Waits until a refusal for this reason was counted.
fn wait_for_refusal(hepar: &Hepar, words: &str) {
    wait_for(&format!("a refusal because of {words:?}"), || {
        let status = hepar.status();
        let refused = status["refused_callers"].as_object().unwrap();
        refused
            .keys()
            .any(|reason| reason.contains(words))
            .then_some(())
    });
}

#[test]
fn encrypted_and_plain_scanners_send_side_by_side() {
    let hospital = Authority::new();
    let own = hospital.issue("hepar");
    let hepar = Hepar::setup().encrypted(&own, "").start();
    let ca = hospital.file();
    let (plain, dcmtk_series) = (Series::three_slices(300), Series::three_slices(301));
    let pynetdicom_series = Series::three_slices(302);
    let encrypted = Modality::storescu(&dcmtk(None, &ca));
    let encrypted = encrypted.start(hepar.tls_address(), &dcmtk_series.files);
    let python = Modality::pynetdicom(&pynetdicom(None, &ca));
    let python = python.start(hepar.tls_address(), &pynetdicom_series.files);
    Modality::storescu(&[])
        .send(hepar.address(), &plain.files)
        .expect_all(plain.len());
    encrypted.finish().expect_all(dcmtk_series.len());
    python.finish().expect_all(pynetdicom_series.len());
    for series in [&plain, &dcmtk_series, &pynetdicom_series] {
        let end = hepar.wait_for_end(&series.uid);
        assert_eq!(end["instances_received"], series.len());
    }
    let certificates = hepar.status()["certificates"].clone();
    assert_eq!(certificates[0]["name"], "hepar");
}

#[test]
fn where_a_certificate_is_required_only_a_good_one_gets_in() {
    let (hospital, elsewhere) = (Authority::new(), Authority::new());
    let own = hospital.issue("hepar");
    let rules = format!(
        "client-certificates = \"required\"\nclient-ca = \"{}\"\n",
        hospital.file().display()
    );
    let hepar = Hepar::setup().encrypted(&own, &rules).start();
    let (good, expired) = (hospital.issue("ct1"), hospital.issue_expired("ct2"));
    let strange = elsewhere.issue("ct3");
    let series = Series::three_slices(310);
    let ca = hospital.file();
    let (to, files) = (hepar.tls_address(), &series.files);

    for (shown, words) in [
        (None, "shows no certificate"),
        (Some(&expired), "expired"),
        (Some(&strange), "no authority"),
    ] {
        let sent = Modality::pynetdicom(&pynetdicom(shown, &ca)).send(to, files);
        assert_eq!(sent.acknowledged, 0, "{words}");
        wait_for_refusal(&hepar, words);
    }
    let bare = Modality::storescu(&dcmtk(None, &ca)).send(to, files);
    assert!(!bare.status.success());

    Modality::storescu(&dcmtk(Some(&good), &ca))
        .send(to, files)
        .expect_all(series.len());
    let again = Series::three_slices(311);
    Modality::pynetdicom(&pynetdicom(Some(&good), &ca))
        .send(to, &again.files)
        .expect_all(again.len());
}

#[test]
fn a_caller_is_known_by_its_network_and_its_certificate() {
    let hospital = Authority::new();
    let own = hospital.issue("hepar");
    let rules = format!(
        "client-certificates = \"optional\"\nclient-ca = \"{}\"\n\
         [[caller]]\nae-title = \"CT1\"\ncertificate = \"ct1\"\n\
         [[caller]]\nae-title = \"CT2\"\naddress = \"127.0.0.0/8\"\n\
         [[caller]]\nae-title = \"CT3\"\naddress = \"10.0.0.0/8\"\n",
        hospital.file().display()
    );
    let hepar = Hepar::setup().encrypted(&own, &rules).start();
    assert_eq!(hepar.status()["anyone_may_send"], false);
    let (one, two) = (hospital.issue("ct1"), hospital.issue("ct2"));
    let ca = hospital.file();
    let series = Series::three_slices(320);
    let send = |name: &str, shown: Option<&Issued>| {
        Modality::storescu(&dcmtk(shown, &ca))
            .named(name)
            .send(hepar.tls_address(), &series.files)
            .acknowledged
    };
    assert_eq!(send("CT1", Some(&one)), series.len());
    assert_eq!(send("CT1", Some(&two)), 0, "another's certificate");
    assert_eq!(send("CT1", None), 0, "no certificate");
    wait_for_refusal(&hepar, "does not show the certificate");
    assert_eq!(send("CT2", None), series.len());
    assert_eq!(send("CT3", None), 0);
    wait_for_refusal(&hepar, "address that is not its own");
    assert_eq!(send("CT9", Some(&one)), 0);
    wait_for_refusal(&hepar, "not among the callers");
    let plain = Modality::storescu(&[]).send(hepar.address(), &series.files);
    assert_eq!(
        plain.acknowledged, 0,
        "CT1 cannot show a certificate in plain"
    );
}

#[test]
fn keys_that_others_could_read_are_refused_and_no_key_is_ever_shown() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let hospital = Authority::new();
    let own = hospital.issue("hepar");
    let hepar = Hepar::setup().encrypted(&own, "").start();
    let pem = fs::read_to_string(&own.key).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let checked = crate::harness::cli::hepar_in(
        hepar.home(),
        &["check-config".as_ref(), hepar.config().as_os_str()],
    )
    .expect_success();
    let status = hepar.status().to_string();
    for said in [&status, &hepar.log(), &checked.stdout, &checked.stderr] {
        assert!(!said.contains(secret));
    }
    assert!(
        checked.stdout.contains(text(&own.key)),
        "the place is shown"
    );

    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = crate::harness::cli::hepar_in(
        hepar.home(),
        &[
            "serve".as_ref(),
            "--config".as_ref(),
            hepar.config().as_os_str(),
        ],
    );
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
}
