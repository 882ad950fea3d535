//! A PACS that is configured so answers for keeping what it stored, and nothing goes before it does.

use std::fs;

use serde_json::Value;

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    pacs::{Asked, Pacs},
    phantoms::Series,
    wait_for,
};

const ASKED: &str = "storage-commitment = true\n";

/// Pushes a series that gives a result, and returns it once that is stored.
fn deliver(hepar: &Hepar, seed: u64) -> Series {
    let series = Series::small_abdomen(seed);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");
    series
}

/// How the commitment to the series' only object stands, once that is `accepted`.
fn wait_for_commitment(
    hepar: &Hepar,
    series: &Series,
    what: &str,
    accepted: impl Fn(&Value) -> bool,
) -> Value {
    let found = hepar.wait_for_series(&series.uid, what, |found| {
        accepted(&found["destinations"][0]["commitment"])
    });
    assert_eq!(found["state"], "delivered", "as ever since it was stored");
    found["destinations"][0]["commitment"].clone()
}

fn wait_until_committed(hepar: &Hepar, series: &Series) {
    wait_for_commitment(hepar, series, "committed", |it| it["state"] == "committed");
}

fn text(hepar: &Hepar, path: &str) -> String {
    String::from_utf8(hepar.get(path).unwrap().body).unwrap()
}

/// The slices that are kept.
fn kept(hepar: &Hepar) -> usize {
    let instances = hepar.state_dir().join("instances");
    walk(&instances)
}

fn walk(directory: &std::path::Path) -> usize {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { 1 }
        })
        .sum()
}

/// Starts it again; retention has done what it does at every start.
fn restart(hepar: &mut Hepar) {
    hepar.kill();
    hepar.start_again();
    wait_for("retention to have looked", || {
        (hepar.status()["disk"]["total_bytes"].as_u64()? > 0).then_some(())
    });
}

#[test]
fn orthanc_commits_and_only_then_the_series_may_go() {
    let pacs = Pacs::orthanc();
    let mut hepar = Hepar::setup()
        .sending_to_with("pacs", &pacs, ASKED)
        .keeping_for("1ms")
        .start();
    let series = deliver(&hepar, 900);
    // It does not know yet where to report to.
    wait_for_commitment(&hepar, &series, "asked in vain", |it| {
        it["tries"].as_u64() > Some(0)
    });
    restart(&mut hepar);
    assert_eq!(
        kept(&hepar),
        series.len(),
        "its time is over, and it is kept"
    );

    pacs.knows("HEPAR", hepar.address());
    wait_until_committed(&hepar, &series);
    let page = text(&hepar, &format!("/series/{}", series.uid));
    assert!(page.contains("Sent 1/1, committed"), "{page}");
    assert!(page.contains("Segmentation committed by pacs"), "{page}");
    restart(&mut hepar);
    assert_eq!(kept(&hepar), 0, "now it may go");
    assert_eq!(pacs.received().len(), 1);
}

