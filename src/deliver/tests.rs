//! Deliveries over real sockets on loopback, to a PACS that does what the test tells it to. It speaks
//! through `dicom-ul`, not through our own reading and writing of PDUs.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
};

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use dicom_ul::pdu::{
    AbortRQSource, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ, PDataValue, PDataValueType,
    Pdu, PresentationContextResult, PresentationContextResultReason as Outcome, UserVariableItem,
};

use super::*;
use crate::association::dimse::Command;

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
const SEG: &str = uids::SEGMENTATION_STORAGE;
const SC: &str = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

/// The PACS' side of one connection.
struct Pacs(TcpStream);

/// A message as it came: the command, the data set, and the lengths of the PDUs that brought them.
struct Message {
    command: Command,
    data_set: Vec<u8>,
    pdus: Vec<usize>,
}

impl Pacs {
    /// Runs one script for each connection, one after the other.
    fn start(scripts: Vec<fn(Self)>) -> (Destination, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pacs = thread::spawn(move || {
            for script in scripts {
                let (stream, _) = listener.accept().unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(10)))
                    .unwrap();
                script(Self(stream));
            }
        });
        (destination(&address), pacs)
    }

    fn pdu(&mut self) -> Pdu {
        let mut bytes = vec![0; 6];
        self.0.read_exact(&mut bytes).expect("a PDU in time");
        let length = u32::from_be_bytes(bytes[2..6].try_into().unwrap()) as usize;
        bytes.resize(6 + length, 0);
        self.0.read_exact(&mut bytes[6..]).unwrap();
        dicom_ul::read_pdu(&bytes[..], 1 << 20, true)
            .unwrap()
            .unwrap()
    }

    fn send(&mut self, pdu: &Pdu) {
        let mut bytes = Vec::new();
        dicom_ul::write_pdu(&mut bytes, pdu).unwrap();
        self.0.write_all(&bytes).unwrap();
    }

    fn request(&mut self) -> AssociationRQ {
        match self.pdu() {
            Pdu::AssociationRQ(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Accepts the contexts for which `choose` (class, proposed) names a transfer syntax.
    fn accept(&mut self, max_pdu: u32, choose: impl Fn(&str, &[String]) -> Option<String>) {
        let request = self.request();
        self.send(&Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: request.calling_ae_title,
            called_ae_title: request.called_ae_title,
            application_context_name: request.application_context_name,
            presentation_contexts: request
                .presentation_contexts
                .iter()
                .map(|proposed| {
                    let chosen = choose(&proposed.abstract_syntax, &proposed.transfer_syntaxes);
                    PresentationContextResult {
                        id: proposed.id,
                        reason: match chosen {
                            Some(_) => Outcome::Acceptance,
                            None => Outcome::AbstractSyntaxNotSupported,
                        },
                        transfer_syntax: chosen.unwrap_or_else(|| IMPLICIT.to_owned()),
                    }
                })
                .collect(),
            user_variables: vec![
                UserVariableItem::MaxLength(max_pdu),
                UserVariableItem::ImplementationVersionName("TEST_PACS".to_owned()),
            ],
        }));
    }

    fn accept_all(&mut self) {
        self.accept(16_384, |_, proposed| proposed.first().cloned());
    }

    /// The next message; command and data set must not share a PDU.
    fn message(&mut self) -> Message {
        let (mut command, mut data_set, mut pdus) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let Pdu::PData { data } = self.pdu() else {
                panic!("P-DATA was due");
            };
            let [value] = &data[..] else {
                panic!("one value in a PDU, not {}", data.len());
            };
            pdus.push(value.data.len() + 6);
            match value.value_type {
                PDataValueType::Command => command.extend(&value.data),
                PDataValueType::Data => data_set.extend(&value.data),
            }
            let parsed = Command::parse(&command);
            let ended = value.is_last
                && (value.value_type == PDataValueType::Data
                    || parsed.as_ref().is_ok_and(|c| !c.has_data_set));
            if ended {
                return Message {
                    command: parsed.unwrap(),
                    data_set,
                    pdus,
                };
            }
        }
    }

    fn answer(&mut self, request: &Command, status: u16, comment: Option<&str>) {
        self.send(&Pdu::PData {
            data: vec![PDataValue {
                presentation_context_id: 1,
                value_type: PDataValueType::Command,
                is_last: true,
                data: request.response(DimseStatus(status), comment),
            }],
        });
    }

    fn store(&mut self, status: u16) -> Message {
        let message = self.message();
        self.answer(&message.command, status, None);
        message
    }

    fn release(&mut self) {
        assert!(matches!(self.pdu(), Pdu::ReleaseRQ));
        self.send(&Pdu::ReleaseRP);
    }

    fn is_aborted(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest.ends_with(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 0])
    }
}

