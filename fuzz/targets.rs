//! What is done with bytes of strangers: one function for each door they come in by.
//!
//! Each must come back from any bytes, without a panic, with bounded memory and in bounded time, and
//! says whether the bytes were accepted as what they claim to be. The fuzzer looks for bytes that
//! break this; the tests replay all that were ever found, and the seeds the search began with.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use hepar::{
    association::{
        Admission, Policy,
        claims::Claims,
        conversation::{Conversation, Turn},
        data_set::Budget,
        dimse::{Command, ReportStatus, StoreStatus},
        negotiation::{Context, negotiate},
        pdu::{Inbox, Pdu},
    },
    config::Config,
    dicom::{AeTitle, DimseStatus, Uid, sop_class},
    model::{Bundle, Contents, Manifest, Trust},
    series::{InstanceHeader, judge},
    spool::{check_intact, journal::Journal, read_sop_class, read_source},
    volume::FrameSource,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

type Target = (&'static str, fn(&[u8]) -> bool);

/// Every target by its name.
pub const ALL: [Target; 10] = [
    ("association", association),
    ("bundle", bundle),
    ("command_set", command_set),
    ("configuration", configuration),
    ("instance", instance),
    ("journal", journal),
    ("pixels_jpeg", pixels_jpeg),
    ("pixels_jpeg_2000", pixels_jpeg_2000),
    ("pixels_jpeg_ls", pixels_jpeg_ls),
    ("pixels_plain", pixels_plain),
];

/// All that one peer sends on a connection. Accepted if a message was answered.
///
/// An association with CT on context 1, Verification on context 3 and Storage Commitment on context 5
/// is open from the start; a request for another replaces it.
pub fn association(bytes: &[u8]) -> bool {
    let policy = Policy::new(AeTitle::parse("HEPAR").unwrap());
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let budget = Budget::new(8 << 20);
    let open = |contexts| Conversation::new(contexts, 1 << 20, &budget);
    let mut conversation = open(usual_contexts());
    let mut inbox = Inbox::new(policy.max_pdu_length);
    inbox.spare(bytes.len()).extend_from_slice(bytes);
    let mut answers = 0;
    while let Ok(Some(pdu)) = inbox.take() {
        match pdu {
            Pdu::AssociateRequest(request) => {
                let Ok(acceptance) = negotiate(&request, peer, None, &policy, Admission::Open)
                else {
                    return false;
                };
                conversation = open(acceptance.contexts);
            }
            Pdu::Data(fragments) => {
                for fragment in fragments {
                    let Ok(fragment) = fragment else { break };
                    let Ok(turn) = conversation.fragment(fragment) else {
                        return answers > 0;
                    };
                    let reply = match turn {
                        Some(Turn::Reply(reply)) => reply,
                        Some(Turn::Store(store)) => {
                            store.ticket.answer(StoreStatus::CANNOT_UNDERSTAND, None)
                        }
                        Some(Turn::Report(reported)) => {
                            let status = match reported.report {
                                Ok(_) => ReportStatus::UNKNOWN_TRANSACTION,
                                Err(error) => ReportStatus::refused(error),
                            };
                            reported.ticket.answer_report(status)
                        }
                        None => continue,
                    };
                    let answer = Command::parse(&reply.command).expect("we can read our answer");
                    assert_eq!(answer.status, Some(reply.status));
                    assert!(answer.responded_to.is_some() && !answer.is_request());
                    answers += 1;
                }
            }
            _ => return answers > 0,
        }
    }
    answers > 0
}

fn usual_contexts() -> BTreeMap<u8, Context> {
    let context = |abstract_syntax: &str, transfer_syntax: &str| {
        let abstract_syntax = Uid::parse(abstract_syntax).unwrap();
        Context {
            role: sop_class::role(&abstract_syntax),
            abstract_syntax,
            transfer_syntax: Uid::parse(transfer_syntax).unwrap(),
        }
    };
    BTreeMap::from([
        (1, context(CT_IMAGE, EXPLICIT_LITTLE)),
        (3, context("1.2.840.10008.1.1", IMPLICIT_LITTLE)),
        (5, context("1.2.840.10008.1.20.1", IMPLICIT_LITTLE)),
    ])
}

/// A command set, as request and as response.
pub fn command_set(bytes: &[u8]) -> bool {
    let Ok(command) = Command::parse(bytes) else {
        return false;
    };
    let answer = command.response(DimseStatus(0xA700), Some("no room"));
    let answer = Command::parse(&answer).expect("we can read our answer");
    assert_eq!(
        answer.responded_to,
        Some(command.message_id.unwrap_or_default())
    );
    true
}

/// An instance: a data set in the encoding that the first byte chooses, as it is received and as it is
/// looked at before the answer, or a whole file of the spool, however it was damaged.
pub fn instance(bytes: &[u8]) -> bool {
    let Some((choice, rest)) = bytes.split_first() else {
        return false;
    };
    let file = match ENCODINGS.get(usize::from(*choice)) {
        Some(syntax) => {
            Claims::of(&[rest.to_vec().into()], syntax);
            [&meta(syntax), rest].concat()
        }
        None => rest.to_vec(),
    };
    // The spool's own account of the file, which only its own files have.
    let _ = (
        read_source(&file),
        read_sop_class(&file),
        check_intact(&file),
    );
    let Ok(header) = InstanceHeader::read(&file) else {
        return false;
    };
    let kept = serde_json::to_string(&header).expect("the journal can keep it");
    let again: InstanceHeader = serde_json::from_str(&kept).expect("and give it back");
    assert_eq!(again.series, header.series);
    let decoded = decodes(&file, &header);
    let _ = judge(&[header]);
    decoded
}

/// Pixels without a codec: as they are, encapsulated, and as run lengths.
pub fn pixels_plain(bytes: &[u8]) -> bool {
    let encapsulated = "1.2.840.10008.1.2.1.98";
    pixels(
        &[EXPLICIT_LITTLE, encapsulated, "1.2.840.10008.1.2.5"],
        bytes,
    )
}

/// Baseline, extended and both lossless processes.
pub fn pixels_jpeg(bytes: &[u8]) -> bool {
    pixels(
        &[
            "1.2.840.10008.1.2.4.50",
            "1.2.840.10008.1.2.4.51",
            "1.2.840.10008.1.2.4.57",
            "1.2.840.10008.1.2.4.70",
        ],
        bytes,
    )
}

pub fn pixels_jpeg_ls(bytes: &[u8]) -> bool {
    pixels(&["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"], bytes)
}

/// JPEG 2000 and its high-throughput form.
pub fn pixels_jpeg_2000(bytes: &[u8]) -> bool {
    pixels(
        &[
            "1.2.840.10008.1.2.4.90",
            "1.2.840.10008.1.2.4.91",
            "1.2.840.10008.1.2.4.201",
            "1.2.840.10008.1.2.4.203",
        ],
        bytes,
    )
}

/// One frame. The first byte chooses the transfer syntax, the second the stored bits, the next four
/// are rows and columns (little endian); the rest is the frame.
fn pixels(syntaxes: &[&'static str], bytes: &[u8]) -> bool {
    let [syntax, bits, r0, r1, c0, c1, frame @ ..] = bytes else {
        return false;
    };
    let syntax = choose(syntaxes, *syntax);
    let [rows, columns] = [[*r0, *r1], [*c0, *c1]].map(u16::from_le_bytes);
    let mut file = meta(syntax);
    file.extend(data_set(
        syntax,
        rows,
        columns,
        choose(&STORED, *bits),
        frame,
    ));
    InstanceHeader::read(&file).is_ok_and(|header| decodes(&file, &header))
}

/// Whether every frame can be decoded. Few are tried: many of them cost time and find nothing more.
fn decodes(file: &[u8], header: &InstanceHeader) -> bool {
    let Ok(source) = FrameSource::open(file, header) else {
        return false;
    };
    let frames = header.frames.len();
    let decoded = (0..frames.min(4)).all(|frame| {
        let Ok(slice) = source.frame(frame) else {
            return false;
        };
        assert_eq!(slice.hu.len(), slice.rows * slice.columns);
        true
    });
    decoded && frames > 0
}

/// A model bundle: by the first byte its manifest, the array archive of one whose manifest names its
/// hash, or the package in which it travels.
pub fn bundle(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((0, text)) => {
            std::str::from_utf8(text).is_ok_and(|text| Manifest::parse(text).is_ok())
        }
        Some((1, golden)) => {
            let directory = scratch();
            for (name, contents) in bundle_files(golden) {
                fs::write(directory.path().join(name), contents).unwrap();
            }
            Bundle::load(directory.path(), &Trust::anyone()).is_ok()
        }
        Some((2, package)) => Contents::from_package(package, &Trust::anyone())
            .is_ok_and(|found| Bundle::of(&found).is_ok()),
        _ => false,
    }
}

/// The files of the smallest bundle in the order in which they are packed; every hash is right.
pub fn bundle_files(golden: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut manifest = include_str!("../src/model/example.toml").replace("size = 256", "size = 32");
    let files = [
        ("encoder.onnx", b"encoder".to_vec()),
        ("golden.npz", golden.to_vec()),
        ("head.onnx", b"head".to_vec()),
    ];
    for (name, contents) in &files {
        let mut hash = String::new();
        for byte in Sha256::digest(contents) {
            write!(hash, "{byte:02x}").unwrap();
        }
        let zeros = format!("\"{name}\" = \"{}\"", "0".repeat(64));
        manifest = manifest.replace(&zeros, &format!("\"{name}\" = \"{hash}\""));
    }
    let manifest = ("bundle.toml", manifest.into_bytes());
    [manifest].into_iter().chain(files).collect()
}

/// The configuration file; what is accepted can be shown and read again.
pub fn configuration(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(config) = Config::parse(text, Path::new("hepar.toml")) else {
        return false;
    };
    let shown = toml::to_string(&config).expect("a configuration can be shown");
    Config::parse(&shown, Path::new("hepar.toml")).expect("what is shown is a configuration");
    true
}

/// The journal's file. Whatever it is, a journal opens, and after that it is a whole one. Accepted if
/// nothing had to be set aside.
pub fn journal(bytes: &[u8]) -> bool {
    let directory = scratch();
    let path = directory.path().join("journal.db");
    fs::write(&path, bytes).unwrap();
    let rebuilt = {
        let Ok((journal, _)) = Journal::open(&path) else {
            return false;
        };
        let set_aside = entries(directory.path())
            .iter()
            .any(|file| file.extension().is_some_and(|extension| extension == "txt"));
        // Rows that cannot be read are an error, not a crash.
        let _ = journal.recent(100, 0);
        let _ = journal.counts();
        let _ = journal.known_instances();
        let _ = journal.quarantined(100);
        let _ = journal.next_delivery_at("pacs");
        let _ = journal.retention_candidates(&["pacs".to_owned()]);
        set_aside
    };
    if rebuilt {
        let (journal, _) = Journal::open(&path).expect("a rebuilt journal opens");
        journal.recent(100, 0).expect("and can be read");
    }
    !rebuilt
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(directory).unwrap();
    all.map(|entry| entry.unwrap().path()).collect()
}

/// In memory where there is such a place: the search writes millions of files.
fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a directory can be made")
}

