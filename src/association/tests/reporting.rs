//! What a PACS that reports on a commitment hears.

use dicom_core::{DataElement, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;

use super::*;
use crate::dicom::commitment::{INSTANCE, LONGEST_REPORT};

const COMMITMENT: &str = uids::STORAGE_COMMITMENT_PUSH_MODEL;

fn command(instance: &str, event: u16) -> Vec<u8> {
    testing::report_command(9, instance, event)
}

/// That instance 1.2.3 is committed.
fn committed() -> Vec<u8> {
    let text = |tag, text: &str| DataElement::new(tag, VR::UI, text);
    let item = [
        text(tags::REFERENCED_SOP_CLASS_UID, CT),
        text(tags::REFERENCED_SOP_INSTANCE_UID, "1.2.3"),
    ];
    let items = vec![InMemDicomObject::from_element_iter(item)];
    let report = InMemDicomObject::from_element_iter([
        text(tags::TRANSACTION_UID, "2.25.7"),
        DataElement::new(
            tags::REFERENCED_SOP_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(items),
        ),
    ]);
    let mut bytes = Vec::new();
    let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
    report.write_dataset_with_ts(&mut bytes, &syntax).unwrap();
    bytes
}

/// A server that asks PACS to commit, and an association with it on which context 1 is for reports.
fn reporting() -> (Server, Peer) {
    let server = Server::start(Policy {
        committing: vec![title("PACS")],
        callers: vec![CallerRule {
            ae_title: Some(title("CT1")),
            ..CallerRule::default()
        }],
        ..policy()
    });
    let mut peer = Peer::connect(&server);
    peer.associate("PACS", "HEPAR", &[COMMITMENT], 0);
    assert!(matches!(peer.pdu(), UlPdu::AssociationAC(_)));
    (server, peer)
}

impl Peer {
    fn report(&mut self, command: &[u8], data_set: &[u8]) {
        let mut bytes = Vec::new();
        push_data(&mut bytes, 1, Part::Command, true, command);
        let mut chunks = data_set.chunks(60_000).peekable();
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            push_data(&mut bytes, 1, Part::DataSet, last, chunk);
        }
        self.send(&bytes);
    }
}

#[test]
fn a_report_is_answered_only_once_somebody_says_how() {
    let (mut server, mut peer) = reporting();
    for status in [
        ReportStatus::UNKNOWN_TRANSACTION,
        ReportStatus::NOT_RECORDED,
    ] {
        peer.report(&command(INSTANCE, 1), &committed());
        let Event::Reported {
            report,
            source,
            answer,
        } = server.event()
        else {
            panic!("a report was due");
        };
        let report = report.unwrap();
        assert_eq!(source.calling_ae, title("PACS"));
        assert_eq!(report.transaction, uid("2.25.7"));
        assert_eq!(report.committed, [uid("1.2.3")]);
        answer.send(status).unwrap();
        let response = peer.response(0);
        assert_eq!((response.field, response.responded_to), (0x8100, Some(9)));
        assert_eq!(response.event_type, Some(1));
        assert_eq!(response.status, Some(status.status()));
    }
}

#[test]
fn a_report_that_nobody_records_is_no_success() {
    let (mut server, mut peer) = reporting();
    peer.report(&command(INSTANCE, 1), &committed());
    let Event::Reported { answer, .. } = server.event() else {
        panic!("a report was due");
    };
    drop(answer);
    assert_eq!(peer.status(), 0x0110);
}

#[test]
fn what_is_no_report_is_handed_over_as_such_and_the_association_goes_on() {
    let (mut server, mut peer) = reporting();
    let good = committed();
    let long = [&good[..], &vec![0; LONGEST_REPORT]].concat();
    let cases: [(Vec<u8>, &[u8]); 4] = [
        (command("1.2.3", 1), &good),
        (command(INSTANCE, 7), &good),
        (command(INSTANCE, 1), &good[..20]),
        (command(INSTANCE, 1), &long),
    ];
    for (command, data_set) in cases {
        peer.report(&command, data_set);
        let Event::Reported { report, answer, .. } = server.event() else {
            panic!("a report was due");
        };
        let error = report.unwrap_err();
        answer.send(ReportStatus::refused(error)).unwrap();
        assert_eq!(peer.status(), error.status().0, "{error}");
    }
}
