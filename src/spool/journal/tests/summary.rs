//! What the first page shows of the journal, and that it costs the same however long the journal is.

use std::collections::BTreeMap;

use rusqlite::{Connection, StatementStatus};

use super::*;
use crate::dicom::{Trouble, TroubleKind};
use crate::spool::journal::{deliveries::DELIVERY, schema, series::SERIES};

fn result() -> serde_json::Value {
    json!({
        "liver_ml": 1512.5, "tumour_ml": 14, "seconds_to_seg": 4.25,
        "lesions": [{"volume_ml": 12.0}, {"volume_ml": 2.0}],
        "gates": [
            {"code": "liver-volume", "outcome": "pass", "measured": 1512.5},
            {"code": "body-region", "outcome": "refuse", "measured": 12},
            {"code": "not-measured", "outcome": "refuse", "measured": null},
        ],
    })
}

fn summed_up() -> Summary {
    Summary {
        liver_ml: Some(1512.5),
        lesions: Some(2),
        tumour_ml: Some(14.0),
        seconds_to_seg: Some(4.25),
        gates: [
            ("liver-volume", GateOutcome::Pass, 1512.5),
            ("body-region", GateOutcome::Refuse, 12.0),
        ]
        .map(|(code, outcome, measured)| GateSummary {
            code: code.to_owned(),
            outcome,
            measured,
        })
        .to_vec(),
    }
}

#[test]
fn the_figures_of_a_result_are_those_of_its_findings_whenever_they_are_written() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let record = || journal.series(&series).unwrap().unwrap();
    assert_eq!(record().summary, Summary::default());

    let refused = Trouble::new(TroubleKind::Gates, "12 mm show the liver");
    let reason = (&refused, Remedy::Resend);
    journal
        .record_refusal(&series, &result(), reason, at(2))
        .unwrap();
    assert_eq!(record().summary, summed_up());
    assert_eq!(journal.recent(1, 0).unwrap(), [record()]);

    journal.segment_again(&series, at(3)).unwrap();
    journal
        .advance(&series, SeriesState::Segmenting, None, at(3))
        .unwrap();
    let better = json!({"liver_ml": 1500.0, "lesions": []});
    journal
        .record_result(&series, &better, &[to_each(seg(1), &[])], at(4))
        .unwrap();
    let expected = Summary {
        liver_ml: Some(1500.0),
        lesions: Some(0),
        ..Summary::default()
    };
    assert_eq!(record().summary, expected);
    assert_eq!(journal.findings(&series).unwrap(), Some(better));
    assert_eq!(journal.findings(&uid("1.2.4")).unwrap(), None);
}

#[test]
fn results_in_an_older_journal_are_summed_up_and_its_series_counted() {
    let dir = tempfile::tempdir().unwrap();
    for version in 1..schema::CURRENT {
        let path = dir.path().join(format!("{version}.db"));
        let old = Connection::open(&path).unwrap();
        schema::create(&old, version as usize).unwrap();
        for (id, state, findings) in [
            (1, "delivered", Some(result().to_string())),
            (2, "refused", Some("cut o".to_owned())),
            (3, "refused", None),
        ] {
            old.execute(
                "INSERT INTO series (id, series, study, state, calling_ae, peer, modality,
                     first_received_at, last_received_at, findings)
                 VALUES (?1, '1.2.' || ?1, '1.2', ?2, 'CT1', '10.0.0.5', 'CT', 0, 0, ?3)",
                (id, state, findings),
            )
            .unwrap();
        }
        drop(old);
        let (journal, recovery) = Journal::open(&path).unwrap();
        assert_eq!(recovery, Recovery::Migrated { from: version });
        let records = journal.recent(9, 0).unwrap();
        let summaries: Vec<_> = records.into_iter().map(|record| record.summary).collect();
        let none = Summary::default;
        assert_eq!(summaries, [none(), none(), summed_up()], "from {version}");
        let expected = [(SeriesState::Delivered, 1), (SeriesState::Refused, 2)];
        assert_eq!(journal.counts().unwrap(), BTreeMap::from(expected));
    }
}

/// How many steps SQLite's machine takes for each of the page's statements.
fn steps(journal: &Journal) -> Vec<i32> {
    let statements = [
        format!("{SERIES} ORDER BY id DESC LIMIT ?1 OFFSET ?2"),
        format!(
            "{DELIVERY} WHERE objects.series = ?1 ORDER BY objects.revision, destination, object"
        ),
        "SELECT state, series FROM series_counts WHERE series > 0".to_owned(),
        "SELECT * FROM instances WHERE quarantined IS NOT NULL
                 ORDER BY received_at DESC LIMIT ?1"
            .to_owned(),
    ];
    let taken = || {
        let connection = journal.connection.lock().unwrap();
        let steps = statements.iter().map(|sql| {
            let statement = connection.prepare_cached(sql).unwrap();
            statement.reset_status(StatementStatus::VmStep)
        });
        steps.collect::<Vec<_>>()
    };
    // What it took to fill the journal.
    taken();
    assert_eq!(journal.recent(50, 0).unwrap().len(), 50);
    assert_eq!(journal.counts().unwrap().len(), 1);
    assert_eq!(journal.quarantined(20).unwrap().len(), 20);
    let taken = taken();
    assert!(!taken.contains(&0), "the journal asks otherwise: {taken:?}");
    taken
}

#[test]
fn the_first_page_asks_as_little_of_a_long_journal_as_of_a_short_one() {
    let taken = [60, 240].map(|series| {
        let (_dir, journal) = journal();
        for number in 1..=series {
            let name = format!("1.2.{number}");
            let series = segmenting(&journal, &name);
            let mut object = seg(1);
            object.sop_instance = uid(&format!("2.25.{number}"));
            journal
                .record_result(&series, &result(), &[to_each(object, &["pacs"])], at(3))
                .unwrap();
            let mut unreadable = instance(&format!("{name}.1"), None);
            unreadable.state = InstanceState::Quarantined {
                reason: "cut short".to_owned(),
            };
            journal.record_instance(&unreadable).unwrap();
        }
        steps(&journal)
    });
    assert_eq!(taken[0], taken[1]);
}