const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const ENCODINGS: [&str; 4] = [
    IMPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
];
/// Bits allocated and stored, and whether they are signed.
const STORED: [[u16; 3]; 5] = [
    [16, 16, 0],
    [16, 12, 0],
    [16, 16, 1],
    [8, 8, 0],
    [16, 12, 1],
];

fn choose<T: Copy>(among: &[T], byte: u8) -> T {
    among[usize::from(byte) % among.len()]
}

/// Preamble and the file meta information that matters: who the instance is, the data set says.
fn meta(syntax: &str) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(explicit(0x0002, 0x0010, *b"UI", syntax.as_bytes()));
    file
}

/// An element in Explicit VR Little Endian with a short length, padded to an even one.
fn explicit(group: u16, element: u16, vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let odd = value.len() % 2;
    let mut bytes = Vec::new();
    bytes.extend(group.to_le_bytes());
    bytes.extend(element.to_le_bytes());
    bytes.extend(vr);
    bytes.extend(((value.len() + odd) as u16).to_le_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len() + odd, if vr == *b"UI" { 0 } else { b' ' });
    bytes
}

/// The smallest data set that is a CT slice, with one frame as its pixel data.
fn data_set(syntax: &str, rows: u16, columns: u16, stored: [u16; 3], frame: &[u8]) -> Vec<u8> {
    let [allocated, used, signed] = stored;
    let number = |value: u16| value.to_le_bytes().to_vec();
    let text = |text: &str| text.as_bytes().to_vec();
    let mut bytes: Vec<u8> = [
        (0x0008, 0x0016, b"UI", text(CT_IMAGE)),
        (0x0008, 0x0018, b"UI", text("1.2.3")),
        (0x0008, 0x0060, b"CS", text("CT")),
        (0x0020, 0x000D, b"UI", text("1.2.4")),
        (0x0020, 0x000E, b"UI", text("1.2.5")),
        (0x0020, 0x0032, b"DS", text("0\\0\\0")),
        (0x0020, 0x0037, b"DS", text("1\\0\\0\\0\\1\\0")),
        (0x0028, 0x0002, b"US", number(1)),
        (0x0028, 0x0004, b"CS", text("MONOCHROME2")),
        (0x0028, 0x0010, b"US", number(rows)),
        (0x0028, 0x0011, b"US", number(columns)),
        (0x0028, 0x0030, b"DS", text("1\\1")),
        (0x0028, 0x0100, b"US", number(allocated)),
        (0x0028, 0x0101, b"US", number(used)),
        (0x0028, 0x0102, b"US", number(used - 1)),
        (0x0028, 0x0103, b"US", number(signed)),
        (0x0028, 0x1052, b"DS", text("-1024")),
        (0x0028, 0x1053, b"DS", text("1")),
    ]
    .into_iter()
    .flat_map(|(group, element, vr, value)| explicit(group, element, *vr, &value))
    .collect();
    bytes.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0]);
    let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
    if syntax == EXPLICIT_LITTLE {
        bytes.extend(length(frame));
        bytes.extend(frame);
    } else {
        bytes.extend(u32::MAX.to_le_bytes());
        // An empty offset table, the frame, the end.
        bytes.extend([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]);
        bytes.extend([0xFE, 0xFF, 0x00, 0xE0]);
        bytes.extend(length(frame));
        bytes.extend(frame);
        bytes.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    }
    bytes
}
