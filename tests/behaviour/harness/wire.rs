//! A peer that writes whatever it likes to the socket.
//!
//! PDUs and command sets are put together here by hand (PS3.8 §9.3, PS3.7 annex E) and not by the
//! library that the appliance uses, so that both may not share a mistake and every rule can be
//! broken on purpose.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

pub const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
pub const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

pub const ASSOCIATE_RQ: u8 = 1;
pub const ASSOCIATE_AC: u8 = 2;
pub const ASSOCIATE_RJ: u8 = 3;
pub const P_DATA: u8 = 4;
pub const RELEASE_RQ: u8 = 5;
pub const RELEASE_RP: u8 = 6;
pub const ABORT: u8 = 7;

/// Bits of a message control header (PS3.8 annex E.2).
pub const COMMAND: u8 = 1;
pub const LAST: u8 = 2;

/// What a sender proposes, and what somebody who verifies does.
pub const STORING: [Context<'_>; 1] = [(1, CT_IMAGE_STORAGE, &[EXPLICIT_VR_LITTLE_ENDIAN])];
pub const ECHOING: [Context<'_>; 1] = [(1, VERIFICATION, &[IMPLICIT_VR_LITTLE_ENDIAN])];

/// Transient, by the presentation service, temporary congestion (PS3.8 table 9-21).
pub const COME_AGAIN: [u8; 3] = [2, 3, 1];

/// How long the appliance may take to answer before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A PDU as it came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pdu {
    pub kind: u8,
    pub body: Vec<u8>,
}

/// One TCP connection to the appliance.
pub struct Wire {
    stream: TcpStream,
}

/// A presentation context: (id, abstract syntax, transfer syntaxes).
pub type Context<'a> = (u8, &'a str, &'a [&'a str]);

impl Wire {
    /// Connects and says nothing.
    pub fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Connects and opens an association with CT (context 1) and Verification (context 3).
    pub fn associate(to: SocketAddr) -> Self {
        let mut wire = Self::connect(to);
        let contexts: [Context<'_>; 2] = [
            (1, CT_IMAGE_STORAGE, &[EXPLICIT_VR_LITTLE_ENDIAN]),
            (3, VERIFICATION, &[IMPLICIT_VR_LITTLE_ENDIAN]),
        ];
        let answer = wire.request_association("RAW", "HEPAR", 16384, &contexts);
        assert_eq!(answer.map(|pdu| pdu.kind), Some(ASSOCIATE_AC));
        wire
    }

    /// Requests an association and returns whatever is answered.
    pub fn request_association(
        &mut self,
        calling: &str,
        called: &str,
        max_pdu: u32,
        contexts: &[Context<'_>],
    ) -> Option<Pdu> {
        self.send(
            ASSOCIATE_RQ,
            &association_request(calling, called, max_pdu, contexts),
        );
        self.receive()
    }

    /// Sends bytes as they are. Whether they arrive is the appliance's decision.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        // A peer that has had enough closes; the test looks at that with `receive`.
        let _ = self.stream.write_all(bytes);
    }

    pub fn send(&mut self, kind: u8, body: &[u8]) {
        let mut bytes = vec![kind, 0];
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(body);
        self.send_bytes(&bytes);
    }

    /// Sends one P-DATA PDU with these fragments: (context, control header, bytes).
    pub fn send_fragments(&mut self, fragments: &[(u8, u8, &[u8])]) {
        let mut body = Vec::new();
        for (context, control, bytes) in fragments {
            body.extend((bytes.len() as u32 + 2).to_be_bytes());
            body.extend([*context, *control]);
            body.extend(*bytes);
        }
        self.send(P_DATA, &body);
    }

    /// Sends a C-STORE request and its data set, each in one fragment of its own PDU.
    pub fn send_store(&mut self, context: u8, message: u16, instance: &str, data_set: &[u8]) {
        let command = store_request(message, CT_IMAGE_STORAGE, instance);
        self.send_fragments(&[(context, COMMAND | LAST, &command)]);
        self.send_fragments(&[(context, LAST, data_set)]);
    }

    /// Asks for an echo and returns (message ID being responded to, status).
    pub fn echo(&mut self, context: u8, message: u16) -> Option<(u16, u16)> {
        self.send_fragments(&[(context, COMMAND | LAST, &echo_request(message))]);
        self.receive_response()
    }

