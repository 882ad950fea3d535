//! What is said in Storage Commitment Push Model (PS3.4 Annex J): the request, and the report on it.
//!
//! A report decides what may be deleted here, and it comes from the network. So it is read without
//! trusting a length or a depth, an object counts as committed only where it is named among those
//! that are, and one that is named among the failed ones as well has failed.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeSet;

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::{
    DimseStatus, Uid,
    elements::{Element, ElementError, Elements, Encoding},
};

/// The instance that requests and reports concern; there is no other.
pub const INSTANCE: &str = uids::STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE;

/// Action Type ID of the request (PS3.4 J.3.2.1).
pub const REQUEST: u16 = 1;

/// Event Type ID of a report that every object is committed (PS3.4 J.3.3.1).
pub const ALL_COMMITTED: u16 = 1;

/// Event Type ID of a report that names objects that are not.
pub const NOT_ALL: u16 = 2;

/// A report on a request names what that did, and some attributes beside; a longer one is refused.
pub const LONGEST_REPORT: usize = 256 * 1024;

/// The syntaxes in which this is said; the first is preferred.
pub const TRANSFER_SYNTAXES: [&str; 2] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
];

/// An object to be committed: its SOP class and instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Referenced {
    pub sop_class: Uid,
    pub sop_instance: Uid,
}

/// The data set of a request, in the transfer syntax.
#[must_use]
pub fn request(transaction: &Uid, objects: &[Referenced], transfer_syntax: &Uid) -> Vec<u8> {
    let encoding = encoding(transfer_syntax);
    let mut items = Vec::new();
    for object in objects {
        let mut item = Vec::new();
        write_uid(
            &mut item,
            tags::REFERENCED_SOP_CLASS_UID,
            &object.sop_class,
            encoding,
        );
        write_uid(
            &mut item,
            tags::REFERENCED_SOP_INSTANCE_UID,
            &object.sop_instance,
            encoding,
        );
        // An item has no VR in any encoding (PS3.5 §7.5).
        write(&mut items, ITEM, [0; 2], &item, Encoding::ImplicitLittle);
    }
    let mut bytes = Vec::new();
    write_uid(&mut bytes, tags::TRANSACTION_UID, transaction, encoding);
    write(
        &mut bytes,
        tags::REFERENCED_SOP_SEQUENCE,
        SEQUENCE,
        &items,
        encoding,
    );
    bytes
}

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const SEQUENCE: [u8; 2] = *b"SQ";

fn encoding(transfer_syntax: &Uid) -> Encoding {
    if transfer_syntax.as_str() == uids::IMPLICIT_VR_LITTLE_ENDIAN {
        Encoding::ImplicitLittle
    } else {
        Encoding::ExplicitLittle
    }
}

fn write_uid(bytes: &mut Vec<u8>, tag: Tag, uid: &Uid, encoding: Encoding) {
    let mut value = uid.as_str().as_bytes().to_vec();
    value.resize(value.len().next_multiple_of(2), 0);
    write(bytes, tag, *b"UI", &value, encoding);
}

/// Appends an element of these two VRs, or an item (PS3.5 §7.1).
fn write(bytes: &mut Vec<u8>, tag: Tag, vr: [u8; 2], value: &[u8], encoding: Encoding) {
    bytes.extend(tag.group().to_le_bytes());
    bytes.extend(tag.element().to_le_bytes());
    match (encoding, vr) {
        (Encoding::ImplicitLittle, _) => bytes.extend((value.len() as u32).to_le_bytes()),
        (_, SEQUENCE) => {
            bytes.extend(vr);
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        }
        _ => {
            bytes.extend(vr);
            bytes.extend((value.len() as u16).to_le_bytes());
        }
    }
    bytes.extend(value);
}

/// What a peer says became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    pub transaction: Uid,
    pub committed: Vec<Uid>,
    /// With the Failure Reason (0008,1197), which is numbered like statuses (PS3.3 C.14.1.1).
    pub failed: Vec<(Uid, DimseStatus)>,
}

