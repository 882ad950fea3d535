//! Command sets (PS3.7 §6.3, Annex E): requests are parsed, responses are built.
//!
//! A command set is always Implicit VR Little Endian and holds group 0000 only, so it is read here
//! element by element, without the machinery (and the allocations) for data sets.

use bytes::Buf;

use dicom_dictionary_std::uids;

use crate::{
    dicom::{
        DimseStatus, Uid,
        commitment::{self, ReportError},
    },
    spool::{Spooled, journal::Recorded},
};

/// The elements of a command set that a peer of storage, verification and storage commitment needs.
///
/// UIDs stay text: a response repeats them as they came, even where they are no UIDs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Command {
    /// Command Field (0000,0100).
    pub field: u16,
    /// Message ID (0000,0110).
    pub message_id: Option<u16>,
    /// Message ID Being Responded To (0000,0120).
    pub responded_to: Option<u16>,
    /// Affected (0000,0002) or else Requested (0000,0003) SOP Class UID.
    pub sop_class: Option<String>,
    /// Affected (0000,1000) or else Requested (0000,1001) SOP Instance UID.
    pub sop_instance: Option<String>,
    /// Whether Command Data Set Type (0000,0800) announces a data set.
    pub has_data_set: bool,
    /// Status (0000,0900).
    pub status: Option<DimseStatus>,
    /// Error Comment (0000,0902).
    pub error_comment: Option<String>,
    /// Event Type ID (0000,1002).
    pub event_type: Option<u16>,
}

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum CommandError {
    #[error("the command set ends inside an element")]
    Truncated,
    #[error("element ({0:04X},{1:04X}) does not belong into a command set")]
    ForeignElement(u16, u16),
    #[error("element (0000,{0:04X}) is {1} bytes long")]
    Length(u16, usize),
    #[error("the command set has no Command Field (0000,0100)")]
    NoCommandField,
}

/// Command Field values (PS3.7 Table E.1-1). A response is its request with the highest bit set.
pub mod field {
    pub const C_STORE: u16 = 0x0001;
    pub const C_ECHO: u16 = 0x0030;
    pub const N_EVENT_REPORT: u16 = 0x0100;
    pub const N_ACTION: u16 = 0x0130;
    pub const C_CANCEL: u16 = 0x0FFF;
    pub const RESPONSE: u16 = 0x8000;
}

impl Command {
    pub fn parse(mut bytes: &[u8]) -> Result<Self, CommandError> {
        let mut command = Self::default();
        let mut found_field = false;
        while !bytes.is_empty() {
            if bytes.len() < 8 {
                return Err(CommandError::Truncated);
            }
            let (group, element) = (bytes.get_u16_le(), bytes.get_u16_le());
            let length = bytes.get_u32_le() as usize;
            if group != 0 {
                return Err(CommandError::ForeignElement(group, element));
            }
            let (value, rest) = bytes
                .split_at_checked(length)
                .ok_or(CommandError::Truncated)?;
            bytes = rest;
            let number = || {
                <[u8; 2]>::try_from(value)
                    .map(u16::from_le_bytes)
                    .map_err(|_| CommandError::Length(element, length))
            };
            match element {
                0x0002 => command.sop_class = Some(text(value)),
                0x0003 if command.sop_class.is_none() => command.sop_class = Some(text(value)),
                0x0100 => {
                    command.field = number()?;
                    found_field = true;
                }
                0x0110 => command.message_id = Some(number()?),
                0x0120 => command.responded_to = Some(number()?),
                0x0800 => command.has_data_set = number()? != NO_DATA_SET,
                0x0900 => command.status = Some(DimseStatus(number()?)),
                0x0902 => command.error_comment = Some(text(value)),
                0x1000 => command.sop_instance = Some(text(value)),
                0x1001 if command.sop_instance.is_none() => {
                    command.sop_instance = Some(text(value));
                }
                0x1002 => command.event_type = Some(number()?),
                _ => {}
            }
        }
        if found_field {
            Ok(command)
        } else {
            Err(CommandError::NoCommandField)
        }
    }

