//! The page in a real Chromium: live, operable, accessible, in every size and state.
//!
//! The scenarios are scripts in `tests/browser`; they say when it is this side's turn.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::Command,
};

use hepar::{
    dicom::{AeTitle, Remedy, Trouble, TroubleKind, Uid},
    spool::{
        Source,
        journal::{
            Addressed, InstanceRecord, InstanceState, Journal, NewSeries, ResultObject, SeriesState,
        },
    },
};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    appliance::Hepar, modality::Modality, pacs::Pacs, phantoms::Series, process::Running, wait_for,
};

/// A scenario against the page of `hepar`.
fn scenario(script: &str, hepar: &Hepar) -> Running {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let mut command = Command::new("node");
    command
        .arg(root.join(script))
        .arg(format!("http://{}", hepar.page_address()));
    Running::spawn(script, &mut command)
}

fn wait_for_turn(scenario: &mut Running, word: &str) {
    wait_for(&format!("the browser to say {word}"), || {
        assert!(
            scenario.is_running() || scenario.stdout().contains(word),
            "the scenario ended early"
        );
        scenario.stdout().contains(word).then_some(())
    });
}

#[test]
fn a_study_is_followed_from_its_first_slice_to_the_pacs_and_ordered_again() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let series = Series::small_abdomen(900);
    let mut browser = scenario("live.mjs", &hepar);
    wait_for_turn(&mut browser, "SEND");
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    // Each with the patience of its own: a busy machine takes its time for all of them.
    for reached in ["FOLLOWED", "LOOKED AT", "ORDERED", "FREEZE"] {
        wait_for_turn(&mut browser, reached);
    }
    hepar.freeze();
    wait_for_turn(&mut browser, "THAW");
    hepar.thaw();
    wait_for_turn(&mut browser, "STOP");
    assert_eq!(
        pacs.ledger().len(),
        2,
        "sent once, and once more when ordered; segmented again it is the same result"
    );
    hepar.kill();
    assert!(browser.wait().success(), "the scenario failed");
}

#[test]
fn every_state_explains_itself() {
    let state = TempDir::new().unwrap();
    every_lasting_state(state.path());
    let hepar = Hepar::setup()
        .sending_to(&Pacs::down(&[]))
        .with_bundle_at("/nowhere")
        .keeping_state_in(state.path())
        .start();
    let mut browser = scenario("states.mjs", &hepar);
    wait_for_turn(&mut browser, "SHOWN");
    assert!(browser.wait().success(), "the scenario failed");
}

#[test]
fn the_longest_list_is_light() {
    let state = TempDir::new().unwrap();
    let (journal, _) = Journal::open(&state.path().join("journal.db")).unwrap();
    let few = Trouble::new(TroubleKind::TooFewSlices, "3 slices; a volume needs 4");
    let why = Some((&few, Remedy::Resend));
    for number in 0..60 {
        let series = new_series(&journal, number, Timestamp::now());
        let ignored = journal.advance(&series, SeriesState::Ignored, why, Timestamp::now());
        assert_eq!(ignored.unwrap().state, SeriesState::Ignored);
    }
    drop(journal);
    let hepar = Hepar::setup().keeping_state_in(state.path()).start();
    let mut browser = scenario("weight.mjs", &hepar);
    wait_for_turn(&mut browser, "painted");
    assert!(browser.wait().success(), "the scenario failed");
}

/// A series of which 214 slices have come.
fn new_series(journal: &Journal, number: u32, now: Timestamp) -> Uid {
    let series = NewSeries {
        series: Uid::parse(&format!("1.2.3.{number}")).unwrap(),
        study: Uid::parse("1.2.3").unwrap(),
        calling_ae: AeTitle::parse("CT1").unwrap(),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        description: Some("ABDOMEN PORTALVENOUS 3.0".to_owned()),
        modality: "CT".to_owned(),
        accession_number: Some("A0000123".to_owned()),
    };
    let record = journal.open_series(&series, now).unwrap();
    journal
        .note_received(&record.series, 214, Some(214), now)
        .unwrap();
    record.series
}

