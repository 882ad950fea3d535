//! What becomes of a series, step by step.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::dicom::{Trouble, TroubleKind};

#[test]
fn a_series_lives_from_its_first_slice_to_its_delivery() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    journal.note_received(&series, 60, Some(60), at(2)).unwrap();
    journal.note_encoded(&series, 60).unwrap();

    let findings = json!({"liver_ml": 1500.0});
    let delivering = journal
        .record_result(&series, &findings, &[to_each(seg(1), &["pacs"])], at(3))
        .unwrap();
    assert_eq!(delivering.state, SeriesState::Delivering);

    let due = journal.deliveries_due("pacs", at(3)).unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].path, seg(1).path);
    assert!(journal.last_stored().unwrap().is_empty());
    let delivered = journal
        .delivery_attempted(&due[0].object, "pacs", Ok(()), None, at(4))
        .unwrap();
    assert_eq!(delivered.state, SeriesState::Delivered);
    assert_eq!(delivered.finished_at, Some(at(4)));
    assert_eq!(journal.findings(&series).unwrap(), Some(findings));
    assert_eq!(delivered.announced, Some(60));
    assert_eq!(
        (delivered.instances_received, delivered.slices_encoded),
        (60, 60)
    );
    assert_eq!(delivered.destinations[0].delivered_at, Some(at(4)));
    let stored = BTreeMap::from([("pacs".to_owned(), at(4))]);
    assert_eq!(journal.last_stored().unwrap(), stored);
    assert_eq!(journal.deliveries_due("pacs", at(1000)).unwrap(), []);
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
    let record = segmented(&journal, &series, 1, &[], 3);
    assert_eq!(record.state, SeriesState::Delivered);
    assert_eq!(record.destinations, []);
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
    let trouble = Trouble::new(
        TroubleKind::EndedTheProcess,
        "the process ended twice while segmenting",
    );
    let reason = Some((&trouble, Remedy::Service));
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
    let to = &["a", "b"];
    segmented(&journal, &series, 1, to, 3);
    sent(&journal, 1, "a", 4);

    let reopened = journal.reopen(&series, at(5)).unwrap();
    assert_eq!(
        (reopened.state, reopened.revision),
        (SeriesState::Receiving, 2)
    );
    assert_eq!(journal.deliveries_due("b", at(6)).unwrap(), []);
    let states: Vec<_> = reopened.destinations.iter().map(|d| d.state).collect();
    assert_eq!(
        states,
        [DeliveryState::Delivered, DeliveryState::Superseded]
    );

    segment(&journal, &series, 7);
    segmented(&journal, &series, 2, to, 8);
    for destination in to {
        let due = journal.deliveries_due(destination, at(8)).unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!((&due[0].object, due[0].revision), (&uid("2.25.2"), 2));
    }
}

#[test]
fn a_series_reopened_before_it_had_a_result_keeps_its_revision() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    assert_eq!(journal.reopen(&series, at(5)).unwrap().revision, 1);
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
            prop_assert_eq!(journal.counts().unwrap(), BTreeMap::from([(state, 1)]));
        }
    }
}
