//! Who answers for keeping what, through everything that can come in between.

use jiff::SignedDuration;

use super::*;
use crate::dicom::{
    DimseStatus,
    commitment::{Referenced, Report},
};

const NO_SUCH_INSTANCE: u16 = 0x0112;

/// `destination` is asked to commit to these [`seg`]s at `second`, and is asked again 100 s later.
pub(super) fn asking(
    journal: &Journal,
    transaction: &str,
    destination: &str,
    objects: &[u32],
    second: i64,
) {
    let objects: Vec<_> = objects.iter().map(|it| seg(*it).sop_instance).collect();
    let (again, now) = (at(second + 100), at(second));
    journal
        .commitment_asking(&uid(transaction), destination, &objects, again, now)
        .unwrap();
}

/// A report that these [`seg`]s are committed, and those not.
pub(super) fn report(transaction: &str, committed: &[u32], failed: &[(u32, u16)]) -> Report {
    Report {
        transaction: uid(transaction),
        committed: committed.iter().map(|it| seg(*it).sop_instance).collect(),
        failed: failed
            .iter()
            .map(|(it, reason)| (seg(*it).sop_instance, DimseStatus(*reason)))
            .collect(),
    }
}

/// A pause is as many minutes as there were tries.
pub(super) fn reported(
    journal: &Journal,
    destination: &str,
    report: &Report,
    second: i64,
) -> Option<Recorded> {
    let pause = |tries: u32| SignedDuration::from_mins(i64::from(tries));
    journal
        .commitment_reported(&[destination], report, pause, at(second))
        .unwrap()
}