#[test]
fn a_report_on_the_same_association_counts_and_is_counted() {
    let pacs = Pacs::pynetdicom(&["--commit", "same"]);
    let hepar = Hepar::setup().sending_to_with("pacs", &pacs, ASKED).start();
    let series = deliver(&hepar, 910);
    wait_until_committed(&hepar, &series);
    wait_for("the report to be answered", || {
        (pacs.answers_to_reports() == ["0000"]).then_some(())
    });
    let [asked] = &pacs.asked_to_commit()[..] else {
        panic!("it was asked once");
    };
    let sent = pacs.ledger()[0].clone();
    let (class, instance) = (sent["sop_class"].as_str(), sent["sop_instance"].as_str());
    let named = format!("{}/{}", class.unwrap(), instance.unwrap());
    assert_eq!(asked.objects, [named]);
    let metrics = text(&hepar, "/metrics");
    for line in [
        "hepar_objects_committed_total{destination=\"pacs\"} 1",
        "hepar_commitment_failures_total{destination=\"pacs\"} 0",
        "hepar_seg_to_committed_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[test]
fn a_report_after_a_kill_counts_and_one_of_anybody_else_does_not() {
    let pacs = Pacs::pynetdicom(&["--commit", "never"]);
    let mut hepar = Hepar::setup()
        .sending_to_with("pacs", &pacs, ASKED)
        .accepting("CT1")
        .start();
    let series = deliver(&hepar, 920);
    let asked = pacs.wait_to_be_asked(1).remove(0);
    hepar.kill();
    hepar.start_again();

    let here = hepar.address();
    assert_eq!(asked.report(here, &["--calling", "STRANGER"]), "rejected");
    assert_eq!(
        asked.report(here, &["--calling", "CT1"]),
        "0115",
        "no destination"
    );
    let unknown = Asked {
        transaction: "2.25.1".to_owned(),
        ..asked.clone()
    };
    assert_eq!(unknown.report(here, &[]), "0115");
    let found = hepar.series(&series.uid).unwrap();
    assert_eq!(found["destinations"][0]["commitment"]["state"], "asked");
    let metrics = text(&hepar, "/metrics");
    assert!(
        metrics.contains("hepar_commitment_reports_refused_total 2"),
        "{metrics}"
    );

    assert_eq!(
        asked.report(here, &["--no-role"]),
        "0000",
        "though no caller, and no role"
    );
    wait_until_committed(&hepar, &series);
    assert_eq!(asked.report(here, &[]), "0000", "once more");
    assert_eq!(
        asked.report(here, &["--reason", "0112"]),
        "0000",
        "nothing is taken back"
    );
    wait_until_committed(&hepar, &series);
    assert_eq!(pacs.asked_to_commit().len(), 1);
}

#[test]
fn what_the_pacs_lost_is_sent_again_and_committed_then() {
    let pacs = Pacs::pynetdicom(&["--commit", "missing,same"]);
    let hepar = Hepar::setup().sending_to_with("pacs", &pacs, ASKED).start();
    let series = deliver(&hepar, 930);
    let refused = wait_for_commitment(&hepar, &series, "refused", |it| it["state"] == "refused");
    let why = refused["last_error"].as_str().unwrap();
    assert!(why.contains("no such SOP instance"), "{why}");
    wait_until_committed(&hepar, &series);
    let ledger = pacs.ledger();
    assert_eq!(ledger.len(), 2, "{ledger:?}");
    assert_eq!(ledger[0]["sop_instance"], ledger[1]["sop_instance"]);
    let [first, second] = &pacs.asked_to_commit()[..] else {
        panic!("it was asked twice");
    };
    assert_ne!(first.transaction, second.transaction);
}

#[test]
fn a_pacs_that_never_reports_is_asked_again_and_may_be_late() {
    let pacs = Pacs::pynetdicom(&["--commit", "never"]);
    let lines = format!("{ASKED}storage-commitment-wait = \"1s\"\n");
    let hepar = Hepar::setup()
        .sending_to_with("pacs", &pacs, &lines)
        .start();
    let series = deliver(&hepar, 940);
    let asked = pacs.wait_to_be_asked(2);
    assert_ne!(asked[0].transaction, asked[1].transaction);
    let waiting = wait_for_commitment(&hepar, &series, "waited for", |it| {
        it["last_error"].is_string()
    });
    let why = waiting["last_error"].as_str().unwrap();
    assert!(why.contains("not reported"), "{why}");
    let page = text(&hepar, &format!("/series/{}", series.uid));
    assert!(page.contains(why), "{page}");
    assert_eq!(asked[0].report(hepar.address(), &[]), "0000");
    wait_until_committed(&hepar, &series);
    assert_eq!(pacs.ledger().len(), 1, "it was sent once");
}

#[test]
fn a_pacs_that_cannot_commit_is_named_with_what_to_do() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup()
        .sending_to_with("pacs", &pacs, ASKED)
        .keeping_for("1ms")
        .start();
    let series = deliver(&hepar, 950);
    let due = wait_for_commitment(&hepar, &series, "not asked", |it| it["state"] == "due");
    assert_eq!(due["remedy"], "service");
    let notice = wait_for("a notice", || {
        let status = hepar.status();
        let notices = status["notices"].as_array()?.iter();
        let mut notices = notices.filter_map(Value::as_str).map(str::to_owned);
        notices.find(|notice| notice.contains("takes no requests to commit"))
    });
    assert!(notice.contains("storage-commitment to false"), "{notice}");
    restart(&mut hepar);
    assert_eq!(kept(&hepar), series.len());

    // Whoever does as the notice says is not left with series that are kept for ever.
    hepar.kill();
    let text = fs::read_to_string(hepar.config()).unwrap();
    let without = text.replace("storage-commitment = true", "storage-commitment = false");
    fs::write(hepar.config(), without).unwrap();
    hepar.start_again();
    wait_for("the series to go", || (kept(&hepar) == 0).then_some(()));
}
