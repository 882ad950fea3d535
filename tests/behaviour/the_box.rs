//! The box tells how it is, tries itself and its destinations, and helps whoever helps it.

use std::{collections::BTreeSet, fs, io::Read, path::Path};

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use serde_json::Value;

use crate::harness::{
    appliance::Hepar,
    cli::hepar_in,
    modality::Modality,
    objects::{edit, text},
    pacs::Pacs,
    phantoms::Series,
    wait_for,
};

fn page(hepar: &Hepar, path: &str) -> String {
    let answer = hepar.get(path).unwrap();
    assert_eq!(answer.status, 200, "{path}");
    String::from_utf8(answer.body).unwrap()
}

/// Names such as `hepar_receive_gap_seconds`, without what a histogram appends.
fn metrics_in(words: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let names = words
        .split(|c| !is_name(c))
        .filter(|word| word.starts_with("hepar_"));
    names
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned())
        .collect()
}

#[test]
fn dashboard_and_alerts_name_what_a_box_exports_and_the_page_says_how_it_is() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(220);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");

    let monitoring = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let named: BTreeSet<String> = ["grafana-dashboard.json", "alerts.yml"]
        .iter()
        .flat_map(|name| metrics_in(&fs::read_to_string(monitoring.join(name)).unwrap()))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    wait_for("every metric that is named", || {
        let exported = metrics_in(&page(&hepar, "/metrics"));
        let missing: Vec<_> = named.difference(&exported).collect();
        (!missing.is_empty()).then(|| eprintln!("not exported yet: {missing:?}"));
        missing.is_empty().then_some(())
    });
    let exported = page(&hepar, "/metrics");
    assert!(!exported.contains(&series.uid), "no label is a UID");

    let status = hepar.status();
    assert!(status["board"]["memory_total_bytes"].as_u64().unwrap() > 0);
    assert!(status["board"]["cpu_cores"].as_u64().unwrap() > 0);
    assert!(status["disk"]["total_bytes"].as_u64().unwrap() > 0);
    let html = page(&hepar, "/box");
    for words in [
        "Memory free",
        "Processor",
        "No self-test has run yet",
        "tract",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn a_self_test_passes_beside_a_running_series_and_leaves_nothing_behind() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    hepar.wait_for_engine();
    let series = Series::small_abdomen(221);
    let sending = Modality::storescu(&[]).start(hepar.address(), &series.files);
    assert_eq!(hepar.post("/box/self-test", &[]).status, 200);
    sending.finish().expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");

    let test = wait_for("the self-test to end", || {
        let test = hepar.status()["self_test"].clone();
        test.is_object().then_some(test)
    });
    assert_eq!(test["passed"], true, "{test}");
    assert!(test["liver_dice"].as_f64().unwrap() > 0.8, "{test}");
    assert!(page(&hepar, "/box").contains("Passed"));

    let all = hepar.status()["series"].as_array().unwrap().len();
    assert_eq!(all, 1, "the journal heard of the patient's series alone");
    assert_eq!(pacs.received().len(), 1);
    assert!(!hepar.state_dir().join("self-test").exists());

    hepar.terminate();
    hepar.start_again();
    assert_eq!(
        hepar.status()["self_test"],
        test,
        "it is known after a restart"
    );

    let config = hepar.config().to_owned();
    let arguments = [
        "self-test".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let beside = hepar_in(hepar.home(), &arguments).expect_success();
    assert!(beside.stdout.starts_with("passed in"), "{}", beside.stdout);
}

#[test]
fn a_self_test_without_a_model_fails_and_says_why() {
    let home = tempfile::TempDir::new().unwrap();
    let config = home.path().join("hepar.toml");
    fs::write(&config, "[model]\nbundle = \"/nowhere\"\n").unwrap();
    let arguments = [
        "self-test".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let finished = hepar_in(home.path(), &arguments);
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    assert!(finished.stderr.contains("/nowhere"), "{}", finished.stderr);
}

#[test]
fn a_destination_of_any_name_can_be_tried_out() {
    let nobody = "127.0.0.1:1".parse().unwrap();
    let hepar = Hepar::setup()
        .sending_to_address("ward 7/a?#%", nobody)
        .start();
    let html = page(&hepar, "/destinations");
    let (_, form) = html.split_once("method=\"post\" action=\"").unwrap();
    let (path, _) = form.split_once('"').unwrap();
    let said = hepar.post(path, &[]);
    assert_eq!(said.status, 200, "{path}");
    let html = String::from_utf8(said.body).unwrap();
    assert!(html.contains("ward 7/a?#%"), "{html}");
}

#[test]
fn a_destination_tried_out_says_what_it_takes_and_takes_it() {
    let pacs = Pacs::pynetdicom(&["--without", uids::COMPREHENSIVE3_DSR_STORAGE]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let said = hepar.post("/destinations/pacs/test", &[("objects", "yes")]);
    assert_eq!(said.status, 200);
    let html = String::from_utf8(said.body).unwrap();
    for words in [
        "It answers",
        "takes Segmentation Storage in Explicit VR Little Endian or Implicit VR Little Endian",
        "takes no Comprehensive 3D SR Storage: class not supported",
        "stored a synthetic Segmentation Storage",
        "stored no Comprehensive 3D SR Storage",
    ] {
        assert!(html.contains(words), "{words}\n{html}");
    }
    let held = pacs.received();
    assert_eq!(held.len(), 2);
    for object in held {
        let object = object.open();
        let name = object
            .element(tags::PATIENT_NAME)
            .unwrap()
            .to_str()
            .unwrap();
        assert!(name.starts_with("PHANTOM"), "{name}");
    }
    assert_eq!(hepar.post("/destinations/archive/test", &[]).status, 404);

    let config = hepar.config().to_owned();
    let echo = |option: &str| {
        let arguments = ["echo", "--config", config.to_str().unwrap(), "pacs", option];
        let arguments: Vec<&std::ffi::OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        hepar_in(hepar.home(), &arguments)
    };
    let sent = echo("--objects").expect_success();
    assert!(
        sent.stdout.contains("stored a synthetic"),
        "{}",
        sent.stdout
    );
    assert_eq!(pacs.received().len(), 2, "the same objects again");
}

#[test]
fn log_and_support_bundle_help_without_naming_patient_or_secret() {
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(222);
    let planted = [
        (tags::PATIENT_NAME, VR::PN, "Planted^Name"),
        (tags::PATIENT_ID, VR::LO, "PLANTED-ID"),
        (tags::ACCESSION_NUMBER, VR::SH, "PLANTEDACC"),
        (tags::SERIES_DESCRIPTION, VR::LO, "Planted description"),
    ];
    for file in &series.files {
        edit(file, |object| {
            for (tag, vr, value) in planted {
                object.put(text(tag, vr, value));
            }
        });
    }
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");

    let log = page(&hepar, "/log");
    assert!(log.contains("series complete"), "{log}");
    assert!(!page(&hepar, "/log?level=error").contains("series complete"));
    assert!(page(&hepar, "/log?text=SEGMENTED").contains("segmented"));
    assert!(page(&hepar, "/log?text=no+such+words").contains("No such line"));

    let answer = hepar.get("/support").unwrap();
    assert_eq!(answer.status, 200);
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&answer.body[..]));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut words = String::new();
        entry.read_to_string(&mut words).unwrap();
        files.push((name, words));
    }
    let file = |ending: &str| {
        &files
            .iter()
            .find(|(name, _)| name.ends_with(ending))
            .unwrap()
            .1
    };
    assert!(file("log.txt").contains("series complete"));
    assert!(file("configuration.toml").contains("quiet-period"));
    let told: Value = serde_json::from_str(file("series.json")).unwrap();
    assert_eq!(told[0]["state"], "delivered");
    let status: Value = serde_json::from_str(file("status.json")).unwrap();
    assert!(
        status["counts"]["delivered"].as_u64() == Some(1),
        "{status}"
    );

    let study = series.study();
    let hidden = planted.map(|(_, _, value)| value);
    let hidden = hidden.iter().copied().chain([&*series.uid, &*study]);
    for hidden in hidden.chain(["Planted", "PLANTED"]) {
        for (name, words) in &files {
            assert!(!words.contains(hidden), "{hidden} stands in {name}");
        }
    }
}