    /// Whether this asks for something, so that exactly one response is due. A cancellation has no
    /// response of its own (PS3.7 §9.3.2.3).
    pub fn is_request(&self) -> bool {
        self.field & field::RESPONSE == 0 && self.field != field::C_CANCEL
    }

    /// The command set that answers this request.
    pub fn response(&self, status: DimseStatus, comment: Option<&str>) -> Vec<u8> {
        let mut elements = Elements::default();
        elements.text(0x0002, self.sop_class.as_deref());
        elements.number(0x0100, self.field | field::RESPONSE);
        elements.number(0x0120, self.message_id.unwrap_or_default());
        elements.number(0x0800, NO_DATA_SET);
        elements.number(0x0900, status.0);
        elements.text(0x0902, comment);
        elements.text(0x1000, self.sop_instance.as_deref());
        if let (field::N_EVENT_REPORT, Some(event)) = (self.field, self.event_type) {
            elements.number(0x1002, event);
        }
        elements.finish()
    }
}

/// A C-STORE request of medium priority; its data set follows.
pub fn store_request(message_id: u16, sop_class: &Uid, sop_instance: &Uid) -> Vec<u8> {
    let mut elements = Elements::default();
    elements.text(0x0002, Some(sop_class.as_str()));
    elements.number(0x0100, field::C_STORE);
    elements.number(0x0110, message_id);
    elements.number(0x0700, MEDIUM_PRIORITY);
    elements.number(0x0800, DATA_SET_FOLLOWS);
    elements.text(0x1000, Some(sop_instance.as_str()));
    elements.finish()
}

/// A C-ECHO request.
pub fn echo_request(message_id: u16) -> Vec<u8> {
    let mut elements = Elements::default();
    elements.text(0x0002, Some(uids::VERIFICATION));
    elements.number(0x0100, field::C_ECHO);
    elements.number(0x0110, message_id);
    elements.number(0x0800, NO_DATA_SET);
    elements.finish()
}

/// An N-ACTION request to commit to what its data set names, which follows (PS3.4 J.3.2).
pub fn commitment_request(message_id: u16) -> Vec<u8> {
    let mut elements = Elements::default();
    elements.text(0x0003, Some(uids::STORAGE_COMMITMENT_PUSH_MODEL));
    elements.number(0x0100, field::N_ACTION);
    elements.number(0x0110, message_id);
    elements.number(0x0800, DATA_SET_FOLLOWS);
    elements.text(0x1001, Some(commitment::INSTANCE));
    elements.number(0x1008, commitment::REQUEST);
    elements.finish()
}

/// The statuses with which we answer a report on a commitment (PS3.7 §10.1.1.1.8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReportStatus(DimseStatus);

impl ReportStatus {
    /// No transaction of this peer's has that UID.
    pub const UNKNOWN_TRANSACTION: Self = Self(commitment::INVALID_ARGUMENT);
    /// It could not be made durable; the peer may report again.
    pub const NOT_RECORDED: Self = Self(commitment::PROCESSING_FAILURE);

    /// Success is only constructible from a receipt: the peer never reports again once it hears
    /// this, and what it committed to may be deleted here.
    #[must_use]
    pub fn success(_receipt: &Recorded) -> Self {
        Self(DimseStatus::SUCCESS)
    }

    #[must_use]
    pub fn refused(error: ReportError) -> Self {
        Self(error.status())
    }

    #[must_use]
    pub fn status(self) -> DimseStatus {
        self.0
    }

    /// Error Comment: what the peer's administrator has to know.
    #[must_use]
    pub fn comment(self) -> Option<&'static str> {
        match self {
            Self::UNKNOWN_TRANSACTION => Some("no such transaction of this AE title"),
            Self::NOT_RECORDED => Some("the report could not be recorded"),
            _ => None,
        }
    }
}

/// The statuses with which we answer C-STORE (PS3.4 B.2.3, PS3.7 §9.1.1.1.9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoreStatus(DimseStatus);