fn destination(address: &str) -> Destination {
    let title = |text| AeTitle::parse(text).unwrap();
    let mut destination = Destination::new("pacs", title("PACS"), address, title("HEPAR"));
    destination.timeouts = Timeouts {
        connect: Duration::from_secs(5),
        negotiation: Duration::from_secs(5),
        write: Duration::from_secs(5),
        slowest_link: 1 << 30,
        response: Duration::from_secs(5),
    };
    destination
}

/// Files to send; they go with the folder.
struct Files(tempfile::TempDir);

const NAME: &str = "Müller^Jürgen";

fn object(class: &str, instance: &str, pixels: usize) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, class),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, instance),
        DataElement::new(tags::PATIENT_NAME, VR::PN, NAME),
        DataElement::new(
            tags::PIXEL_DATA,
            VR::OB,
            dicom_core::PrimitiveValue::from((0..pixels).map(|i| i as u8).collect::<Vec<_>>()),
        ),
    ])
}

fn encoded(object: &InMemDicomObject, syntax: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get(syntax).unwrap();
    object.write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn add(&self, class: &str, instance: &str, pixels: usize) -> Outgoing {
        let path = self.0.path().join(instance);
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(EXPLICIT)
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid(instance);
        object(class, instance, pixels)
            .with_meta(meta)
            .unwrap()
            .write_to_file(&path)
            .unwrap();
        Outgoing {
            sop_class: uid(class),
            sop_instance: uid(instance),
            path,
        }
    }
}

fn only(mut results: Vec<Result<DimseStatus, DeliverError>>) -> Result<DimseStatus, DeliverError> {
    assert_eq!(results.len(), 1);
    results.remove(0)
}

#[test]
fn objects_arrive_as_they_are_in_order_over_one_association() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        for (id, instance) in [(1, "1.2.1"), (2, "1.2.2")] {
            let message = pacs.store(0);
            assert_eq!(message.command.message_id, Some(id));
            assert_eq!(message.command.sop_class.as_deref(), Some(SEG));
            assert_eq!(message.command.sop_instance.as_deref(), Some(instance));
            let sent = encoded(&object(SEG, instance, 50_000), EXPLICIT);
            assert_eq!(message.data_set, sent);
        }
        pacs.release();
    }]);
    let files = Files::new();
    let objects = ["1.2.1", "1.2.2"].map(|instance| files.add(SEG, instance, 50_000));
    let results = store(&destination, &objects);
    assert!(matches!(
        results[..],
        [Ok(DimseStatus::SUCCESS), Ok(DimseStatus::SUCCESS)]
    ));
    pacs.join().unwrap();
}

#[test]
fn only_what_is_sent_is_proposed() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        let request = pacs.request();
        assert_eq!(request.called_ae_title, "PACS");
        assert_eq!(request.calling_ae_title, "HEPAR");
        let proposed: Vec<(u8, &str, Vec<&str>)> = request
            .presentation_contexts
            .iter()
            .map(|context| {
                let syntaxes = context.transfer_syntaxes.iter().map(String::as_str);
                (context.id, &context.abstract_syntax[..], syntaxes.collect())
            })
            .collect();
        assert_eq!(
            proposed,
            [
                (1, SEG, vec![EXPLICIT, IMPLICIT]),
                (3, SC, vec![EXPLICIT, IMPLICIT])
            ]
        );
    }]);
    let files = Files::new();
    let objects = [
        files.add(SEG, "1.2.1", 2),
        files.add(SC, "1.2.2", 2),
        files.add(SEG, "1.2.3", 2),
    ];
    assert!(store(&destination, &objects).iter().all(Result::is_err));
    pacs.join().unwrap();
}

