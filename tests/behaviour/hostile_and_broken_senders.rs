//! Senders that break the rules are survived, and clean senders are served meanwhile.

use crate::harness::{
    appliance::Hepar,
    modality::Modality,
    phantoms::Series,
    wait_for,
    wire::{
        ABORT, ASSOCIATE_AC, ASSOCIATE_RJ, ASSOCIATE_RQ, COMMAND, CT_IMAGE_STORAGE,
        EXPLICIT_VR_LITTLE_ENDIAN, LAST, P_DATA, RELEASE_RP, RELEASE_RQ, VERIFICATION, Wire,
        association_request, command, echo_request, padded, store_request,
    },
};

/// A clean scanner is served.
fn assert_serves(hepar: &Hepar, seed: u64) {
    let series = Series::three_slices(seed);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_end(&series.uid);
}

/// Peak resident memory in MB.
fn peak_memory_mb(hepar: &Hepar) -> u64 {
    hepar.process_figure("VmHWM:") / 1024
}

fn header(kind: u8, length: u32) -> Vec<u8> {
    let mut bytes = vec![kind, 0];
    bytes.extend(length.to_be_bytes());
    bytes
}

#[test]
fn what_is_no_association_request_ends_the_connection() {
    let hepar = Hepar::start();
    let valid = association_request(
        "RAW",
        "HEPAR",
        16384,
        &[(1, VERIFICATION, &["1.2.840.10008.1.2"])],
    );
    let mut long_item = valid.clone();
    // The application context item claims to be longer than the PDU.
    long_item[70..72].copy_from_slice(&u16::MAX.to_be_bytes());
    let mut openings: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: hepar\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        vec![0; 4096],
        header(ASSOCIATE_RQ, u32::MAX),
        header(ASSOCIATE_RQ, 0),
        [header(ASSOCIATE_RQ, 10), vec![0; 10]].concat(),
        [header(ASSOCIATE_RQ, long_item.len() as u32), long_item].concat(),
        [header(P_DATA, 6), vec![0, 0, 0, 2, 1, 3]].concat(),
        [header(RELEASE_RQ, 4), vec![0; 4]].concat(),
        [header(9, 4), vec![0; 4]].concat(),
    ];
    openings.push([header(ABORT, 4), vec![0; 4]].concat());
    for opening in openings {
        let mut wire = Wire::connect(hepar.address());
        wire.send_bytes(&opening);
        wire.shut_down_writing();
        let mut answer = wire.receive();
        while answer
            .as_ref()
            .is_some_and(|pdu| [ABORT, ASSOCIATE_RJ].contains(&pdu.kind))
        {
            answer = wire.receive();
        }
        assert_eq!(
            answer,
            None,
            "{:?} was answered",
            &opening[..6.min(opening.len())]
        );
    }
    assert_serves(&hepar, 900);
    assert!(
        peak_memory_mb(&hepar) < 700,
        "{} MB",
        peak_memory_mb(&hepar)
    );
}

/// What is wrong, and how it is sent.
type Break<'a> = (&'static str, &'a dyn Fn(&mut Wire));

#[test]
fn broken_messages_end_their_association_and_no_other() {
    let hepar = Hepar::start();
    let mut neighbour = Wire::associate(hepar.address());
    let store = store_request(1, CT_IMAGE_STORAGE, "1.2.3.4");

    let breaks: [Break<'_>; 8] = [
        ("a PDU longer than agreed", &|wire| {
            wire.send_bytes(&header(P_DATA, 0x7fff_ffff));
        }),
        ("a fragment longer than its PDU", &|wire| {
            wire.send(P_DATA, &[0xff, 0xff, 0xff, 0xff, 1, 3, 0, 0]);
        }),
        ("a fragment shorter than its header", &|wire| {
            wire.send(P_DATA, &[0, 0, 0, 1, 1]);
        }),
        ("a context that was not agreed", &|wire| {
            wire.send_fragments(&[(77, COMMAND | LAST, &store)]);
        }),
        ("a data set without a command", &|wire| {
            wire.send_fragments(&[(1, LAST, &[1; 100])]);
        }),
        ("a command of noise", &|wire| {
            wire.send_fragments(&[(1, COMMAND | LAST, &[0xab; 200])]);
        }),
        ("a second association request", &|wire| {
            let request = association_request("RAW", "HEPAR", 16384, &[]);
            wire.send(ASSOCIATE_RQ, &request);
        }),
        ("an unknown PDU", &|wire| wire.send(0x42, &[0; 16])),
    ];
    for (what, act) in breaks {
        let mut wire = Wire::associate(hepar.address());
        act(&mut wire);
        wire.shut_down_writing();
        assert!(wire.is_ended(), "{what} went on");
        assert_eq!(neighbour.echo(3, 5), Some((5, 0x0000)), "after {what}");
    }
    neighbour.release();
}