    /// The next PDU; `None` if the appliance closed.
    pub fn receive(&mut self) -> Option<Pdu> {
        let mut header = [0; 6];
        self.read_or_closed(&mut header)?;
        let [kind, _, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        assert!(length <= 1 << 20, "a PDU of {length} bytes came in");
        let mut body = vec![0; length];
        self.read_or_closed(&mut body)?;
        Some(Pdu { kind, body })
    }

    fn read_or_closed(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("neither an answer nor an end within {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }

    /// The next response as (message ID being responded to, status); `None` if it closed or aborted.
    pub fn receive_response(&mut self) -> Option<(u16, u16)> {
        let pdu = self.receive()?;
        if pdu.kind == ABORT {
            return None;
        }
        assert_eq!(pdu.kind, P_DATA, "{pdu:?}");
        let command = &pdu.body[6..];
        let field = |element| u16::from_le_bytes(field(command, element).try_into().unwrap());
        Some((field(0x0120), field(0x0900)))
    }

    /// Releases the association and expects the appliance to agree and close.
    pub fn release(mut self) {
        self.send(RELEASE_RQ, &[0; 4]);
        assert_eq!(self.receive().map(|pdu| pdu.kind), Some(RELEASE_RP));
        assert_eq!(self.receive(), None);
    }

    /// Closes our half and leaves the other open, unless the appliance has closed both already.
    pub fn shut_down_writing(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Whether the appliance has ended the connection, with or without an A-ABORT first.
    pub fn is_ended(&mut self) -> bool {
        match self.receive() {
            None => true,
            Some(pdu) => pdu.kind == ABORT,
        }
    }
}

/// The answer to a request with these contexts: accepted, or why not (PS3.8 table 9-21).
pub fn asked(to: SocketAddr, contexts: &[Context<'_>]) -> Result<(), [u8; 3]> {
    let mut wire = Wire::connect(to);
    let answer = wire
        .request_association("RAW", "HEPAR", 16384, contexts)
        .unwrap();
    match answer.kind {
        ASSOCIATE_AC => {
            wire.release();
            Ok(())
        }
        ASSOCIATE_RJ => Err(answer.body[1..4].try_into().unwrap()),
        other => panic!("PDU {other} answers an association request"),
    }
}

pub fn association_request(
    calling: &str,
    called: &str,
    max_pdu: u32,
    contexts: &[Context<'_>],
) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend(format!("{called:16}{calling:16}").as_bytes());
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (id, abstract_syntax, transfer_syntaxes) in contexts {
        let mut context = vec![*id, 0, 0, 0];
        context.extend(item(0x30, abstract_syntax.as_bytes()));
        for syntax in *transfer_syntaxes {
            context.extend(item(0x40, syntax.as_bytes()));
        }
        body.extend(item(0x20, &context));
    }
    let mut user = item(0x51, &max_pdu.to_be_bytes());
    user.extend(item(0x52, b"1.2.3.4"));
    body.extend(item(0x50, &user));
    body
}

fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0];
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

pub fn echo_request(message: u16) -> Vec<u8> {
    command(&[
        (0x0002, padded(VERIFICATION)),
        (0x0100, 0x0030_u16.to_le_bytes().to_vec()),
        (0x0110, message.to_le_bytes().to_vec()),
        (0x0800, 0x0101_u16.to_le_bytes().to_vec()),
    ])
}

/// An N-EVENT-REPORT that a commitment was kept; its data set follows.
pub fn report_request() -> Vec<u8> {
    command(&[
        (0x0002, padded("1.2.840.10008.1.20.1")),
        (0x0100, 0x0100u16.to_le_bytes().to_vec()),
        (0x0110, 9u16.to_le_bytes().to_vec()),
        (0x0800, 1u16.to_le_bytes().to_vec()),
        (0x1000, padded("1.2.840.10008.1.20.1.1")),
        (0x1002, 1u16.to_le_bytes().to_vec()),
    ])
}

pub fn store_request(message: u16, sop_class: &str, sop_instance: &str) -> Vec<u8> {
    command(&[
        (0x0002, padded(sop_class)),
        (0x0100, 0x0001_u16.to_le_bytes().to_vec()),
        (0x0110, message.to_le_bytes().to_vec()),
        (0x0700, 0_u16.to_le_bytes().to_vec()),
        (0x0800, 0x0000_u16.to_le_bytes().to_vec()),
        (0x1000, padded(sop_instance)),
    ])
}

/// A command set of these elements of group 0000, with its group length.
pub fn command(elements: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (element, value) in elements {
        rest.extend([0, 0]);
        rest.extend(element.to_le_bytes());
        rest.extend((value.len() as u32).to_le_bytes());
        rest.extend(value);
    }
    let mut set = vec![0, 0, 0, 0, 4, 0, 0, 0];
    set.extend((rest.len() as u32).to_le_bytes());
    set.extend(rest);
    set
}

pub fn padded(uid: &str) -> Vec<u8> {
    let mut bytes = uid.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// The value of an element of group 0000.
pub fn field(mut set: &[u8], wanted: u16) -> &[u8] {
    loop {
        let [_, _, e0, e1, l0, l1, l2, l3, rest @ ..] = set else {
            panic!("the response has no element (0000,{wanted:04X})");
        };
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let (value, next) = rest.split_at(length);
        if u16::from_le_bytes([*e0, *e1]) == wanted {
            return value;
        }
        set = next;
    }
}
