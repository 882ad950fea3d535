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
    assert_eq!(journal.deliveries_due(at(8)).unwrap(), []);
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
    assert_eq!(journal.deliveries_due(at(59)).unwrap(), []);
    assert_eq!(journal.next_delivery_at().unwrap(), Some(at(60)));
    assert_eq!(journal.deliveries_due(at(60)).unwrap().len(), 1);

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
    assert_eq!(journal.deliveries_due(at(9000)).unwrap(), []);
}

#[test]
fn a_clock_that_goes_back_a_year_does_not_hold_deliveries_for_a_year() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    segmented(&journal, &series, 1, &["pacs"], 3);
    let a_year_ago = at(3) - SignedDuration::from_hours(365 * 24);
    assert_eq!(journal.deliveries_due(a_year_ago).unwrap().len(), 1);
    assert_eq!(journal.deliveries_due(at(3) - 1.minute()).unwrap(), []);
}