#[test]
fn a_command_without_end_is_bounded() {
    let hepar = Hepar::start();
    let mut wire = Wire::associate(hepar.address());
    let chunk = vec![0; 16000];
    for _ in 0..4000 {
        wire.send_fragments(&[(1, COMMAND, &chunk)]);
    }
    wire.shut_down_writing();
    assert!(wire.is_ended());
    assert_serves(&hepar, 905);
    assert!(
        peak_memory_mb(&hepar) < 700,
        "{} MB",
        peak_memory_mb(&hepar)
    );
}

#[test]
fn services_that_are_not_provided_are_refused_in_words_of_the_standard() {
    let hepar = Hepar::start();
    let find = "1.2.840.10008.5.1.4.1.2.1.1";
    let mut wire = Wire::connect(hepar.address());
    let contexts = [
        (1, CT_IMAGE_STORAGE, &[EXPLICIT_VR_LITTLE_ENDIAN][..]),
        (3, VERIFICATION, &["1.2.840.10008.1.2"]),
        (5, find, &["1.2.840.10008.1.2"]),
    ];
    let answer = wire
        .request_association("RAW", "HEPAR", 16384, &contexts)
        .unwrap();
    assert_eq!(answer.kind, ASSOCIATE_AC);

    // C-FIND on the context for CT: an operation that we do not know, PS3.7 annex C.
    let find_request = command(&[
        (0x0002, padded(CT_IMAGE_STORAGE)),
        (0x0100, 0x0020_u16.to_le_bytes().to_vec()),
        (0x0110, 3_u16.to_le_bytes().to_vec()),
        (0x0800, 0x0101_u16.to_le_bytes().to_vec()),
    ]);
    wire.send_fragments(&[(1, COMMAND | LAST, &find_request)]);
    assert_eq!(wire.receive_response(), Some((3, 0x0211)));
    assert_eq!(wire.echo(3, 4), Some((4, 0x0000)));
    wire.release();
}

#[test]
fn a_path_in_a_uid_is_an_answer_and_not_a_file() {
    let hepar = Hepar::start();
    let mut wire = Wire::associate(hepar.address());
    for (message, uid) in (1..).zip([
        "../../../../tmp/evil",
        "/etc/passwd",
        "1.2.3/4",
        "",
        "..",
        "1..3",
    ]) {
        wire.send_store(1, message, uid, &[0; 64]);
        let (responded, status) = wire.receive_response().unwrap();
        assert_eq!(responded, message);
        assert!(
            status >= 0x0100 && status != 0xB000,
            "{uid:?} was answered {status:04X}"
        );
    }
    wire.release();
    assert!(!hepar.home().join("evil.dcm").exists());
    assert_serves(&hepar, 910);
}

