//! Protocol data units (PS3.8 §9.3) on their way in and out.
//!
//! The rare ones (association, release) are read and written by `dicom-ul`; a rejection and an abort
//! are read here, because archives give reasons that it has not heard of. P-DATA, which carries the
//! pixels, is cut into fragments that share the receive buffer: a slice is copied once,
//! from the kernel into that buffer, and never again before the disk.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use dicom_ul::pdu::{self as ul, AbortRQServiceProviderReason, AssociationAC, AssociationRQ};

/// A PDU as received.
#[derive(Debug)]
pub enum Pdu {
    AssociateRequest(Box<AssociationRQ>),
    AssociateAccept(Box<AssociationAC>),
    AssociateReject(Reject),
    Data(Fragments),
    ReleaseRequest,
    ReleaseReply,
    /// Whoever sent it, and why: it is over.
    Abort,
}

impl Pdu {
    /// The name the standard gives it, for logs and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AssociateRequest(_) => "A-ASSOCIATE-RQ",
            Self::AssociateAccept(_) => "A-ASSOCIATE-AC",
            Self::AssociateReject(_) => "A-ASSOCIATE-RJ",
            Self::Data(_) => "P-DATA-TF",
            Self::ReleaseRequest => "A-RELEASE-RQ",
            Self::ReleaseReply => "A-RELEASE-RP",
            Self::Abort => "A-ABORT",
        }
    }
}

/// What an A-ASSOCIATE-RJ says (PS3.8 Table 9-21). `Display` is the reason in words, or its number
/// where the standard has no words for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reject {
    result: u8,
    source: u8,
    reason: u8,
}

impl Reject {
    fn read(whole: &[u8]) -> Option<Self> {
        let &[_, result, source, reason] = whole.get(HEADER_LENGTH..)? else {
            return None;
        };
        Some(Self {
            result,
            source,
            reason,
        })
    }

    /// Whether the same request may be accepted later.
    pub fn is_transient(self) -> bool {
        self.result == 2
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.source, self.reason) {
            (1 | 2, 1) => "no reason given",
            (1, 2) => "application context name not supported",
            (1, 3) => "calling AE title not recognized",
            (1, 7) => "called AE title not recognized",
            (2, 2) => "protocol version not supported",
            (3, 1) => "temporary congestion",
            (3, 2) => "local limit exceeded",
            (_, reason) => return write!(f, "reason {reason}"),
        })
    }
}

/// What makes bytes unreadable as PDUs. After any of these the stream has no known boundaries left,
/// so the association can only be aborted.
#[derive(Debug, thiserror::Error)]
pub enum PduError {
    #[error("PDU type {0:02X}H does not exist")]
    UnknownType(u8),
    #[error("a {kind} PDU of {length} bytes exceeds the limit of {limit}")]
    TooLong {
        kind: &'static str,
        length: u32,
        limit: u32,
    },
    #[error("a presentation data value claims {claimed} bytes where {left} are left")]
    FragmentLength { claimed: usize, left: usize },
    #[error("a P-DATA-TF PDU holds no presentation data value")]
    NoFragment,
    #[error("PDU type {0:02X}H is malformed")]
    Malformed(u8, #[source] Option<Box<ul::ReadError>>),
}

impl PduError {
    /// The reason to give in the A-ABORT (PS3.8 Table 9-26).
    pub fn abort_reason(&self) -> AbortRQServiceProviderReason {
        match self {
            Self::UnknownType(_) => AbortRQServiceProviderReason::UnrecognizedPdu,
            _ => AbortRQServiceProviderReason::InvalidPduParameter,
        }
    }
}

/// One presentation data value: a piece of a command or of a data set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fragment {
    pub context: u8,
    pub part: Part,
    pub last: bool,
    pub bytes: Bytes,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    Command,
    DataSet,
}

/// The presentation data values of one P-DATA PDU, in order, cut as they are asked for: a hostile
/// PDU full of empty values costs no memory.
#[derive(Debug)]
pub struct Fragments(Bytes);

impl Fragments {
    /// Whether there is none left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Iterator for Fragments {
    type Item = Result<Fragment, PduError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let claimed = self.0.try_get_u32().map_or(0, |length| length as usize);
        if claimed < 2 || claimed > self.0.len() {
            let left = self.0.len();
            self.0.clear();
            return Some(Err(PduError::FragmentLength { claimed, left }));
        }
        let mut value = self.0.split_to(claimed);
        let context = value.get_u8();
        let control = value.get_u8();
        Some(Ok(Fragment {
            context,
            // PS3.8 Annex E.2: bit 0 says command, bit 1 says last.
            part: if control & 1 == 1 {
                Part::Command
            } else {
                Part::DataSet
            },
            last: control & 2 == 2,
            bytes: value,
        }))
    }
}