impl StoreStatus {
    /// The disk, or our share of memory, is full; the sender may try again later.
    pub const OUT_OF_RESOURCES: Self = Self(DimseStatus(0xA700));
    /// The data set contradicts the command about what it is.
    pub const DATA_SET_DOES_NOT_MATCH: Self = Self(DimseStatus(0xA900));
    pub const CANNOT_UNDERSTAND: Self = Self(DimseStatus(0xC000));
    /// Our fault, and not for want of space.
    pub const PROCESSING_FAILURE: Self = Self(DimseStatus(0x0110));
    pub const INVALID_SOP_INSTANCE: Self = Self(DimseStatus(0x0117));
    pub const SOP_CLASS_NOT_SUPPORTED: Self = Self(DimseStatus(0x0122));

    /// Every failure a C-STORE may be answered with, and when.
    pub const FAILURES: [(Self, &str); 6] = [
        (
            Self::OUT_OF_RESOURCES,
            "the disk is full, or unfinished data sets fill the memory set aside for them, or the \
             data set is larger than is accepted",
        ),
        (
            Self::DATA_SET_DOES_NOT_MATCH,
            "the data set contradicts the command about its SOP class or instance; it is set apart",
        ),
        (Self::CANNOT_UNDERSTAND, "no data set came with the request"),
        (
            Self::PROCESSING_FAILURE,
            "the instance could not be made durable, and not for want of space",
        ),
        (
            Self::INVALID_SOP_INSTANCE,
            "the Affected SOP Instance UID is no UID",
        ),
        (
            Self::SOP_CLASS_NOT_SUPPORTED,
            "the Affected SOP Class UID is not that of the presentation context, or that is no \
             storage class",
        ),
    ];

    /// Success is only constructible from a receipt: the peer may delete its copy once it hears
    /// this, so "we have it" must mean "it survives a power cut".
    #[must_use]
    pub fn success(_receipt: &Spooled) -> Self {
        Self(DimseStatus::SUCCESS)
    }

    pub fn status(self) -> DimseStatus {
        self.0
    }
}

/// A command set being written; elements come in ascending order.
#[derive(Default)]
struct Elements(Vec<u8>);

impl Elements {
    fn number(&mut self, element: u16, value: u16) {
        self.element(element, &value.to_le_bytes(), 0);
    }

    fn text(&mut self, element: u16, value: Option<&str>) {
        let padding = if element == 0x0902 { b' ' } else { 0 };
        // Longer than any UID or comment (64) may be: nothing the peer could use.
        if let Some(value) = value.filter(|value| value.len() <= 64) {
            self.element(element, value.as_bytes(), padding);
        }
    }

    fn element(&mut self, element: u16, value: &[u8], padding: u8) {
        let odd = value.len() % 2;
        self.0.extend([0, 0]);
        self.0.extend(element.to_le_bytes());
        self.0
            .extend((value.len() as u32 + odd as u32).to_le_bytes());
        self.0.extend(value);
        self.0.extend(std::iter::repeat_n(padding, odd));
    }

    /// Prefixed with Command Group Length (0000,0000).
    fn finish(self) -> Vec<u8> {
        let mut whole = Self(Vec::with_capacity(self.0.len() + 12));
        whole.element(0x0000, &(self.0.len() as u32).to_le_bytes(), 0);
        whole.0.extend(self.0);
        whole.0
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .trim_matches(['\0', ' '])
        .to_owned()
}

/// Any other value of (0000,0800) announces a data set.
const NO_DATA_SET: u16 = 0x0101;
const DATA_SET_FOLLOWS: u16 = 0x0001;
const MEDIUM_PRIORITY: u16 = 0x0000;

#[cfg(test)]
mod tests {
    use dicom_object::InMemDicomObject;
    use dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_commands_are_what_dicom_object_reads() {
        let (class, instance) = (Uid::parse("1.2.3").unwrap(), Uid::parse("1.2.3.4").unwrap());
        let bytes = store_request(9, &class, &instance);
        let object =
            InMemDicomObject::read_dataset_with_ts(&bytes[..], &IMPLICIT_VR_LITTLE_ENDIAN.erased())
                .unwrap();
        let number = |name| {
            object
                .element_by_name(name)
                .unwrap()
                .to_int::<u32>()
                .unwrap()
        };
        assert_eq!(number("CommandGroupLength") as usize, bytes.len() - 12);
        assert_eq!(number("MessageID"), 9);
        assert_eq!(number("CommandField"), 1);
        let text = |name| object.element_by_name(name).unwrap().to_str().unwrap();
        assert_eq!(
            text("AffectedSOPInstanceUID").trim_end_matches('\0'),
            "1.2.3.4"
        );
    }

