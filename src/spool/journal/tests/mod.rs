mod again;
mod damage;
mod removal;
mod runs;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{dicom::AeTitle, spool::Source};
use jiff::{SignedDuration, Timestamp, ToSpan};

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn new_series(series: &str) -> NewSeries {
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

fn seg(number: u32) -> ResultObject {
    ResultObject {
        sop_instance: uid(&format!("2.25.{number}")),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.66.4"),
        path: format!("/state/results/{number}.dcm").into(),
    }
}

fn to_each(object: ResultObject, destinations: &[String]) -> Addressed {
    Addressed {
        object,
        destinations: destinations.to_vec(),
    }
}

fn journal() -> (tempfile::TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovery) = Journal::open(&dir.path().join("journal.db")).unwrap();
    assert_eq!(recovery, Recovery::Created);
    (dir, journal)
}

/// Takes a new series up to segmenting.
fn segmenting(journal: &Journal, series: &str) -> Uid {
    let opened = journal.open_series(&new_series(series), at(0)).unwrap();
    for next in [SeriesState::Queued, SeriesState::Segmenting] {
        journal.advance(&opened.series, next, None, at(1)).unwrap();
    }
    opened.series
}

fn pacs(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_series_lives_from_its_first_slice_to_its_delivery() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    journal.note_received(&series, 60, at(2)).unwrap();
    journal.note_encoded(&series, 60).unwrap();

    let findings = json!({"liver_ml": 1500.0});
    let delivering = journal
        .record_result(
            &series,
            &findings,
            &[to_each(seg(1), &pacs(&["pacs"]))],
            at(3),
        )
        .unwrap();
    assert_eq!(delivering.state, SeriesState::Delivering);

    let due = journal.deliveries_due(at(3)).unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].path, seg(1).path);
    let delivered = journal
        .delivery_attempted(&due[0].object, "pacs", Ok(()), None, at(4))
        .unwrap();
    assert_eq!(delivered.state, SeriesState::Delivered);
    assert_eq!(delivered.finished_at, Some(at(4)));
    assert_eq!(delivered.findings, Some(findings));
    assert_eq!(delivered.objects, [seg(1)]);
    assert_eq!(
        (delivered.instances_received, delivered.slices_encoded),
        (60, 60)
    );
    assert_eq!(delivered.destinations[0].delivered_at, Some(at(4)));
    assert_eq!(journal.deliveries_due(at(1000)).unwrap(), []);
    assert_eq!(journal.series(&series).unwrap(), Some(delivered));
}

#[test]
fn opening_a_series_twice_changes_nothing() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let again = journal.open_series(&new_series("1.2.3"), at(9)).unwrap();
    assert_eq!(again.state, SeriesState::Segmenting);
    assert_eq!(again.first_received_at, at(0));
    assert_eq!(journal.series(&series).unwrap(), Some(again));
}

#[test]
fn a_result_with_nowhere_to_go_is_delivered() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let record = journal
        .record_result(&series, &json!({}), &[to_each(seg(1), &[])], at(3))
        .unwrap();
    assert_eq!(record.state, SeriesState::Delivered);
    assert_eq!(record.objects, [seg(1)]);
}

#[test]
fn attempts_are_counted_across_restarts_and_start_anew_when_queued_anew() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let step = |next| {
        journal
            .advance(&series, next, None, at(2))
            .unwrap()
            .attempts
    };
    assert_eq!(step(SeriesState::Queued), 1);
    assert_eq!(step(SeriesState::Segmenting), 2);
    let reason = Some(("the process ended twice while segmenting", Remedy::Service));
    let failed = journal
        .advance(&series, SeriesState::Failed, reason, at(3))
        .unwrap();
    assert_eq!(failed.remedy, Some(Remedy::Service));
    let retried = journal.segment_again(&series, at(4)).unwrap();
    assert_eq!((retried.state, retried.attempts), (SeriesState::Queued, 0));
    assert_eq!((retried.reason, retried.finished_at), (None, None));
}

#[test]
fn a_late_slice_supersedes_what_was_not_sent_and_the_next_result_is_a_new_revision() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let to = pacs(&["a", "b"]);
    journal
        .record_result(&series, &json!({}), &[to_each(seg(1), &to)], at(3))
        .unwrap();
    journal
        .delivery_attempted(&seg(1).sop_instance, "a", Ok(()), None, at(4))
        .unwrap();

    let reopened = journal.reopen(&series, at(5)).unwrap();
    assert_eq!(
        (reopened.state, reopened.revision),
        (SeriesState::Receiving, 2)
    );
    assert_eq!(journal.deliveries_due(at(6)).unwrap(), []);
    let states: Vec<_> = reopened.destinations.iter().map(|d| d.state).collect();
    assert_eq!(
        states,
        [DeliveryState::Delivered, DeliveryState::Superseded]
    );

    for next in [SeriesState::Queued, SeriesState::Segmenting] {
        journal.advance(&series, next, None, at(7)).unwrap();
    }
    journal
        .record_result(&series, &json!({}), &[to_each(seg(2), &to)], at(8))
        .unwrap();
    let due: Vec<_> = journal
        .deliveries_due(at(8))
        .unwrap()
        .into_iter()
        .map(|delivery| (delivery.object, delivery.destination, delivery.revision))
        .collect();
    let expected = ["a", "b"].map(|to| (uid("2.25.2"), to.to_owned(), 2));
    assert_eq!(due, expected);
}