/// Bytes from a peer that become PDUs.
#[derive(Debug)]
pub struct Inbox {
    buffer: BytesMut,
    /// Longest P-DATA PDU taken, not counting its header.
    max_data: u32,
}

impl Inbox {
    pub fn new(max_data: u32) -> Self {
        Self {
            buffer: BytesMut::new(),
            max_data,
        }
    }

    /// Whether the bytes so far end inside a PDU.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Where to put what arrives; at least `room` bytes fit.
    ///
    /// The room is what the socket is likely to hold, not what a header claims, so a peer that
    /// announces gigabytes and sends none gets none.
    pub fn spare(&mut self, room: usize) -> &mut BytesMut {
        let free = self.buffer.capacity() - self.buffer.len();
        if free < room.min(MIN_ROOM) {
            self.buffer.reserve(room);
        }
        &mut self.buffer
    }

    /// The next PDU, if all of it is here.
    pub fn take(&mut self) -> Result<Option<Pdu>, PduError> {
        let Some((header, _)) = self.buffer.split_first_chunk::<HEADER_LENGTH>() else {
            return Ok(None);
        };
        let [kind, _, length @ ..] = *header;
        let length = u32::from_be_bytes(length);
        let (name, limit) = match kind {
            1 => ("A-ASSOCIATE-RQ", MAX_ASSOCIATE_LENGTH),
            2 => ("A-ASSOCIATE-AC", MAX_ASSOCIATE_LENGTH),
            3 => ("A-ASSOCIATE-RJ", MAX_CONTROL_LENGTH),
            4 => ("P-DATA-TF", self.max_data),
            5 => ("A-RELEASE-RQ", MAX_CONTROL_LENGTH),
            6 => ("A-RELEASE-RP", MAX_CONTROL_LENGTH),
            7 => ("A-ABORT", MAX_CONTROL_LENGTH),
            unknown => return Err(PduError::UnknownType(unknown)),
        };
        if length > limit {
            return Err(PduError::TooLong {
                kind: name,
                length,
                limit,
            });
        }
        let whole = HEADER_LENGTH + length as usize;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let pdu = self.buffer.split_to(whole).freeze();
        decode(kind, pdu).map(Some)
    }
}

fn decode(kind: u8, mut whole: Bytes) -> Result<Pdu, PduError> {
    if kind == 4 {
        let values = whole.split_off(HEADER_LENGTH);
        return if values.is_empty() {
            Err(PduError::NoFragment)
        } else {
            Ok(Pdu::Data(Fragments(values)))
        };
    }
    match kind {
        2 => whole = with_transfer_syntaxes(&whole).unwrap_or(whole),
        3 => {
            let reject = Reject::read(&whole).ok_or(PduError::Malformed(kind, None))?;
            return Ok(Pdu::AssociateReject(reject));
        }
        // However little it says: nobody answers an abort.
        7 => return Ok(Pdu::Abort),
        _ => {}
    }
    match ul::read_pdu(whole, MAX_ASSOCIATE_LENGTH, true) {
        Ok(Some(ul::Pdu::AssociationRQ(request))) => Ok(Pdu::AssociateRequest(Box::new(request))),
        Ok(Some(ul::Pdu::AssociationAC(accept))) => Ok(Pdu::AssociateAccept(Box::new(accept))),
        Ok(Some(ul::Pdu::ReleaseRQ)) => Ok(Pdu::ReleaseRequest),
        Ok(Some(ul::Pdu::ReleaseRP)) => Ok(Pdu::ReleaseReply),
        // The PDU was complete, so "more bytes, please" means that an item inside is truncated.
        Ok(_) => Err(PduError::Malformed(kind, None)),
        Err(source) => Err(PduError::Malformed(kind, Some(Box::new(source)))),
    }
}

/// An A-ASSOCIATE-AC with an empty transfer syntax in every presentation context result that has
/// none. It does not count in a refused context (PS3.8 §9.3.3.2), so some acceptors leave it out,
/// and `dicom-ul` would refuse the whole association. `None` if nothing is missing.
fn with_transfer_syntaxes(whole: &[u8]) -> Option<Bytes> {
    let (fixed, mut items) = whole.split_at_checked(ASSOCIATE_FIXED_LENGTH)?;
    let (mut out, mut added) = (fixed.to_vec(), 0);
    while let Some(([_, _, high, low], _)) = items.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (item, rest) = items.split_at_checked(4 + length)?;
        items = rest;
        match item {
            [0x21, _, _, _, id, _, reason, _] => {
                out.extend([0x21, 0, 0, 8, *id, 0, *reason, 0, 0x40, 0, 0, 0]);
                added += 4;
            }
            _ => out.extend(item),
        }
    }
    if added == 0 {
        return None;
    }
    out.extend(items);
    let length = (out.len() - HEADER_LENGTH) as u32;
    out.get_mut(2..HEADER_LENGTH)?
        .copy_from_slice(&length.to_be_bytes());
    Some(out.into())
}