#[test]
fn a_peer_that_takes_implicit_only_gets_the_same_values_in_implicit() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept(0, |_, _| Some(IMPLICIT.to_owned()));
        let message = pacs.store(0);
        let syntax = TransferSyntaxRegistry.get(IMPLICIT).unwrap();
        let received =
            InMemDicomObject::read_dataset_with_ts(&message.data_set[..], syntax).unwrap();
        let name = received.element(tags::PATIENT_NAME).unwrap();
        assert_eq!(name.to_str().unwrap(), NAME);
        let pixels = received.element(tags::PIXEL_DATA).unwrap();
        let sent = object(SEG, "1.2.1", 1000);
        let sent = sent.element(tags::PIXEL_DATA).unwrap();
        assert_eq!(pixels.to_bytes().unwrap(), sent.to_bytes().unwrap());
        pacs.release();
    }]);
    let files = Files::new();
    assert!(only(store(&destination, &[files.add(SEG, "1.2.1", 1000)])).is_ok());
    pacs.join().unwrap();
}

#[test]
fn the_peers_pdu_length_is_kept_to() {
    let script = |max_pdu: u32, longest: usize| {
        move |mut pacs: Pacs| {
            pacs.accept(max_pdu, |_, proposed| proposed.first().cloned());
            let message = pacs.store(0);
            assert_eq!(message.pdus.iter().max(), Some(&longest));
            pacs.release();
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let destination = destination(&listener.local_addr().unwrap().to_string());
    let files = Files::new();
    let outgoing = files.add(SEG, "1.2.1", 300_000);
    for (max_pdu, longest) in [
        (4096, 4096),
        (131_072, 131_072),
        (0, 131_072),
        (1 << 20, 131_072),
    ] {
        thread::scope(|scope| {
            let pacs = scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                script(max_pdu, longest)(Pacs(stream));
            });
            assert!(only(store(&destination, std::slice::from_ref(&outgoing))).is_ok());
            pacs.join().unwrap();
        });
    }
}

#[test]
fn warnings_and_duplicates_count_as_delivered_and_failures_leave_the_association_usable() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        for status in [0xB000, 0x0111, 0xB007] {
            pacs.store(status);
        }
        let refused = pacs.message();
        pacs.answer(&refused.command, 0xA700, Some("archive full"));
        pacs.store(0xC000);
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let objects: Vec<Outgoing> = (1..=6)
        .map(|i| files.add(SEG, &format!("1.2.{i}"), 100))
        .collect();
    let results = store(&destination, &objects);
    let kept: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(kept, [true, true, true, false, false, true]);
    let full = results[3].as_ref().unwrap_err();
    assert_eq!(
        full.to_string(),
        "pacs answered with status A700 (out of resources), saying \"archive full\""
    );
    assert_eq!(full.remedy(), Remedy::Wait);
    let refused = results[4].as_ref().unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Service);
    pacs.join().unwrap();
}

#[test]
fn nobody_at_the_address_is_unreachable_for_all() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let files = Files::new();
    let objects = ["1.2.1", "1.2.2"].map(|instance| files.add(SEG, instance, 2));
    for address in [&address[..], "no port"] {
        for result in store(&destination(address), &objects) {
            let err = result.unwrap_err();
            assert!(matches!(err, DeliverError::Unreachable { .. }));
            assert_eq!(err.remedy(), Remedy::Wait);
        }
    }
}

#[test]
fn a_refusal_is_told_in_words() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.request();
        pacs.send(&Pdu::AssociationRJ(AssociationRJ {
            result: AssociationRJResult::Permanent,
            source: AssociationRJSource::ServiceUser(
                AssociationRJServiceUserReason::CalledAETitleNotRecognized,
            ),
        }));
    }]);
    let files = Files::new();
    let err = only(store(&destination, &[files.add(SEG, "1.2.1", 2)])).unwrap_err();
    assert_eq!(
        err.to_string(),
        "pacs refused the association: called AE title not recognized (permanently)"
    );
    assert_eq!(err.remedy(), Remedy::Service);
    pacs.join().unwrap();
}

