//! A PACS that breaks one rule, once, and behaves from then on.
//!
//! It speaks to the socket by hand, because no toolkit can be told to close after a command or to
//! answer somebody else's message.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::{
    place::own_address,
    wire::{
        ABORT, ASSOCIATE_AC, ASSOCIATE_RJ, ASSOCIATE_RQ, COMMAND, LAST, P_DATA, RELEASE_RP,
        RELEASE_RQ, command, field, padded,
    },
};

/// What the first sender meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rudeness {
    /// This status answers the C-STORE.
    Status(u16),
    /// The connection is closed as soon as it is there.
    ClosesAtOnce,
    /// The association is rejected with this result, source and reason.
    Rejects([u8; 3]),
    /// Every presentation context is refused.
    AcceptsNoContext,
    /// Closed once the command has come, before its data set.
    ClosesAfterTheCommand,
    /// Aborted in the middle of the data set.
    AbortsInTheDataSet,
    /// Closed when all of the data set has come, without an answer.
    ClosesInsteadOfAnswering,
    /// The answer belongs to another message.
    AnswersAnotherMessage,
    /// The answer is no command set.
    AnswersNoise,
    /// The answer announces gigabytes.
    AnnouncesGigabytes,
}

/// Instances by how often they were accepted.
type Kept = Arc<Mutex<BTreeMap<String, u32>>>;

pub struct RudePacs {
    address: SocketAddr,
    kept: Kept,
}

impl RudePacs {
    pub fn start(rudeness: Rudeness) -> Self {
        let listener = TcpListener::bind(own_address()).unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept::default();
        let keeps = Arc::clone(&kept);
        thread::spawn(move || {
            let mut rudeness = Some(rudeness);
            for stream in listener.incoming() {
                // A peer that leaves early is its own affair.
                let _ = stream.and_then(|stream| attend(stream, rudeness.take(), &keeps));
            }
        });
        Self { address, kept }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it accepted, and how often.
    pub fn kept(&self) -> BTreeMap<String, u32> {
        self.kept.lock().unwrap().clone()
    }
}

fn attend(mut stream: TcpStream, rude: Option<Rudeness>, kept: &Kept) -> std::io::Result<()> {
    use Rudeness::{
        AbortsInTheDataSet, AcceptsNoContext, AnnouncesGigabytes, AnswersAnotherMessage,
        AnswersNoise, ClosesAfterTheCommand, ClosesAtOnce, Rejects, Status,
    };
    if rude == Some(ClosesAtOnce) {
        return Ok(());
    }
    let mut request = Vec::new();
    loop {
        let (kind, body) = receive(&mut stream)?;
        if kind == ASSOCIATE_RQ {
            if let Some(Rejects(why)) = rude {
                return send(&mut stream, ASSOCIATE_RJ, &[&[0], &why[..]].concat());
            }
            let accept = acceptance(&body, rude != Some(AcceptsNoContext));
            send(&mut stream, ASSOCIATE_AC, &accept)?;
        }
        if kind == RELEASE_RQ {
            return send(&mut stream, RELEASE_RP, &[0; 4]);
        }
        if kind != P_DATA {
            continue;
        }
        let (context, control) = (body[4], body[5]);
        if control & COMMAND != 0 {
            request = body[6..].to_vec();
            if rude == Some(ClosesAfterTheCommand) {
                return Ok(());
            }
            continue;
        }
        if rude == Some(AbortsInTheDataSet) {
            return send(&mut stream, ABORT, &[0; 4]);
        }
        if control & LAST == 0 {
            continue;
        }
        let instance = String::from_utf8_lossy(field(&request, 0x1000));
        let instance = instance.trim_end_matches('\0').to_owned();
        let message = u16::from_le_bytes(field(&request, 0x0110).try_into().unwrap());
        let answer = match rude {
            None => response(message, 0x0000, &instance),
            Some(Status(status)) => response(message, status, &instance),
            Some(AnswersAnotherMessage) => response(message ^ 0x0F0F, 0x0000, &instance),
            Some(AnswersNoise) => vec![0xAB; 100],
            Some(AnnouncesGigabytes) => {
                return stream.write_all(&[P_DATA, 0, 0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3]);
            }
            Some(_) => return Ok(()),
        };
        if matches!(
            rude,
            None | Some(Status(0x0000 | 0x0001 | 0x0107 | 0x0111 | 0xB000..=0xBFFF))
        ) {
            *kept.lock().unwrap().entry(instance).or_default() += 1;
        }
        let mut value = (answer.len() as u32 + 2).to_be_bytes().to_vec();
        value.extend([context, COMMAND | LAST]);
        value.extend(answer);
        send(&mut stream, P_DATA, &value)?;
    }
}

/// Every context of the request, with the first of its transfer syntaxes or refused.
fn acceptance(request: &[u8], accepts: bool) -> Vec<u8> {
    let mut body = request[..68].to_vec();
    for (kind, value) in items(&request[68..]) {
        match kind {
            0x20 => {
                let syntax = items(&value[4..]).find(|(kind, _)| *kind == 0x40);
                let (_, syntax) = syntax.expect("a context proposes a transfer syntax");
                // 4: none of the transfer syntaxes is supported.
                let mut result = vec![value[0], 0, if accepts { 0 } else { 4 }, 0];
                result.extend(item(0x40, syntax));
                body.extend(item(0x21, &result));
            }
            kind => body.extend(item(kind, value)),
        }
    }
    body
}

fn items(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [kind, _, high, low, rest @ ..] = bytes else {
            return None;
        };
        let (value, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        bytes = after;
        Some((*kind, value))
    })
}

fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0];
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

fn response(message: u16, status: u16, instance: &str) -> Vec<u8> {
    command(&[
        (0x0100, 0x8001_u16.to_le_bytes().to_vec()),
        (0x0120, message.to_le_bytes().to_vec()),
        (0x0800, 0x0101_u16.to_le_bytes().to_vec()),
        (0x0900, status.to_le_bytes().to_vec()),
        (0x1000, padded(instance)),
    ])
}

fn receive(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 6];
    stream.read_exact(&mut header)?;
    let [kind, _, length @ ..] = header;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}

fn send(stream: &mut TcpStream, kind: u8, body: &[u8]) -> std::io::Result<()> {
    let mut bytes = vec![kind, 0];
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    stream.write_all(&bytes)
}
