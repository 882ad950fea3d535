use super::*;

/// A series whose result one destination has.
fn delivered(journal: &Journal) -> Uid {
    let series = segmenting(journal, "1.2.3");
    segmented(journal, &series, 1, &["pacs"], 3);
    let end = sent(journal, 1, "pacs", 4);
    assert_eq!(end.state, SeriesState::Delivered);
    series
}

#[test]
fn a_result_that_was_delivered_is_sent_once_more_when_a_person_asks() {
    let (_dir, journal) = journal();
    let series = delivered(&journal);
    assert_eq!(journal.deliveries_due("pacs", at(5)).unwrap(), []);
    let again = journal
        .send_again(&series, &wanting(&["pacs"]), at(5))
        .unwrap();
    assert_eq!((again.state, again.revision), (SeriesState::Delivering, 1));
    let due = journal.deliveries_due("pacs", at(5)).unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].object, seg(1).sop_instance, "under the same UID");
    let end = sent(&journal, 1, "pacs", 6);
    assert_eq!(end.state, SeriesState::Delivered);
}

#[test]
fn what_was_sent_nowhere_is_not_sent_again() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    segmented(&journal, &series, 1, &[], 3);
    let refused = journal.send_again(&series, &wanting(&[]), at(4));
    assert!(matches!(refused, Err(JournalError::NothingSent(_))));
}

#[test]
fn segmenting_again_makes_a_new_revision_and_leaves_the_former_result_alone() {
    let (_dir, journal) = journal();
    let series = delivered(&journal);
    let again = journal.segment_again(&series, at(5)).unwrap();
    assert_eq!((again.state, again.revision), (SeriesState::Queued, 2));
    assert_eq!(again.attempts, 0);
    journal
        .advance(&series, SeriesState::Segmenting, None, at(6))
        .unwrap();
    let refused = journal.segment_again(&series, at(6));
    assert!(matches!(refused, Err(JournalError::NotAllowed { .. })));
    let end = segmented(&journal, &series, 1, &["pacs"], 7);
    assert_eq!(
        end.state,
        SeriesState::Delivered,
        "the same result is there"
    );
    assert_eq!(journal.deliveries_due("pacs", at(8)).unwrap(), []);
}

#[test]
fn what_is_not_kept_any_more_is_not_sent_again() {
    let (_dir, journal) = journal();
    let series = delivered(&journal);
    journal.note_purged(&series, &[], at(5)).unwrap();
    let refused = journal.send_again(&series, &wanting(&["pacs"]), at(6));
    assert!(matches!(refused, Err(JournalError::NotKept(_))));
}

#[test]
fn what_waits_for_a_destination_that_is_gone_goes_where_it_is_wanted_now() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    segmented(&journal, &series, 1, &["old", "kept"], 3);
    sent(&journal, 1, "kept", 4);
    let known = ["kept", "new"];
    let concerned = journal
        .deliver_only_to(&known, &wanting(&known), at(5))
        .unwrap();
    assert_eq!(concerned.len(), 1);
    assert_eq!(concerned[0].state, SeriesState::Delivering);
    assert_eq!(journal.deliveries_due("new", at(5)).unwrap().len(), 1);
    assert_eq!(journal.deliveries_due("kept", at(5)).unwrap(), []);
    assert_eq!(sent(&journal, 1, "new", 6).state, SeriesState::Delivered);
    let nothing = journal.deliver_only_to(&known, &wanting(&known), at(7));
    assert_eq!(nothing.unwrap(), []);
}

#[test]
fn what_nobody_wants_any_more_is_given_up_and_can_be_sent_once_somebody_does() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    segmented(&journal, &series, 1, &["old"], 3);
    let concerned = journal
        .deliver_only_to(&["other"], &wanting(&[]), at(5))
        .unwrap();
    assert_eq!(concerned[0].state, SeriesState::Failed);
    assert_eq!(
        concerned[0].reason.as_ref().map(|it| &*it.words),
        Some("not delivered to old: no destination of this name is configured any more")
    );
    let again = journal.send_again(&series, &wanting(&["pacs"]), at(6));
    assert_eq!(again.unwrap().state, SeriesState::Delivering);
    let end = sent(&journal, 1, "pacs", 7);
    assert_eq!(end.state, SeriesState::Delivered);
}
