//! What the journal's tests have in common.

mod again;
mod commitments;
mod damage;
mod deliveries;
mod instances;
mod removal;
mod runs;
mod series;
mod summary;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    dicom::{AeTitle, Trouble, TroubleKind},
    spool::Source,
};

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn new_series(series: &str) -> NewSeries {
    NewSeries {
        series: uid(series),
        study: uid("1.2"),
        calling_ae: AeTitle::parse("CT1").unwrap(),
        peer: "10.0.0.5".parse().unwrap(),
        description: Some("ABDOMEN".to_owned()),
        modality: "CT".to_owned(),
        accession_number: None,
    }
}

fn instance(sop_instance: &str, series: Option<&str>) -> InstanceRecord {
    InstanceRecord {
        sop_instance: uid(sop_instance),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        series: series.map(uid),
        state: InstanceState::Kept,
        received_at: at(0),
        bytes: 526_000,
        source: Source {
            calling_ae: AeTitle::parse("CT1").unwrap(),
            called_ae: AeTitle::parse("HEPAR").unwrap(),
            peer: "fe80::1".parse().unwrap(),
            association: u64::MAX,
        },
        header: Some(json!({"rows": 512})),
    }
}

fn trouble(words: &str) -> Trouble {
    Trouble::new(TroubleKind::Unreachable, words)
}

fn seg(number: u32) -> ResultObject {
    ResultObject {
        sop_instance: uid(&format!("2.25.{number}")),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.66.4"),
        path: format!("/state/results/{number}.dcm").into(),
    }
}

fn to_each(object: ResultObject, destinations: &[&str]) -> Addressed {
    Addressed {
        object,
        destinations: destinations.iter().map(ToString::to_string).collect(),
    }
}

/// Whatever it is, these want it.
fn wanting(destinations: &[&str]) -> impl Fn(&SeriesRecord, &Uid) -> Vec<String> {
    let names: Vec<String> = destinations.iter().map(ToString::to_string).collect();
    move |_, _| names.clone()
}

fn journal() -> (tempfile::TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovery) = Journal::open(&dir.path().join("journal.db")).unwrap();
    assert_eq!(recovery, Recovery::Created);
    (dir, journal)
}

/// Takes a new series up to segmenting.
pub(crate) fn segmenting(journal: &Journal, series: &str) -> Uid {
    let opened = journal.open_series(&new_series(series), at(0)).unwrap();
    segment(journal, &opened.series, 1);
    opened.series
}

/// Takes a series that is complete up to segmenting.
fn segment(journal: &Journal, series: &Uid, second: i64) {
    for next in [SeriesState::Queued, SeriesState::Segmenting] {
        journal.advance(series, next, None, at(second)).unwrap();
    }
}

/// Records [`seg`] `number` as the series' result, for `destinations`.
fn segmented(
    journal: &Journal,
    series: &Uid,
    number: u32,
    destinations: &[&str],
    second: i64,
) -> SeriesRecord {
    let result = to_each(seg(number), destinations);
    journal
        .record_result(series, &json!({}), &[result], at(second))
        .unwrap()
}

/// A destination took [`seg`] `number`.
fn sent(journal: &Journal, number: u32, destination: &str, second: i64) -> SeriesRecord {
    let object = seg(number).sop_instance;
    journal
        .delivery_attempted(&object, destination, Ok(()), None, at(second))
        .unwrap()
}