#[test]
fn a_series_reopened_before_it_had_a_result_keeps_its_revision() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    assert_eq!(journal.reopen(&series, at(5)).unwrap().revision, 1);
}

#[test]
fn what_a_destination_has_already_is_not_sent_again() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let to = pacs(&["pacs"]);
    let result = |second| {
        journal
            .record_result(&series, &json!({}), &[to_each(seg(1), &to)], at(second))
            .unwrap()
    };
    result(3);
    journal
        .delivery_attempted(&seg(1).sop_instance, "pacs", Ok(()), None, at(4))
        .unwrap();
    journal.reopen(&series, at(5)).unwrap();
    for next in [SeriesState::Queued, SeriesState::Segmenting] {
        journal.advance(&series, next, None, at(6)).unwrap();
    }
    assert_eq!(result(7).state, SeriesState::Delivered);
    assert_eq!(journal.deliveries_due(at(8)).unwrap(), []);
}

#[test]
fn a_failed_attempt_waits_and_a_hopeless_one_fails_the_series_until_someone_retries() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let object = seg(1).sop_instance;
    let to = pacs(&["a", "b"]);
    journal
        .record_result(&series, &json!({}), &[to_each(seg(1), &to)], at(3))
        .unwrap();
    let waits = journal
        .delivery_attempted(&object, "a", Err("unreachable"), Some(at(60)), at(4))
        .unwrap();
    assert_eq!(waits.state, SeriesState::Delivering);
    assert_eq!(waits.destinations[0].attempts, 1);
    journal
        .delivery_attempted(&object, "b", Err("no context"), None, at(4))
        .unwrap();
    assert_eq!(journal.deliveries_due(at(59)).unwrap(), []);
    assert_eq!(journal.next_delivery_at().unwrap(), Some(at(60)));
    assert_eq!(journal.deliveries_due(at(60)).unwrap().len(), 1);

    let failed = journal
        .delivery_attempted(&object, "a", Ok(()), None, at(61))
        .unwrap();
    assert_eq!(failed.state, SeriesState::Failed);
    assert_eq!(
        failed.reason.as_deref(),
        Some("not delivered to b: no context")
    );

    let retried = journal.send_again(&series, at(70)).unwrap();
    assert_eq!(retried.state, SeriesState::Delivering);
    let due = journal.deliveries_due(at(70)).unwrap();
    assert_eq!(
        due.iter().map(|d| &d.destination).collect::<Vec<_>>(),
        ["b"]
    );
}

#[test]
fn an_object_that_a_destination_declines_is_not_asked_for_again_and_fails_nothing() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let objects = [
        to_each(seg(1), &pacs(&["a", "b"])),
        to_each(seg(2), &pacs(&["a"])),
    ];
    journal
        .record_result(&series, &json!({}), &objects, at(3))
        .unwrap();
    let (first, second) = (seg(1).sop_instance, seg(2).sop_instance);
    let declined = journal
        .delivery_declined(&second, "a", "a takes no reports", at(4))
        .unwrap();
    assert_eq!(declined.state, SeriesState::Delivering, "two wait");
    for destination in ["a", "b"] {
        journal
            .delivery_attempted(&first, destination, Ok(()), None, at(5))
            .unwrap();
    }
    let end = journal.series(&series).unwrap().unwrap();
    assert_eq!(end.state, SeriesState::Delivered);
    let left = end.destinations.iter().find(|d| d.object == second);
    let left = left.unwrap();
    assert_eq!(left.state, DeliveryState::Declined);
    assert_eq!(left.last_error.as_deref(), Some("a takes no reports"));
    assert_eq!(journal.deliveries_due(at(9000)).unwrap(), []);
}

#[test]
fn a_clock_that_goes_back_a_year_does_not_hold_deliveries_for_a_year() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    journal
        .record_result(
            &series,
            &json!({}),
            &[to_each(seg(1), &pacs(&["pacs"]))],
            at(3),
        )
        .unwrap();
    let a_year_ago = at(3) - SignedDuration::from_hours(365 * 24);
    assert_eq!(journal.deliveries_due(a_year_ago).unwrap().len(), 1);
    assert_eq!(journal.deliveries_due(at(3) - 1.minute()).unwrap(), []);
}