#[test]
fn bytes_that_are_no_ct_image_are_kept_aside_with_a_reason() {
    let hepar = Hepar::start();
    let mut wire = Wire::associate(hepar.address());
    let noise: Vec<u8> = (0..5000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for (message, data) in (1..).zip([&noise[..], &[], &noise[..1]]) {
        wire.send_store(1, message, &format!("1.2.3.{message}"), data);
        let (responded, _) = wire.receive_response().unwrap();
        assert_eq!(responded, message);
    }
    // A leading zero in a UID is forbidden (PS3.5 §9.1); old scanners send it all the same.
    wire.send_store(1, 8, "1.02.3", &noise);
    assert_eq!(wire.receive_response(), Some((8, 0x0000)));
    // The association is still good for a clean slice.
    let series = Series::three_slices(920);
    let mut data = Vec::new();
    let object = dicom_object::open_file(&series.files[0]).unwrap();
    object.write_dataset(&mut data).unwrap();
    let name = series.files[0].file_stem().unwrap().to_string_lossy();
    wire.send_store(1, 9, &name, &data);
    assert_eq!(wire.receive_response(), Some((9, 0x0000)));
    wire.release();
}

#[test]
fn a_store_that_is_cut_off_leaves_nothing_behind() {
    let hepar = Hepar::start();
    let series = Series::three_slices(950);
    let mut data = Vec::new();
    let object = dicom_object::open_file(&series.files[0]).unwrap();
    object.write_dataset(&mut data).unwrap();
    let name = series.files[0]
        .file_stem()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let command = store_request(1, CT_IMAGE_STORAGE, &name);

    for cut in 0..4 {
        let mut wire = Wire::associate(hepar.address());
        match cut {
            0 => wire.send_fragments(&[(1, COMMAND, &command[..20])]),
            1 => wire.send_fragments(&[(1, COMMAND | LAST, &command)]),
            2 => {
                wire.send_fragments(&[(1, COMMAND | LAST, &command)]);
                wire.send_fragments(&[(1, 0, &data[..data.len() / 2])]);
            }
            _ => {
                wire.send_fragments(&[(1, COMMAND | LAST, &command)]);
                // All of it but the word that it is all.
                wire.send_fragments(&[(1, 0, &data)]);
                wire.send(ABORT, &[0, 0, 0, 0]);
            }
        }
        drop(wire);
    }
    assert_serves(&hepar, 951);
    assert_eq!(
        hepar.series(&series.uid),
        None,
        "no slice of it ever came whole"
    );
}

#[test]
fn a_release_is_answered_however_it_comes() {
    let hepar = Hepar::start();
    // Both sides at once, PS3.8 §7.2: we must answer theirs although ours is under way.
    let mut wire = Wire::associate(hepar.address());
    wire.send_fragments(&[(3, COMMAND | LAST, &echo_request(1))]);
    wire.send(RELEASE_RQ, &[0; 4]);
    assert_eq!(wire.receive_response(), Some((1, 0x0000)));
    assert_eq!(wire.receive().map(|pdu| pdu.kind), Some(RELEASE_RP));
    assert_eq!(wire.receive(), None);

    // An answer to a question that was never asked.
    let mut wire = Wire::associate(hepar.address());
    wire.send(RELEASE_RP, &[0; 4]);
    wire.shut_down_writing();
    assert!(wire.is_ended());
    assert_serves(&hepar, 955);
}

#[test]
fn callers_are_turned_away_with_the_reason_of_the_standard() {
    let hepar = Hepar::setup().accepting("CT1").max_associations(4).start();
    let contexts = [(1, VERIFICATION, &["1.2.840.10008.1.2"][..])];
    let rejected = |calling, called| {
        let mut wire = Wire::connect(hepar.address());
        let answer = wire
            .request_association(calling, called, 16384, &contexts)
            .unwrap();
        assert_eq!(answer.kind, ASSOCIATE_RJ);
        assert_eq!(wire.receive(), None, "and then we close");
        <[u8; 3]>::try_from(&answer.body[1..4]).unwrap()
    };
    // Result, source, reason: PS3.8 table 9-21.
    assert_eq!(
        rejected("CT1", "WRONG"),
        [1, 1, 7],
        "called AE title not recognised"
    );
    assert_eq!(
        rejected("STRANGER", "HEPAR"),
        [1, 1, 3],
        "calling AE title not recognised"
    );

    // Half of the places: the others are for other callers.
    let mut open: Vec<Wire> = (0..2)
        .map(|_| {
            let mut wire = Wire::connect(hepar.address());
            let answer = wire.request_association("CT1", "HEPAR", 16384, &contexts);
            assert_eq!(answer.unwrap().kind, ASSOCIATE_AC);
            wire
        })
        .collect();
    assert_eq!(
        rejected("CT1", "HEPAR"),
        [2, 3, 2],
        "local limit exceeded, try again"
    );
    open.pop().unwrap().release();
    wait_for("a place to be free again", || {
        let mut wire = Wire::connect(hepar.address());
        let answer = wire.request_association("CT1", "HEPAR", 16384, &contexts)?;
        (answer.kind == ASSOCIATE_AC).then_some(())
    });
}

#[test]
fn two_hundred_silent_connections_keep_no_scanner_out() {
    let hepar = Hepar::start();
    let silent: Vec<Wire> = (0..200).map(|_| Wire::connect(hepar.address())).collect();
    assert_serves(&hepar, 960);
    drop(silent);
    assert_serves(&hepar, 961);
    assert!(
        peak_memory_mb(&hepar) < 700,
        "{} MB",
        peak_memory_mb(&hepar)
    );
}