    #[test]
    fn a_response_repeats_what_it_answers() {
        let (class, instance) = (Uid::parse("1.2.3").unwrap(), Uid::parse("1.2.34").unwrap());
        let request = Command::parse(&store_request(0xABCD, &class, &instance)).unwrap();
        assert!(request.is_request() && request.has_data_set);

        let bytes = request.response(DimseStatus(0xA700), Some("disk full"));
        let response = Command::parse(&bytes).unwrap();
        assert_eq!(response.field, 0x8001);
        assert_eq!(response.responded_to, Some(0xABCD));
        assert_eq!(response.sop_class.as_deref(), Some("1.2.3"));
        assert_eq!(response.sop_instance.as_deref(), Some("1.2.34"));
        assert_eq!(response.status, Some(DimseStatus(0xA700)));
        assert_eq!(response.error_comment.as_deref(), Some("disk full"));
        assert!(!response.is_request() && !response.has_data_set);
    }

    #[test]
    fn requested_uids_stand_in_for_affected_ones() {
        let mut elements = Elements::default();
        elements.text(0x0003, Some("1.2.840.10008.1.20.1"));
        elements.number(0x0100, 0x0130);
        elements.text(0x1001, Some("1.2.840.10008.1.20.1.1"));
        let request = Command::parse(&elements.finish()).unwrap();
        assert_eq!(request.sop_class.as_deref(), Some("1.2.840.10008.1.20.1"));
        assert_eq!(
            request.sop_instance.as_deref(),
            Some("1.2.840.10008.1.20.1.1")
        );
    }

    #[test]
    fn the_answer_to_a_report_names_its_event() {
        let mut elements = Elements::default();
        elements.text(0x0002, Some(uids::STORAGE_COMMITMENT_PUSH_MODEL));
        elements.number(0x0100, field::N_EVENT_REPORT);
        elements.number(0x0110, 7);
        elements.number(0x0800, DATA_SET_FOLLOWS);
        elements.text(0x1000, Some(commitment::INSTANCE));
        elements.number(0x1002, commitment::NOT_ALL);
        let request = Command::parse(&elements.finish()).unwrap();
        assert!(request.is_request() && request.has_data_set);
        assert_eq!(request.event_type, Some(2));

        let answer = Command::parse(&request.response(DimseStatus::SUCCESS, None)).unwrap();
        assert_eq!((answer.field, answer.responded_to), (0x8100, Some(7)));
        assert_eq!(answer.event_type, Some(2));
        assert_eq!(answer.sop_instance.as_deref(), Some(commitment::INSTANCE));
    }

    #[test]
    fn a_request_to_commit_is_an_action_on_the_well_known_instance() {
        let request = Command::parse(&commitment_request(3)).unwrap();
        assert_eq!((request.field, request.message_id), (0x0130, Some(3)));
        assert!(request.is_request() && request.has_data_set);
        assert_eq!(request.sop_class.as_deref(), Some("1.2.840.10008.1.20.1"));
        assert_eq!(
            request.sop_instance.as_deref(),
            Some("1.2.840.10008.1.20.1.1")
        );
    }

    #[test]
    fn what_is_no_command_set_says_why() {
        assert_eq!(Command::parse(&[]), Err(CommandError::NoCommandField));
        assert_eq!(Command::parse(&[0; 7]), Err(CommandError::Truncated));
        let foreign = [8, 0, 0x18, 0, 0, 0, 0, 0];
        assert_eq!(
            Command::parse(&foreign),
            Err(CommandError::ForeignElement(8, 0x18))
        );
        let long = [0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(Command::parse(&long), Err(CommandError::Length(0x100, 4)));
        let endless = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Command::parse(&endless), Err(CommandError::Truncated));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Command::parse(&bytes);
        }
    }
}