/// The bytes of any PDU but P-DATA.
pub fn encode(pdu: &ul::Pdu) -> Result<Vec<u8>, ul::WriteError> {
    let mut bytes = Vec::with_capacity(256);
    ul::write_pdu(&mut bytes, pdu)?;
    Ok(bytes)
}

/// The A-ABORT PDU; source 2 is the service provider, with `reason` from PS3.8 Table 9-26.
pub fn abort(reason: AbortRQServiceProviderReason) -> [u8; 10] {
    let reason = match reason {
        AbortRQServiceProviderReason::ReasonNotSpecified => 0,
        AbortRQServiceProviderReason::UnrecognizedPdu => 1,
        AbortRQServiceProviderReason::UnexpectedPdu => 2,
        AbortRQServiceProviderReason::Reserved => 3,
        AbortRQServiceProviderReason::UnrecognizedPduParameter => 4,
        AbortRQServiceProviderReason::UnexpectedPduParameter => 5,
        AbortRQServiceProviderReason::InvalidPduParameter => 6,
    };
    [7, 0, 0, 0, 0, 4, 0, 0, 2, reason]
}

pub const RELEASE_REQUEST: [u8; 10] = [5, 0, 0, 0, 0, 4, 0, 0, 0, 0];
pub const RELEASE_REPLY: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// How much of a command or data set fits into one P-DATA PDU for a peer that takes `peer_max`
/// bytes; 0 is no limit (PS3.8 D.1.1). Always even and at least 2.
pub fn fragment_room(peer_max: u32) -> usize {
    let length = match peer_max {
        0 => MAX_SENT_LENGTH,
        some => some.min(MAX_SENT_LENGTH),
    };
    ((length.saturating_sub(VALUE_HEADER_LENGTH) & !1) as usize).max(2)
}

/// Appends the P-DATA PDU that carries `bytes`, which fit [`fragment_room`].
pub fn push_data(out: &mut Vec<u8>, context: u8, part: Part, last: bool, bytes: &[u8]) {
    let value = bytes.len() as u32 + 2;
    out.extend([4, 0]);
    out.extend((value + 4).to_be_bytes());
    out.extend(value.to_be_bytes());
    out.push(context);
    out.push(u8::from(part == Part::Command) | u8::from(last) << 1);
    out.extend(bytes);
}

/// A whole command as P-DATA PDUs, one unless the peer's limit is tiny.
pub fn command_pdus(context: u8, command: &[u8], peer_max: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(command.len() + 12);
    let mut chunks = command.chunks(fragment_room(peer_max)).peekable();
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        push_data(&mut out, context, Part::Command, last, chunk);
    }
    out
}