#[test]
fn instances_are_found_by_uid_and_series_and_quarantine_is_apart() {
    let (_dir, journal) = journal();
    let good = instance("1.2.3.1", Some("1.2.3"));
    let bad = InstanceRecord {
        state: InstanceState::Quarantined {
            reason: "0 rows".to_owned(),
        },
        ..instance("1.2.3.2", None)
    };
    journal
        .record_instances(&[good.clone(), bad.clone()])
        .unwrap();
    journal.record_instance(&good).unwrap();

    assert_eq!(
        journal.instance(&good.sop_instance).unwrap(),
        Some(good.clone())
    );
    assert_eq!(journal.instance(&uid("9.9")).unwrap(), None);
    assert_eq!(
        journal.instances_of(&uid("1.2.3")).unwrap(),
        std::slice::from_ref(&good)
    );
    assert_eq!(journal.quarantined(10).unwrap(), std::slice::from_ref(&bad));
    // The process may end after an instance was recorded and before its series was.
    let known = |journal: &Journal| journal.known_instances().unwrap().len();
    assert_eq!(known(&journal), 1);
    journal.open_series(&new_series("1.2.3"), at(0)).unwrap();
    assert_eq!(known(&journal), 2);
    journal
        .forget_instances(&[good.sop_instance, bad.sop_instance])
        .unwrap();
    assert_eq!(known(&journal), 0);
}

#[test]
fn lists_are_in_order_of_arrival_and_counted_by_state() {
    let (_dir, journal) = journal();
    for number in 1..=5 {
        journal
            // The clock goes backwards; the order stays.
            .open_series(&new_series(&format!("1.2.{number}")), at(-number))
            .unwrap();
    }
    let queued = uid("1.2.4");
    journal
        .advance(&queued, SeriesState::Queued, None, at(9))
        .unwrap();
    let names = |records: Vec<SeriesRecord>| -> Vec<String> {
        records.iter().map(|r| r.series.to_string()).collect()
    };
    assert_eq!(names(journal.recent(2, 1).unwrap()), ["1.2.4", "1.2.3"]);
    let both = [SeriesState::Queued, SeriesState::Receiving];
    assert_eq!(
        names(journal.in_states(&both).unwrap()),
        ["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"]
    );
    let counts = journal.counts().unwrap();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [(SeriesState::Receiving, 4), (SeriesState::Queued, 1)]
    );
}

#[test]
fn a_late_slice_that_was_recorded_before_its_series_reopened_is_noticed_at_the_next_start() {
    let (_dir, journal) = journal();
    let slice = |name: &str, series: &str| {
        journal
            .record_instance(&instance(name, Some(series)))
            .unwrap();
    };
    slice("1.2.3.1", "1.2.3");
    let series = segmenting(&journal, "1.2.3");
    slice("1.2.4.1", "1.2.4");
    let ignored = journal.open_series(&new_series("1.2.4"), at(0)).unwrap();
    let reason = Some(("a localizer", Remedy::Resend));
    journal
        .advance(&ignored.series, SeriesState::Ignored, reason, at(1))
        .unwrap();
    assert_eq!(journal.overtaken().unwrap(), []);

    // While it is segmented; that it is not done yet is known anyway.
    slice("1.2.3.2", "1.2.3");
    assert_eq!(journal.overtaken().unwrap(), []);
    journal
        .record_result(&series, &json!({}), &[to_each(seg(1), &[])], at(3))
        .unwrap();
    slice("1.2.4.2", "1.2.4");
    let both = [series.clone(), ignored.series];
    assert_eq!(journal.overtaken().unwrap(), both);

    for series in &both {
        journal.reopen(series, at(4)).unwrap();
    }
    for next in [SeriesState::Queued, SeriesState::Segmenting] {
        journal.advance(&series, next, None, at(5)).unwrap();
    }
    journal
        .record_result(&series, &json!({}), &[to_each(seg(2), &[])], at(6))
        .unwrap();
    assert_eq!(journal.overtaken().unwrap(), []);
}

#[test]
fn what_is_not_in_the_journal_is_named() {
    let (_dir, journal) = journal();
    let advanced = journal.advance(&uid("1.2.3"), SeriesState::Queued, None, at(0));
    assert!(matches!(advanced, Err(JournalError::UnknownSeries(_))));
    let attempted = journal.delivery_attempted(&uid("1.2"), "pacs", Ok(()), None, at(0));
    assert!(matches!(
        attempted,
        Err(JournalError::UnknownDelivery { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_journal_takes_exactly_the_steps_of_the_table(
        wishes in prop::collection::vec(prop::sample::select(&SeriesState::ALL[..]), 1..40)
    ) {
        let (_dir, journal) = journal();
        let mut state = SeriesState::Receiving;
        let series = journal.open_series(&new_series("1.2.3"), at(0)).unwrap().series;
        let mut attempts = 0;
        for next in wishes {
            let outcome = journal.advance(&series, next, None, at(1));
            prop_assert_eq!(outcome.is_ok(), state.may_become(next), "{} to {}", state, next);
            if outcome.is_ok() {
                match (state, next) {
                    (SeriesState::Segmenting, SeriesState::Queued) => {}
                    (_, SeriesState::Queued) => attempts = 0,
                    (_, SeriesState::Segmenting) => attempts += 1,
                    _ => {}
                }
                state = next;
            }
            let record = journal.series(&series).unwrap().unwrap();
            prop_assert_eq!(record.state, state);
            prop_assert_eq!(record.attempts, attempts);
            prop_assert_eq!(record.finished_at.is_some(), state.is_settled());
        }
    }
}
