//! What a PACS that is asked to commit hears, and how it is heard.

use dicom_core::value::DataSetSequence;

use super::*;
use crate::{
    association::{dimse::ReportStatus, testing::report_command},
    dicom::{
        TroubleKind,
        commitment::{INSTANCE, Referenced, Report, ReportError},
    },
};

const COMMITMENT: &str = uids::STORAGE_COMMITMENT_PUSH_MODEL;

fn objects() -> [Referenced; 2] {
    ["1.2.1", "1.2.2"].map(|instance| Referenced {
        sop_class: uid(SEG),
        sop_instance: uid(instance),
    })
}

/// The command and the data set of a report on what `request` asked for; it names the first object.
fn report(request: &Message) -> (Vec<u8>, Vec<u8>) {
    let syntax = TransferSyntaxRegistry.get(EXPLICIT).unwrap();
    let asked = InMemDicomObject::read_dataset_with_ts(&request.data_set[..], syntax).unwrap();
    let items = asked.element(tags::REFERENCED_SOP_SEQUENCE).unwrap();
    let first = items.items().unwrap()[0].clone();
    let report = InMemDicomObject::from_element_iter([
        asked.element(tags::TRANSACTION_UID).unwrap().clone(),
        DataElement::new(
            tags::REFERENCED_SOP_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(vec![first]),
        ),
    ]);
    let command = report_command(77, INSTANCE, 1);
    (command, encoded(&report, EXPLICIT))
}

impl Pacs {
    fn report(&mut self, request: &Message) {
        let (command, data_set) = report(request);
        for (value_type, data) in [
            (PDataValueType::Command, command),
            (PDataValueType::Data, data_set),
        ] {
            self.send(&Pdu::PData {
                data: vec![PDataValue {
                    presentation_context_id: 1,
                    value_type,
                    is_last: true,
                    data,
                }],
            });
        }
    }

    /// The answer to a report.
    fn heard(&mut self) -> (u16, u16) {
        let answer = self.message().command;
        assert_eq!((answer.field, answer.responded_to), (0x8100, Some(77)));
        (answer.status.unwrap().0, answer.event_type.unwrap())
    }
}

/// Takes all that is said, and answers that it could not be recorded.
fn note(into: &mut Vec<Report>) -> impl FnMut(Result<Report, ReportError>) -> ReportStatus {
    |report| {
        into.push(report.unwrap());
        ReportStatus::NOT_RECORDED
    }
}

fn open(destination: &Destination) -> Commitments {
    Commitments::open(destination, &CancellationToken::new()).unwrap()
}

#[test]
fn a_request_names_what_was_stored_and_its_report_is_heard_on_the_same_association() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let request = pacs.message();
        let command = &request.command;
        assert_eq!((command.field, command.message_id), (0x0130, Some(1)));
        assert_eq!(command.sop_class.as_deref(), Some(COMMITMENT));
        assert_eq!(command.sop_instance.as_deref(), Some(INSTANCE));
        pacs.answer(command, 0, None);
        pacs.report(&request);
        assert_eq!(pacs.heard(), (0x0110, 1));
        pacs.release();
    }]);
    let mut session = open(&destination);
    let mut said = Vec::new();
    let mut hear = note(&mut said);
    session.ask(&uid("2.25.5"), &objects(), &mut hear).unwrap();
    while !session.listen(Duration::from_secs(1), &mut hear).unwrap() {}
    drop(hear);
    session.leave(&Ok(()));
    let [report] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(report.transaction, uid("2.25.5"));
    assert_eq!(report.committed, [uid("1.2.1")]);
    pacs.join().unwrap();
}

#[test]
fn a_report_that_comes_before_the_answer_is_heard_too() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let request = pacs.message();
        pacs.report(&request);
        assert_eq!(pacs.heard(), (0x0110, 1));
        pacs.answer(&request.command, 0, None);
        pacs.release();
    }]);
    let mut session = open(&destination);
    let mut said = Vec::new();
    let outcome = session.ask(&uid("2.25.5"), &objects(), &mut note(&mut said));
    assert!(outcome.is_ok() && said.len() == 1, "{outcome:?} {said:?}");
    session.leave(&outcome);
    pacs.join().unwrap();
}

#[test]
fn a_destination_that_does_not_commit_says_so_and_the_association_is_released() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept(16_384, |_, _| None);
        pacs.release();
    }]);
    let refused = Commitments::open(&destination, &CancellationToken::new()).unwrap_err();
    assert_eq!(refused.trouble().kind, Some(TroubleKind::ClassNotTaken));
    assert!(
        refused.to_string().contains("Storage Commitment"),
        "{refused}"
    );
    pacs.join().unwrap();
}

#[test]
fn a_request_that_is_refused_says_why_and_who_has_to_act() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        for status in [0x0110, 0x0213, 0x0124, 0x0123] {
            let request = pacs.message();
            pacs.answer(&request.command, status, Some("no"));
        }
        pacs.release();
    }]);
    let mut session = open(&destination);
    let mut said = Vec::new();
    let mut hear = note(&mut said);
    for remedy in [Remedy::Wait, Remedy::Wait, Remedy::Service, Remedy::Service] {
        let refused = session.ask(&uid("2.25.5"), &objects(), &mut hear);
        assert_eq!(refused.unwrap_err().remedy(), remedy);
    }
    session.leave(&Ok(()));
    pacs.join().unwrap();
}

#[test]
fn nothing_is_heard_where_nothing_is_said_and_only_reports_are() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let request = pacs.message();
        pacs.answer(&request.command, 0, None);
        pacs.send(&Pdu::PData {
            data: vec![PDataValue {
                presentation_context_id: 1,
                value_type: PDataValueType::Command,
                is_last: true,
                data: crate::association::dimse::echo_request(5),
            }],
        });
        assert!(pacs.is_aborted());
    }]);
    let mut session = open(&destination);
    let mut said = Vec::new();
    let mut hear = note(&mut said);
    session.ask(&uid("2.25.5"), &objects(), &mut hear).unwrap();
    let outcome = loop {
        match session.listen(Duration::from_millis(50), &mut hear) {
            Ok(false) => {}
            other => break other.map(drop),
        }
    };
    assert!(
        matches!(outcome, Err(DeliverError::Violation { .. })),
        "{outcome:?}"
    );
    session.leave(&outcome);
    drop(hear);
    assert!(said.is_empty());
    pacs.join().unwrap();
}