#[test]
fn a_class_the_peer_does_not_take_is_named_and_the_others_are_sent() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept(0, |class, proposed| {
            (class == SC).then(|| proposed[0].clone())
        });
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let objects = [files.add(SEG, "1.2.1", 2), files.add(SC, "1.2.2", 2)];
    let results = store(&destination, &objects);
    assert_eq!(
        results[0].as_ref().unwrap_err().to_string(),
        "pacs takes no Segmentation Storage: class not supported"
    );
    assert!(results[1].is_ok());
    pacs.join().unwrap();
}

#[test]
fn a_refused_context_may_come_without_a_transfer_syntax() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.request();
        // Context 1 is refused, and 3 accepted in Explicit VR Little Endian.
        let mut items = vec![0x10, 0, 0, 21];
        items.extend(uids::DICOM_APPLICATION_CONTEXT.bytes());
        items.extend([0x21, 0, 0, 4, 1, 0, 3, 0]);
        items.extend([0x21, 0, 0, 27, 3, 0, 0, 0, 0x40, 0, 0, 19]);
        items.extend(EXPLICIT.bytes());
        let mut pdu = vec![2, 0];
        pdu.extend((68 + items.len() as u32).to_be_bytes());
        pdu.extend([0, 1, 0, 0]);
        pdu.extend(b"PACS            HEPAR           ");
        pdu.extend([0; 32]);
        pdu.extend(items);
        pacs.0.write_all(&pdu).unwrap();
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let objects = [files.add(SEG, "1.2.1", 2), files.add(SC, "1.2.2", 2)];
    let results = store(&destination, &objects);
    assert!(matches!(
        results[..],
        [Err(DeliverError::NoPresentationContext { .. }), Ok(_)]
    ));
    pacs.join().unwrap();
}

#[test]
fn after_an_abort_in_the_middle_the_rest_goes_over_a_new_association() {
    let (destination, pacs) = Pacs::start(vec![
        |mut pacs| {
            pacs.accept_all();
            pacs.store(0);
            pacs.pdu();
            pacs.send(&Pdu::AbortRQ {
                source: AbortRQSource::ServiceUser,
            });
        },
        |mut pacs| {
            pacs.accept_all();
            let message = pacs.store(0);
            assert_eq!(message.command.sop_instance.as_deref(), Some("1.2.3"));
            pacs.release();
        },
    ]);
    let files = Files::new();
    let objects: Vec<Outgoing> = (1..=3)
        .map(|i| files.add(SEG, &format!("1.2.{i}"), 3_000_000))
        .collect();
    let results = store(&destination, &objects);
    assert!(results[0].is_ok());
    assert!(
        matches!(
            results[1],
            Err(DeliverError::Aborted { .. } | DeliverError::Broken { .. })
        ),
        "{:?}",
        results[1]
    );
    assert!(results[2].is_ok());
    pacs.join().unwrap();
}

#[test]
fn a_peer_that_stalls_is_aborted_and_after_two_such_losses_the_rest_waits() {
    let stalls = |mut pacs: Pacs| {
        pacs.accept_all();
        pacs.message();
        // And no answer.
        assert!(pacs.is_aborted());
    };
    let (mut destination, pacs) = Pacs::start(vec![stalls, stalls]);
    destination.timeouts.response = Duration::from_millis(100);
    let files = Files::new();
    let objects: Vec<Outgoing> = (1..=4)
        .map(|i| files.add(SEG, &format!("1.2.{i}"), 100))
        .collect();
    for result in store(&destination, &objects) {
        let err = result.unwrap_err();
        assert_eq!(
            err.to_string(),
            "pacs timed out while we waited for the answer to an object"
        );
        assert_eq!(err.remedy(), Remedy::Wait);
    }
    pacs.join().unwrap();
}