/// Why a report says nothing to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReportError {
    #[error("it is about another SOP instance than the well-known one")]
    Instance,
    #[error("event type {0} does not exist")]
    EventType(u16),
    #[error("it has no Event Type ID")]
    NoEventType,
    #[error("it has no data set")]
    NoDataSet,
    #[error("it is longer than {LONGEST_REPORT} bytes")]
    TooLong,
    #[error("its data set cannot be read: {0}")]
    Unreadable(#[from] ElementError),
    #[error("it names no transaction")]
    NoTransaction,
}

impl ReportError {
    /// What the peer is answered (PS3.7 §10.1.1.1.8).
    #[must_use]
    pub fn status(self) -> DimseStatus {
        match self {
            Self::Instance => NO_SUCH_INSTANCE,
            Self::EventType(_) => NO_SUCH_EVENT_TYPE,
            Self::NoEventType | Self::NoDataSet => NO_SUCH_ARGUMENT,
            Self::TooLong => RESOURCE_LIMITATION,
            Self::Unreadable(_) | Self::NoTransaction => INVALID_ARGUMENT,
        }
    }
}

/// The transaction is not known, or not this peer's.
pub const INVALID_ARGUMENT: DimseStatus = DimseStatus(0x0115);
/// Ours, and it may pass: the peer may report again.
pub const PROCESSING_FAILURE: DimseStatus = DimseStatus(0x0110);
const NO_SUCH_INSTANCE: DimseStatus = DimseStatus(0x0112);
const NO_SUCH_EVENT_TYPE: DimseStatus = DimseStatus(0x0113);
const NO_SUCH_ARGUMENT: DimseStatus = DimseStatus(0x0114);
const RESOURCE_LIMITATION: DimseStatus = DimseStatus(0x0213);

impl Report {
    /// Reads a report as it was received: what the command says, and the data set.
    pub fn read(
        sop_instance: Option<&str>,
        event_type: Option<u16>,
        data_set: &[u8],
        transfer_syntax: &Uid,
    ) -> Result<Self, ReportError> {
        if sop_instance != Some(INSTANCE) {
            return Err(ReportError::Instance);
        }
        match event_type {
            Some(ALL_COMMITTED | NOT_ALL) => {}
            Some(other) => return Err(ReportError::EventType(other)),
            None => return Err(ReportError::NoEventType),
        }
        if data_set.is_empty() {
            return Err(ReportError::NoDataSet);
        }
        if data_set.len() > LONGEST_REPORT {
            return Err(ReportError::TooLong);
        }
        let mut transaction = None;
        let (mut committed, mut failed) = (Vec::new(), Vec::new());
        for element in Elements::new(data_set, encoding(transfer_syntax)) {
            let element = element?;
            match element.tag {
                tags::TRANSACTION_UID => transaction = uid(&element),
                tags::REFERENCED_SOP_SEQUENCE => committed = named(&element)?,
                tags::FAILED_SOP_SEQUENCE => failed = named(&element)?,
                _ => {}
            }
        }
        let failed: Vec<_> = failed
            .into_iter()
            .map(|(instance, reason)| (instance, reason.unwrap_or(PROCESSING_FAILURE)))
            .collect();
        let not: BTreeSet<&Uid> = failed.iter().map(|(instance, _)| instance).collect();
        committed.retain(|(instance, _)| !not.contains(instance));
        Ok(Self {
            transaction: transaction.ok_or(ReportError::NoTransaction)?,
            committed: committed
                .into_iter()
                .map(|(instance, _)| instance)
                .collect(),
            failed,
        })
    }
}

