//! Who has a result, and who still gets it.

use jiff::{SignedDuration, ToSpan};

use super::*;
use crate::dicom::{Trouble, TroubleKind};

#[test]
fn what_a_destination_has_already_is_not_sent_again() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let result = |second| segmented(&journal, &series, 1, &["pacs"], second);
    result(3);
    sent(&journal, 1, "pacs", 4);
    journal.reopen(&series, at(5)).unwrap();
    segment(&journal, &series, 6);
    assert_eq!(result(7).state, SeriesState::Delivered);
    assert_eq!(journal.deliveries_due("pacs", at(8)).unwrap(), []);
}

#[test]
fn a_failed_attempt_waits_and_a_hopeless_one_fails_the_series_until_someone_retries() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let object = seg(1).sop_instance;
    segmented(&journal, &series, 1, &["a", "b"], 3);
    let waits = journal
        .delivery_attempted(
            &object,
            "a",
            Err(&trouble("unreachable")),
            Some(at(60)),
            at(4),
        )
        .unwrap();
    assert_eq!(waits.state, SeriesState::Delivering);
    assert_eq!(waits.destinations[0].attempts, 1);
    journal
        .delivery_attempted(&object, "b", Err(&trouble("no context")), None, at(4))
        .unwrap();
    assert_eq!(journal.deliveries_due("a", at(59)).unwrap(), []);
    assert_eq!(journal.next_delivery_at("a").unwrap(), Some(at(60)));
    assert_eq!(journal.next_delivery_at("b").unwrap(), None);
    assert_eq!(journal.deliveries_due("a", at(60)).unwrap().len(), 1);

    let failed = journal
        .delivery_attempted(&object, "a", Ok(()), None, at(61))
        .unwrap();
    assert_eq!(failed.state, SeriesState::Failed);
    assert_eq!(
        failed.reason,
        Some(Trouble::new(
            TroubleKind::NotDelivered,
            "not delivered to b: no context"
        ))
    );

    let retried = journal
        .send_again(&series, &wanting(&["a", "b"]), at(70))
        .unwrap();
    assert_eq!(retried.state, SeriesState::Delivering);
    assert_eq!(journal.deliveries_due("a", at(70)).unwrap(), []);
    assert_eq!(journal.deliveries_due("b", at(70)).unwrap().len(), 1);
}

#[test]
fn an_object_that_a_destination_declines_is_not_asked_for_again_and_fails_nothing() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let objects = [to_each(seg(1), &["a", "b"]), to_each(seg(2), &["a"])];
    journal
        .record_result(&series, &json!({}), &objects, at(3))
        .unwrap();
    let (first, second) = (seg(1).sop_instance, seg(2).sop_instance);
    let declined = journal
        .delivery_declined(&second, "a", &trouble("a takes no reports"), at(4))
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
    assert_eq!(
        left.last_error.as_ref().map(|it| &*it.words),
        Some("a takes no reports")
    );
    for destination in ["a", "b"] {
        assert_eq!(journal.deliveries_due(destination, at(9000)).unwrap(), []);
    }
}

#[test]
fn a_clock_that_goes_back_does_not_hold_deliveries_back() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    segmented(&journal, &series, 1, &["pacs"], 3);
    for hours in [1, 8, 365 * 24] {
        let earlier = at(3) - SignedDuration::from_hours(hours);
        assert_eq!(journal.deliveries_due("pacs", earlier).unwrap().len(), 1);
    }
    assert_eq!(
        journal.deliveries_due("pacs", at(3) - 1.minute()).unwrap(),
        []
    );
}

#[test]
fn however_much_waits_for_one_destination_another_gets_its_own() {
    let (_dir, journal) = journal();
    for number in 1..=150 {
        let series = segmenting(&journal, &format!("1.2.{number}"));
        segmented(&journal, &series, number, &["old"], 3);
    }
    let series = segmenting(&journal, "1.3");
    segmented(&journal, &series, 151, &["new"], 4);
    let due = journal.deliveries_due("new", at(9)).unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].object, seg(151).sop_instance);
    assert_eq!(journal.next_delivery_at("new").unwrap(), Some(at(4)));
}

#[test]
fn what_is_obsolete_does_not_wait_any_more() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    segmented(&journal, &series, 1, &["pacs"], 3);
    let waits = || {
        let object = seg(1).sop_instance;
        journal.still_waits(&object, "pacs").unwrap()
    };
    assert!(waits());
    journal.reopen(&series, at(4)).unwrap();
    assert!(!waits());
}