#[test]
fn a_peer_that_stops_reading_times_out() {
    let (mut destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        // Holds the connection and reads nothing, until the other side has given up.
        while !CUT.load(Ordering::Acquire) {
            thread::park_timeout(Duration::from_millis(10));
        }
    }]);
    destination.timeouts.write = Duration::from_millis(200);
    let files = Files::new();
    let outgoing = files.add(SEG, "1.2.1", 24 << 20);
    let err = only(store(&destination, &[outgoing])).unwrap_err();
    CUT.store(true, Ordering::Release);
    assert_eq!(err.to_string(), "pacs timed out while we sent an object");
    pacs.join().unwrap();
}

static CUT: AtomicBool = AtomicBool::new(false);

#[test]
fn a_peer_that_closes_after_the_command_breaks_the_connection() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.pdu();
    }]);
    let files = Files::new();
    let err = only(store(&destination, &[files.add(SEG, "1.2.1", 3_000_000)])).unwrap_err();
    assert!(matches!(err, DeliverError::Broken { .. }), "{err}");
    pacs.join().unwrap();
}

#[test]
fn an_answer_to_another_request_is_not_taken_for_ours() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let mut message = pacs.message();
        message.command.message_id = Some(99);
        pacs.answer(&message.command, 0, None);
        assert!(pacs.is_aborted());
    }]);
    let files = Files::new();
    let err = only(store(&destination, &[files.add(SEG, "1.2.1", 2)])).unwrap_err();
    assert!(matches!(err, DeliverError::Violation { .. }), "{err}");
    pacs.join().unwrap();
}

#[test]
fn a_release_collision_is_resolved_as_the_standard_says() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.store(0);
        assert!(matches!(pacs.pdu(), Pdu::ReleaseRQ));
        pacs.send(&Pdu::ReleaseRQ);
        assert!(matches!(pacs.pdu(), Pdu::ReleaseRP));
        pacs.send(&Pdu::ReleaseRP);
    }]);
    let files = Files::new();
    assert!(only(store(&destination, &[files.add(SEG, "1.2.1", 2)])).is_ok());
    pacs.join().unwrap();
}

#[test]
fn a_file_that_cannot_be_sent_fails_alone() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let good = files.add(SEG, "1.2.1", 2);
    let missing = Outgoing {
        path: files.0.path().join("missing"),
        ..good.clone()
    };
    let garbage = Outgoing {
        path: files.0.path().join("garbage"),
        ..good.clone()
    };
    std::fs::write(&garbage.path, [0; 500]).unwrap();
    let results = store(&destination, &[missing, garbage, good]);
    assert!(matches!(
        results[..],
        [
            Err(DeliverError::Unreadable { .. }),
            Err(DeliverError::NotSendable { .. }),
            Ok(_)
        ]
    ));
    pacs.join().unwrap();
}

#[test]
fn an_echo_says_who_answers_and_what_it_takes() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept(0, |class, proposed| {
            (class != uids::COMPREHENSIVE3_DSR_STORAGE).then(|| proposed[0].clone())
        });
        let echo = pacs.message();
        assert_eq!(echo.command.sop_class.as_deref(), Some(uids::VERIFICATION));
        pacs.answer(&echo.command, 0, None);
        pacs.release();
    }]);
    let report = echo(&destination).unwrap();
    assert_eq!(report.implementation.as_deref(), Some("TEST_PACS"));
    let taken: Vec<bool> = report.classes.iter().map(|c| c.taken.is_ok()).collect();
    assert_eq!(taken, [true, false, true]);
    let words = report.to_string();
    assert!(words.contains("takes Segmentation Storage"), "{words}");
    assert!(
        words.contains("takes no Comprehensive 3D SR Storage"),
        "{words}"
    );
    pacs.join().unwrap();
}

#[test]
fn an_echo_that_is_refused_is_an_error() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let echo = pacs.message();
        pacs.answer(&echo.command, 0x0122, None);
        pacs.release();
    }]);
    assert!(matches!(
        echo(&destination),
        Err(DeliverError::Status { .. })
    ));
    pacs.join().unwrap();
}