/// An instance that came while the series did, and of which nobody can say where it belongs.
fn unreadable(now: Timestamp) -> InstanceRecord {
    let calling_ae = AeTitle::parse("CT1").unwrap();
    InstanceRecord {
        sop_instance: Uid::parse("1.2.3.99.1").unwrap(),
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").unwrap(),
        series: None,
        state: InstanceState::Quarantined {
            reason: "the data set ends too early".to_owned(),
        },
        received_at: now,
        bytes: 1000,
        source: Source {
            called_ae: AeTitle::parse("HEPAR").unwrap(),
            calling_ae,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            association: 1,
        },
        header: None,
    }
}

/// A journal with a series in each state that a box without an engine leaves alone.
fn every_lasting_state(state_dir: &Path) {
    use SeriesState::{Delivered, Failed, Ignored, Queued, Receiving, Refused, Segmenting};
    let (journal, _) = Journal::open(&state_dir.join("journal.db")).unwrap();
    let now = Timestamp::now();
    let new = |number: u32| new_series(&journal, number, now);
    let to = |series: &Uid, states: &[SeriesState]| {
        for state in states {
            journal.advance(series, *state, None, now).unwrap();
        }
    };
    let end = |series: &Uid, state, trouble: &Trouble, remedy| {
        let reason = Some((trouble, remedy));
        journal.advance(series, state, reason, now).unwrap();
    };
    let result = |series: &Uid| {
        to(series, &[Queued, Segmenting]);
        let object = ResultObject {
            sop_instance: Uid::derived("result of", &[series.as_str()]),
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.66.4").unwrap(),
            path: state_dir.join("results/none.dcm"),
        };
        let findings = json!({
            "liver_ml": 1512.0, "tumour_ml": 14.2, "seconds_to_seg": 4.2,
            "lesions": [
                {"volume_ml": 12.0, "longest_axial_mm": 31.0, "centroid_lps": [-60.0, 10.0, 4.0],
                 "slices": [90, 104], "segment": 2},
                {"volume_ml": 2.2, "longest_axial_mm": 17.0, "centroid_lps": [-80.0, 20.0, 44.0],
                 "slices": [130, 136], "segment": 2},
            ],
        });
        journal
            .record_result(
                series,
                &findings,
                &[Addressed {
                    object: object.clone(),
                    destinations: vec!["pacs".to_owned()],
                }],
                now,
            )
            .unwrap();
        object.sop_instance
    };

    let open = new(1);
    assert_eq!(journal.series(&open).unwrap().unwrap().state, Receiving);
    journal.note_received(&open, 214, Some(300), now).unwrap();
    journal.record_instance(&unreadable(now)).unwrap();
    to(&new(2), &[Queued]);
    let waiting = result(&new(3));
    let hangs_up = Trouble::new(TroubleKind::Aborted, "pacs hangs up");
    let later = now
        .checked_add(jiff::SignedDuration::from_mins(10))
        .unwrap();
    journal
        .delivery_attempted(&waiting, "pacs", Err(&hangs_up), Some(later), now)
        .unwrap();
    let sent = result(&new(4));
    let delivered = journal.delivery_attempted(&sent, "pacs", Ok(()), None, now);
    assert_eq!(delivered.unwrap().state, Delivered);
    let localizer = Trouble::new(TroubleKind::NotSegmentable, "a localizer");
    end(&new(5), Ignored, &localizer, Remedy::Resend);
    let refused = new(6);
    to(&refused, &[Queued, Segmenting]);
    let why = "no part of the series shows the liver";
    let findings = json!({"liver_ml": 0.0, "tumour_ml": 0.0, "lesions": [], "gates": [
        {"code": "body-region", "outcome": "refuse", "measured": 0.0, "unit": "mm", "words": why},
    ]});
    let gate = Trouble::new(TroubleKind::Gates, why);
    let recorded = journal.record_refusal(&refused, &findings, (&gate, Remedy::Resend), now);
    assert_eq!(recorded.unwrap().state, Refused);
    let failed = new(7);
    to(&failed, &[Queued, Segmenting]);
    let why = "segmenting it ended the process 2 times";
    let poison = Trouble::new(TroubleKind::EndedTheProcess, why);
    end(&failed, Failed, &poison, Remedy::Service);
}