/// Type, reserved byte, length.
pub const HEADER_LENGTH: usize = 6;
/// Up to the variable items of an association request or accept.
const ASSOCIATE_FIXED_LENGTH: usize = 74;
/// Length, context and control header of a presentation data value.
const VALUE_HEADER_LENGTH: u32 = 6;
/// 128 presentation contexts with forty transfer syntaxes each fit.
const MAX_ASSOCIATE_LENGTH: u32 = 1 << 20;
/// Reject, release and abort carry four bytes.
const MAX_CONTROL_LENGTH: u32 = 4;
/// DCMTK's largest, taken by everyone who announces no limit.
const MAX_SENT_LENGTH: u32 = 131_072;
/// Below this much free room a read is not worth its system call.
const MIN_ROOM: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(bytes: &[u8], max_data: u32) -> Result<Option<Pdu>, PduError> {
        let mut inbox = Inbox::new(max_data);
        inbox.spare(bytes.len()).extend_from_slice(bytes);
        inbox.take()
    }

    #[test]
    fn what_does_not_exist_or_is_too_long_is_refused_by_its_header_alone() {
        assert!(matches!(
            taken(b"GET / HTTP/1.1\r\n", 4096),
            Err(PduError::UnknownType(b'G'))
        ));
        assert!(matches!(
            taken(&[4, 0, 0xff, 0xff, 0xff, 0xff], 4096),
            Err(PduError::TooLong { limit: 4096, .. })
        ));
        assert!(matches!(
            taken(&[5, 0, 0, 1, 0, 0], 4096),
            Err(PduError::TooLong { .. })
        ));
        assert!(matches!(taken(&[4, 0, 0, 0, 16, 0], 4096), Ok(None)));
    }

    #[test]
    fn a_value_that_claims_more_than_its_pdu_holds_ends_the_pdu() {
        let pdu = [4, 0, 0, 0, 0, 8, 0, 0, 0, 9, 1, 2, 0, 0];
        let Ok(Some(Pdu::Data(mut fragments))) = taken(&pdu, 4096) else {
            panic!("a P-DATA PDU is there");
        };
        assert!(matches!(
            fragments.next(),
            Some(Err(PduError::FragmentLength {
                claimed: 9,
                left: 4
            }))
        ));
        assert!(fragments.next().is_none());
        assert!(matches!(
            taken(&[4, 0, 0, 0, 0, 0], 4096),
            Err(PduError::NoFragment)
        ));
    }

    #[test]
    fn release_and_abort_are_what_dicom_ul_reads() {
        let source =
            ul::AbortRQSource::ServiceProvider(AbortRQServiceProviderReason::InvalidPduParameter);
        let ours = abort(AbortRQServiceProviderReason::InvalidPduParameter);
        assert_eq!(ours[..], encode(&ul::Pdu::AbortRQ { source }).unwrap());
        assert_eq!(RELEASE_REQUEST[..], encode(&ul::Pdu::ReleaseRQ).unwrap());
        assert_eq!(RELEASE_REPLY[..], encode(&ul::Pdu::ReleaseRP).unwrap());
    }

    #[test]
    fn a_rejection_and_an_abort_are_understood_whatever_the_reason() {
        let reject = |result, source, reason| {
            let Ok(Some(Pdu::AssociateReject(reject))) =
                taken(&[3, 0, 0, 0, 0, 4, 0, result, source, reason], 4096)
            else {
                panic!("a rejection is there");
            };
            (reject.is_transient(), reject.to_string())
        };
        assert_eq!(reject(2, 3, 2), (true, "local limit exceeded".to_owned()));
        assert_eq!(reject(2, 2, 9), (true, "reason 9".to_owned()));
        assert_eq!(reject(1, 1, 0), (false, "reason 0".to_owned()));
        for rest in [&[0, 0, 2, 9][..], &[0, 0, 3, 0], &[]] {
            let pdu = [&[7, 0, 0, 0, 0, rest.len() as u8], rest].concat();
            assert!(
                matches!(taken(&pdu, 4096), Ok(Some(Pdu::Abort))),
                "{rest:?}"
            );
        }
        assert!(matches!(
            taken(&[3, 0, 0, 0, 0, 1, 0], 4096),
            Err(PduError::Malformed(3, None))
        ));
    }

    #[test]
    fn fragments_fit_the_peers_limit_and_are_even() {
        assert_eq!(fragment_room(0), 131_066);
        assert_eq!(fragment_room(4096), 4090);
        assert_eq!(fragment_room(4097), 4090);
        assert_eq!(fragment_room(u32::MAX), 131_066);
        assert_eq!(fragment_room(1), 2);
    }

    proptest! {
        #[test]
        fn a_command_comes_back_whole_whatever_the_limit_and_the_reads(
            command in prop::collection::vec(any::<u8>(), 1..600),
            peer_max in 8u32..300,
            read in 1usize..50,
        ) {
            let wire = command_pdus(7, &command, peer_max);
            let mut inbox = Inbox::new(peer_max);
            let (mut joined, mut lasts) = (Vec::new(), 0);
            for piece in wire.chunks(read) {
                inbox.spare(read).extend_from_slice(piece);
                while let Some(Pdu::Data(fragments)) = inbox.take().unwrap() {
                    for fragment in fragments {
                        let fragment = fragment.unwrap();
                        prop_assert_eq!((fragment.context, fragment.part), (7, Part::Command));
                        prop_assert_eq!(lasts, 0);
                        lasts += u32::from(fragment.last);
                        joined.extend_from_slice(&fragment.bytes);
                    }
                }
            }
            prop_assert_eq!(lasts, 1);
            prop_assert!(inbox.is_empty());
            prop_assert_eq!(joined, command);
        }

        #[test]
        fn no_bytes_at_all_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..9) {
            let mut bytes = bytes;
            let length = bytes.len().saturating_sub(6) as u32;
            if let Some(header) = bytes.first_chunk_mut::<6>() {
                header[0] = kind;
                header[2..].copy_from_slice(&length.to_be_bytes());
            }
            if let Ok(Some(Pdu::Data(fragments))) = taken(&bytes, 4096) {
                prop_assert!(fragments.count() <= bytes.len());
            }
        }
    }
}