/// A series whose objects 1 and 2 the archive stored at second 4.
fn stored() -> (tempfile::TempDir, Journal, Uid) {
    let (dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    let objects = [1, 2].map(|number| to_each(seg(number), &["archive"]));
    journal
        .record_result(&series, &json!({}), &objects, at(3))
        .unwrap();
    for number in [1, 2] {
        sent(&journal, number, "archive", 4);
    }
    (dir, journal, series)
}

/// How the commitment to [`seg`] `number` stands.
fn commitment(journal: &Journal, number: u32) -> Option<CommitmentRecord> {
    let record = journal.series(&uid("1.2.3")).unwrap().unwrap();
    let mut deliveries = record.destinations.into_iter();
    let found = deliveries.find(|it| it.object == seg(number).sop_instance);
    found.unwrap().commitment
}

fn state(journal: &Journal, number: u32) -> Option<CommitmentState> {
    commitment(journal, number).map(|it| it.state)
}

fn due(journal: &Journal, second: i64) -> Vec<Uid> {
    let due = journal.commitments_due("archive", at(second)).unwrap();
    due.into_iter().map(|it| it.object.sop_instance).collect()
}

fn is_kept(journal: &Journal, committing: &[&str]) -> bool {
    let committing: Vec<String> = committing.iter().map(ToString::to_string).collect();
    let candidates = journal.retention_candidates(&committing).unwrap();
    let [series] = &candidates[..] else {
        panic!("{candidates:?}");
    };
    series.unsent
}

#[test]
fn what_is_stored_is_due_until_it_is_asked_about_and_done_once_it_is_committed() {
    let (_dir, journal, series) = stored();
    let both = [1, 2].map(|number| seg(number).sop_instance);
    assert_eq!(due(&journal, 5), both);
    assert_eq!(journal.commitments_due("other", at(5)).unwrap(), []);
    assert!(is_kept(&journal, &["archive"]) && !is_kept(&journal, &[]));

    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    assert_eq!(state(&journal, 1), Some(CommitmentState::Asked));
    assert_eq!(due(&journal, 6), []);
    assert!(journal.commitments_open(&[uid("2.25.7")]).unwrap());
    journal.commitment_asked(&uid("2.25.7"), at(3600)).unwrap();
    assert_eq!(
        journal.next_commitment_at("archive").unwrap(),
        Some(at(3600))
    );

    let recorded = reported(&journal, "archive", &report("2.25.7", &[1, 2], &[]), 9).unwrap();
    assert_eq!(recorded.changes.len(), 2);
    let first = &recorded.changes[0];
    assert_eq!((&first.series, &first.outcome), (&series, &Ok(())));
    assert_eq!(first.path, seg(1).path);
    let done = commitment(&journal, 2).unwrap();
    assert_eq!(
        (done.state, done.since),
        (CommitmentState::Committed, at(9))
    );
    assert_eq!((done.remedy(), done.trouble), (None, None));
    assert_eq!(due(&journal, 9000), []);
    assert_eq!(journal.next_commitment_at("archive").unwrap(), None);
    assert!(!journal.commitments_open(&[uid("2.25.7")]).unwrap());
    assert!(!is_kept(&journal, &["archive"]));
    let end = journal.series(&series).unwrap().unwrap();
    assert_eq!(end.state, SeriesState::Delivered);
}

#[test]
fn the_same_report_again_changes_nothing_and_has_its_receipt() {
    let (_dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    let some = report("2.25.7", &[1], &[(2, NO_SUCH_INSTANCE)]);
    assert_eq!(
        reported(&journal, "archive", &some, 9)
            .unwrap()
            .changes
            .len(),
        2
    );
    let after = [1, 2].map(|number| commitment(&journal, number));
    let again = reported(&journal, "archive", &some, 10).expect("a receipt");
    assert_eq!(again.changes, []);
    // Nor can what was promised be taken back.
    let back = report("2.25.7", &[], &[(1, NO_SUCH_INSTANCE)]);
    assert_eq!(
        reported(&journal, "archive", &back, 11).unwrap().changes,
        []
    );
    assert_eq!([1, 2].map(|number| commitment(&journal, number)), after);
}

#[test]
fn a_report_of_nobody_that_was_asked_or_on_nothing_that_was_asked_changes_nothing() {
    let (_dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1], 5);
    let all = report("2.25.7", &[1, 2], &[]);
    assert!(reported(&journal, "other", &all, 6).is_none());
    assert!(
        journal
            .commitment_reported(&[], &all, |_| SignedDuration::ZERO, at(6))
            .unwrap()
            .is_none()
    );
    let unknown = report("2.25.8", &[1, 2], &[]);
    assert!(reported(&journal, "archive", &unknown, 6).is_none());
    assert_eq!(state(&journal, 1), Some(CommitmentState::Asked));

    // Of what is named beside what was asked about, nothing is believed; nor of what is not named.
    let beside = report("2.25.7", &[2], &[]);
    assert_eq!(
        reported(&journal, "archive", &beside, 7).unwrap().changes,
        []
    );
    assert_eq!(state(&journal, 1), Some(CommitmentState::Asked));
    assert_eq!(state(&journal, 2), None);
}

#[test]
fn an_object_that_is_not_there_is_sent_again_before_it_is_asked_about_again() {
    let (_dir, journal, series) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    let lost = report("2.25.7", &[2], &[(1, NO_SUCH_INSTANCE)]);
    reported(&journal, "archive", &lost, 10).unwrap();
    let refused = commitment(&journal, 1).unwrap();
    assert_eq!(
        (refused.state, refused.tries),
        (CommitmentState::Refused, 1)
    );
    assert_eq!(refused.remedy(), Some(Remedy::Wait));
    let words = "archive did not commit: 0112 (no such SOP instance)";
    assert_eq!(refused.trouble.unwrap().words, words);

    assert_eq!(due(&journal, 3600), [], "not before it is stored again");
    let sending: Vec<_> = journal.deliveries_due("archive", at(70)).unwrap();
    assert_eq!(sending.len(), 1);
    assert_eq!(
        (&sending[0].object, sending[0].attempts),
        (&seg(1).sop_instance, 0)
    );
    assert_eq!(journal.deliveries_due("archive", at(69)).unwrap(), []);
    let record = journal.series(&series).unwrap().unwrap();
    assert_eq!(
        record.state,
        SeriesState::Delivered,
        "it was answered when it was stored"
    );
    assert!(is_kept(&journal, &["archive"]));

    sent(&journal, 1, "archive", 71);
    assert_eq!(due(&journal, 71), [seg(1).sop_instance]);
    asking(&journal, "2.25.8", "archive", &[1], 72);
    // It was said of the object that was lost.
    let late = report("2.25.7", &[1, 2], &[]);
    assert_eq!(
        reported(&journal, "archive", &late, 73).unwrap().changes,
        []
    );
    reported(&journal, "archive", &report("2.25.8", &[1], &[]), 74).unwrap();
    assert_eq!(state(&journal, 1), Some(CommitmentState::Committed));
    assert!(!is_kept(&journal, &["archive"]));
}

#[test]
fn what_sending_cannot_cure_is_only_asked_about_again() {
    let (_dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    let busy = report("2.25.7", &[], &[(1, 0x0213), (2, 0x0122)]);
    reported(&journal, "archive", &busy, 10).unwrap();
    assert_eq!(journal.deliveries_due("archive", at(9000)).unwrap(), []);
    assert_eq!(due(&journal, 69), []);
    assert_eq!(due(&journal, 70).len(), 2);
}

#[test]
fn a_request_that_nobody_answers_is_made_again_and_the_late_answer_still_counts() {
    let (_dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    assert_eq!(due(&journal, 105).len(), 2);
    for (transaction, second) in [("2.25.8", 105), ("2.25.9", 205), ("2.25.10", 305)] {
        asking(&journal, transaction, "archive", &[1, 2], second);
    }
    let waiting = commitment(&journal, 1).unwrap();
    assert_eq!((waiting.state, waiting.tries), (CommitmentState::Asked, 3));
    assert_eq!(waiting.remedy(), Some(Remedy::Service));
    let kind = waiting.trouble.unwrap().kind;
    assert_eq!(kind, Some(TroubleKind::CommitmentNotReported));
    assert_eq!(journal.commitments_in_vain("archive").unwrap(), 2);
    assert_eq!(journal.commitments_in_vain("other").unwrap(), 0);

    // A failure is of the latest request alone, a commitment holds whenever it is said.
    let first = report("2.25.7", &[1], &[(2, NO_SUCH_INSTANCE)]);
    reported(&journal, "archive", &first, 310).unwrap();
    assert_eq!(state(&journal, 1), Some(CommitmentState::Committed));
    assert_eq!(state(&journal, 2), Some(CommitmentState::Asked));
    assert_eq!(journal.commitments_in_vain("archive").unwrap(), 1);
}

#[test]
fn a_request_that_could_not_be_placed_says_why_and_its_report_counts_if_it_was() {
    let (_dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    let objects = [1, 2].map(|number| seg(number).sop_instance);
    journal
        .commitment_not_asked("archive", &objects, &trouble("broke"), at(60), at(6))
        .unwrap();
    let failed = commitment(&journal, 1).unwrap();
    assert_eq!((failed.state, failed.tries), (CommitmentState::Due, 1));
    assert_eq!(failed.trouble.as_ref().unwrap().words, "broke");
    assert_eq!(failed.remedy(), Some(Remedy::Wait));
    assert_eq!((due(&journal, 59).len(), due(&journal, 60).len()), (0, 2));
    assert!(is_kept(&journal, &["archive"]));

    reported(&journal, "archive", &report("2.25.7", &[1, 2], &[]), 7).unwrap();
    assert_eq!(state(&journal, 2), Some(CommitmentState::Committed));
}

#[test]
fn a_destination_without_the_service_needs_a_person_at_once() {
    let (_dir, journal, _) = stored();
    let none = Trouble::new(TroubleKind::ClassNotTaken, "archive takes none");
    let object = [seg(1).sop_instance];
    journal
        .commitment_not_asked("archive", &object, &none, at(60), at(6))
        .unwrap();
    let failed = commitment(&journal, 1).unwrap();
    assert_eq!(failed.remedy(), Some(Remedy::Service));
}

#[test]
fn everything_is_as_it_was_after_a_restart() {
    let (dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    reported(&journal, "archive", &report("2.25.7", &[1], &[]), 9).unwrap();
    let before = [1, 2].map(|number| commitment(&journal, number));
    drop(journal);
    let (journal, recovery) = Journal::open(&dir.path().join("journal.db")).unwrap();
    assert_eq!(recovery, Recovery::Opened);
    assert_eq!([1, 2].map(|number| commitment(&journal, number)), before);
    reported(&journal, "archive", &report("2.25.7", &[1, 2], &[]), 20).unwrap();
    assert_eq!(state(&journal, 2), Some(CommitmentState::Committed));
}

#[test]
fn what_a_person_has_sent_again_is_to_be_committed_anew() {
    let (_dir, journal, series) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    let all = report("2.25.7", &[1, 2], &[]);
    reported(&journal, "archive", &all, 9).unwrap();
    journal
        .send_again(&series, &wanting(&["archive"]), at(10))
        .unwrap();
    assert_eq!(state(&journal, 1), None);
    assert!(is_kept(&journal, &["archive"]));
    for number in [1, 2] {
        sent(&journal, number, "archive", 11);
    }
    assert_eq!(reported(&journal, "archive", &all, 12).unwrap().changes, []);
    assert_eq!(due(&journal, 12).len(), 2);
}

#[test]
fn a_destination_that_is_not_asked_any_more_holds_nothing_and_is_no_trouble() {
    let (_dir, journal, series) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    let lost = report("2.25.7", &[], &[(1, NO_SUCH_INSTANCE)]);
    reported(&journal, "archive", &lost, 10).unwrap();
    journal.wait_only_for(&["archive"], at(11)).unwrap();
    assert_eq!(state(&journal, 1), Some(CommitmentState::Refused));
    assert_eq!(state(&journal, 2), Some(CommitmentState::Asked));

    journal.wait_only_for(&["other"], at(11)).unwrap();
    assert_eq!([1, 2].map(|number| state(&journal, number)), [None, None]);
    assert_eq!(journal.deliveries_due("archive", at(9000)).unwrap(), []);
    assert!(!is_kept(&journal, &[]));
    let record = journal.series(&series).unwrap().unwrap();
    assert_eq!(record.state, SeriesState::Delivered);
    // Asked once more, it starts anew.
    assert_eq!(due(&journal, 12).len(), 2);
}

#[test]
fn a_series_whose_files_are_gone_is_not_asked_about() {
    let (_dir, journal, series) = stored();
    journal.note_purged(&series, &[], at(6)).unwrap();
    assert_eq!(due(&journal, 7), []);
    assert_eq!(journal.next_commitment_at("archive").unwrap(), None);
}

#[test]
fn a_clock_that_goes_back_a_year_does_not_hold_requests_for_a_year() {
    let (_dir, journal, _) = stored();
    asking(&journal, "2.25.7", "archive", &[1, 2], 5);
    assert_eq!(due(&journal, 5 - 365 * 86_400).len(), 2);
}

#[test]
fn what_is_due_says_what_it_is() {
    let (_dir, journal, series) = stored();
    let due = journal.commitments_due("archive", at(5)).unwrap();
    let object = Referenced {
        sop_class: seg(1).sop_class,
        sop_instance: seg(1).sop_instance,
    };
    let tries = 0;
    let first = ToCommit {
        series,
        object,
        tries,
    };
    assert_eq!(due.first(), Some(&first));
}
