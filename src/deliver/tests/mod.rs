//! Deliveries over real sockets on loopback, to a PACS that does what the test tells it to. It speaks
//! through `dicom-ul`, not through our own reading and writing of PDUs.

mod agreeing;
mod committing;
mod failing;
mod stopping;

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
use crate::{association::dimse::Command, dicom::Remedy};

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

/// Nobody stops these.
fn store(
    destination: &Destination,
    objects: &[Outgoing],
) -> Vec<Result<DimseStatus, DeliverError>> {
    super::store(destination, objects, &CancellationToken::new())
}

fn only(mut results: Vec<Result<DimseStatus, DeliverError>>) -> Result<DimseStatus, DeliverError> {
    assert_eq!(results.len(), 1);
    results.remove(0)
}