/// The instances that a sequence names, with their failure reasons; what is no UID is none of ours.
fn named(sequence: &Element<'_>) -> Result<Vec<(Uid, Option<DimseStatus>)>, ElementError> {
    let mut named = Vec::new();
    for item in sequence.items() {
        let (mut instance, mut reason) = (None, None);
        for element in item {
            let element = element?;
            match element.tag {
                tags::REFERENCED_SOP_INSTANCE_UID => instance = uid(&element),
                tags::FAILURE_REASON => reason = element.u16().map(DimseStatus),
                _ => {}
            }
        }
        named.extend(instance.map(|instance| (instance, reason)));
    }
    Ok(named)
}

fn uid(element: &Element<'_>) -> Option<Uid> {
    Uid::parse(std::str::from_utf8(element.value).ok()?).ok()
}

/// Whether storing the object once more can help against this failure reason. Where it cannot, the
/// peer is only asked again.
#[must_use]
pub fn is_cured_by_sending(reason: DimseStatus) -> bool {
    !matches!(reason.0, 0x0119 | 0x0122 | 0x0131 | 0x0213)
}

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, PrimitiveValue, VR, value::DataSetSequence};
    use dicom_object::InMemDicomObject;
    use dicom_transfer_syntax_registry::entries::{
        EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
    };
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn item(instance: &str, reason: Option<u16>) -> InMemDicomObject {
        let class = DataElement::new(tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2.3");
        let instance = DataElement::new(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance);
        let reason = reason
            .map(|code| DataElement::new(tags::FAILURE_REASON, VR::US, PrimitiveValue::from(code)));
        InMemDicomObject::from_element_iter([class, instance].into_iter().chain(reason))
    }

    fn encoded(elements: Vec<DataElement<InMemDicomObject>>, syntax: &str) -> Vec<u8> {
        let object = InMemDicomObject::from_element_iter(elements);
        let mut bytes = Vec::new();
        let syntax = if syntax == uids::IMPLICIT_VR_LITTLE_ENDIAN {
            IMPLICIT_VR_LITTLE_ENDIAN.erased()
        } else {
            EXPLICIT_VR_LITTLE_ENDIAN.erased()
        };
        object.write_dataset_with_ts(&mut bytes, &syntax).unwrap();
        bytes
    }

    fn read_by_dicom_object(bytes: &[u8], syntax: &str) -> InMemDicomObject {
        let syntax = if syntax == uids::IMPLICIT_VR_LITTLE_ENDIAN {
            IMPLICIT_VR_LITTLE_ENDIAN.erased()
        } else {
            EXPLICIT_VR_LITTLE_ENDIAN.erased()
        };
        InMemDicomObject::read_dataset_with_ts(bytes, &syntax).unwrap()
    }

    fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
        DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
    }

    fn read(event: u16, bytes: &[u8], syntax: &str) -> Result<Report, ReportError> {
        Report::read(Some(INSTANCE), Some(event), bytes, &parsed(syntax))
    }

    #[test]
    fn a_report_is_read_in_both_encodings_and_a_failed_object_is_never_committed() {
        for syntax in TRANSFER_SYNTAXES {
            let bytes = encoded(
                vec![
                    DataElement::new(tags::TRANSACTION_UID, VR::UI, "2.25.1"),
                    DataElement::new(tags::RETRIEVE_AE_TITLE, VR::AE, "PACS"),
                    sequence(
                        tags::FAILED_SOP_SEQUENCE,
                        vec![item("1.2.2", Some(0x0112)), item("1.2.4", None)],
                    ),
                    sequence(
                        tags::REFERENCED_SOP_SEQUENCE,
                        vec![item("1.2.1", None), item("1.2.2", None)],
                    ),
                ],
                syntax,
            );
            let report = read(NOT_ALL, &bytes, syntax).unwrap();
            let expected = Report {
                transaction: parsed("2.25.1"),
                committed: vec![parsed("1.2.1")],
                failed: vec![
                    (parsed("1.2.2"), DimseStatus(0x0112)),
                    (parsed("1.2.4"), PROCESSING_FAILURE),
                ],
            };
            assert_eq!(report, expected, "{syntax}");
        }
    }

    #[test]
    fn a_request_reads_back_as_what_was_asked() {
        let objects =
            [("1.2.3", "1.2.3.1"), ("1.2.4", "1.2.3.22")].map(|(class, instance)| Referenced {
                sop_class: parsed(class),
                sop_instance: parsed(instance),
            });
        for syntax in TRANSFER_SYNTAXES {
            let bytes = request(&parsed("2.25.77"), &objects, &parsed(syntax));
            let object = read_by_dicom_object(&bytes, syntax);
            let text = |object: &InMemDicomObject, tag| {
                let text = object.element(tag).unwrap().to_str().unwrap();
                text.trim_end_matches('\0').to_owned()
            };
            assert_eq!(text(&object, tags::TRANSACTION_UID), "2.25.77");
            let items = object.element(tags::REFERENCED_SOP_SEQUENCE).unwrap();
            let items = items.items().unwrap().iter();
            let named: Vec<_> = items
                .map(|item| {
                    let class = text(item, tags::REFERENCED_SOP_CLASS_UID);
                    (class, text(item, tags::REFERENCED_SOP_INSTANCE_UID))
                })
                .collect();
            let pair = |class: &str, uid: &str| (class.to_owned(), uid.to_owned());
            assert_eq!(named, [pair("1.2.3", "1.2.3.1"), pair("1.2.4", "1.2.3.22")]);
            let report = read(ALL_COMMITTED, &bytes, syntax).unwrap();
            assert_eq!(report.transaction, parsed("2.25.77"));
            assert_eq!(report.committed, [parsed("1.2.3.1"), parsed("1.2.3.22")]);
        }
    }

    #[test]
    fn what_is_no_report_is_refused_with_a_status_that_says_why() {
        let syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
        let about = |instance, event, bytes: &[u8]| {
            let refused = Report::read(instance, event, bytes, &parsed(syntax));
            refused.unwrap_err().status().0
        };
        let good = encoded(
            vec![DataElement::new(tags::TRANSACTION_UID, VR::UI, "2.25.1")],
            syntax,
        );
        assert_eq!(about(Some("1.2.3"), Some(1), &good), 0x0112);
        assert_eq!(about(None, Some(1), &good), 0x0112);
        assert_eq!(about(Some(INSTANCE), Some(3), &good), 0x0113);
        assert_eq!(about(Some(INSTANCE), None, &good), 0x0114);
        assert_eq!(about(Some(INSTANCE), Some(1), &[]), 0x0114);
        let long = vec![0; LONGEST_REPORT + 1];
        assert_eq!(about(Some(INSTANCE), Some(1), &long), 0x0213);
        assert_eq!(about(Some(INSTANCE), Some(1), &[8, 0, 0x95]), 0x0115);
        let nameless = encoded(
            vec![DataElement::new(tags::TRANSACTION_UID, VR::UI, "none")],
            syntax,
        );
        assert_eq!(about(Some(INSTANCE), Some(1), &nameless), 0x0115);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), event in 0u16..4) {
            for syntax in TRANSFER_SYNTAXES {
                let _ = read(event, &bytes, syntax);
            }
        }

        #[test]
        fn a_report_cut_anywhere_or_bent_anywhere_does_not_make_it_panic(
            cut in 0usize..200, at in 0usize..200, byte: u8,
        ) {
            for syntax in TRANSFER_SYNTAXES {
                let mut bytes = encoded(
                    vec![
                        DataElement::new(tags::TRANSACTION_UID, VR::UI, "2.25.1"),
                        sequence(tags::FAILED_SOP_SEQUENCE, vec![item("1.2.2", Some(0x0112))]),
                        sequence(tags::REFERENCED_SOP_SEQUENCE, vec![item("1.2.1", None)]),
                    ],
                    syntax,
                );
                if let Some(bent) = bytes.get_mut(at) {
                    *bent = byte;
                }
                let _ = read(NOT_ALL, &bytes, syntax);
                bytes.truncate(cut);
                let _ = read(NOT_ALL, &bytes, syntax);
            }
        }
    }
}
