//! Any scanner, PDU length and order: each slice is acknowledged and kept.

use std::path::Path;

use dicom_dictionary_std::tags;

use crate::harness::{
    appliance::Hepar,
    cli::run,
    kept::assert_kept_as_sent,
    modality::Modality,
    pacs::Pacs,
    phantoms::Series,
    place::tool,
    wire::{COMMAND, CT_IMAGE_STORAGE, LAST, Wire, echo_request, store_request},
};

#[test]
fn every_scanner_at_every_pdu_length_is_told_that_each_slice_is_kept() {
    let hepar = Hepar::start();
    let scanners = [
        Modality::storescu(&["--max-pdu", "4096", "--max-send-pdu", "4096"]),
        Modality::storescu(&["--max-pdu", "131072"]),
        Modality::dcmsend(&["--max-pdu", "4096", "--max-send-pdu", "4096"]),
        Modality::dcmsend(&["--max-pdu", "131072"]),
        Modality::pynetdicom(&["--max-pdu", "4096"]),
        Modality::pynetdicom(&["--max-pdu", "131072"]),
        Modality::pynetdicom(&["--max-pdu", "0"]),
    ];
    for (seed, scanner) in scanners.iter().enumerate() {
        let series = Series::three_slices(100 + seed as u64);
        scanner
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        assert_kept_as_sent(hepar.state_dir(), &series.files);
        let end = hepar.wait_for_end(&series.uid);
        assert_eq!(end["instances_received"], 3, "{end}");
    }
}

#[test]
fn an_echo_is_answered_with_its_own_message_id() {
    let hepar = Hepar::start();
    let mut wire = Wire::associate(hepar.address());
    for message in [1, 7, 65535, 0] {
        assert_eq!(wire.echo(3, message), Some((message, 0x0000)));
    }
    wire.release();

    let address = hepar.address();
    let mut echoscu = tool("echoscu");
    echoscu
        .args(["-aec", "HEPAR"])
        .args([address.ip().to_string(), address.port().to_string()]);
    run("echoscu", &mut echoscu).expect_success();
}

/// The ways in which a message may be cut into fragments and PDUs, PS3.8 annex E.
#[test]
fn a_message_may_be_cut_anywhere() {
    let hepar = Hepar::start();
    let series = Series::three_slices(110);
    let mut wire = Wire::associate(hepar.address());

    for (number, file) in (1_u16..).zip(&series.files) {
        let sop_instance = file.file_stem().unwrap().to_string_lossy();
        let command = store_request(number, CT_IMAGE_STORAGE, &sop_instance);
        let data = data_set_bytes(file);
        match number {
            // The command in fragments of one byte in one PDU, the data set ended by an empty one.
            1 => {
                let (end, start) = command.split_last().unwrap();
                let mut fragments: Vec<(u8, u8, &[u8])> =
                    start.chunks(1).map(|byte| (1, COMMAND, byte)).collect();
                let end = [*end];
                fragments.push((1, COMMAND | LAST, &end));
                wire.send_fragments(&fragments);
                for chunk in data.chunks(9001) {
                    wire.send_fragments(&[(1, 0, chunk)]);
                }
                wire.send_fragments(&[(1, LAST, &[])]);
            }
            // Command and the beginning of the data set in one PDU.
            2 => {
                let (start, rest) = data.split_at(10);
                wire.send_fragments(&[(1, COMMAND | LAST, &command), (1, 0, start)]);
                let (middle, end) = rest.split_at(rest.len() / 2);
                wire.send_fragments(&[(1, 0, middle), (1, LAST, end)]);
            }
            // Every fragment in a PDU of its own, the bytes trickling in.
            _ => {
                for byte in command.chunks(7) {
                    wire.send_fragments(&[(1, COMMAND, byte)]);
                }
                wire.send_fragments(&[(1, COMMAND | LAST, &[])]);
                wire.send_fragments(&[(1, LAST, &data)]);
            }
        }
        assert_eq!(wire.receive_response(), Some((number, 0x0000)));
    }
    // The next message on the same association is understood, too.
    wire.send_fragments(&[(3, COMMAND | LAST, &echo_request(9))]);
    assert_eq!(wire.receive_response(), Some((9, 0x0000)));
    wire.release();
    assert_kept_as_sent(hepar.state_dir(), &series.files);
}

/// The encoded data set of a file, without preamble and file meta.
fn data_set_bytes(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let object = dicom_object::open_file(file).unwrap();
    object.write_dataset(&mut bytes).unwrap();
    bytes
}

#[test]
fn whatever_the_order_and_the_associations_the_result_is_the_same() {
    let series = Series::small_abdomen(120);
    let mut reversed = series.files.clone();
    reversed.reverse();
    let mut interleaved: Vec<_> = series.files.iter().step_by(2).cloned().collect();
    interleaved.extend(series.files.iter().skip(1).step_by(2).cloned());

    let ways = [
        (Modality::dcmsend(&[]), &series.files),
        (Modality::pynetdicom(&["--per-association", "1"]), &reversed),
        (
            Modality::pynetdicom(&["--per-association", "9"]),
            &interleaved,
        ),
    ];
    let mut results = ways.iter().map(|(scanner, files)| {
        let pacs = Pacs::pynetdicom(&[]);
        let hepar = Hepar::setup().sending_to(&pacs).start();
        scanner.send(hepar.address(), files).expect_all(files.len());
        let end = hepar.wait_for_state(&series.uid, "delivered");
        assert_eq!(end["instances_received"], 24, "{end}");
        // A chunk may have looked complete: what counts is the last word.
        let last = pacs.ledger().pop().unwrap();
        let received = pacs.received();
        let seg = received
            .iter()
            .find(|object| last["sop_instance"] == object.sop_instance())
            .unwrap();
        let object = seg.open();
        let pixels = object.element(tags::PIXEL_DATA).unwrap();
        (seg.sop_instance(), pixels.to_bytes().unwrap().into_owned())
    });
    let first = results.next().unwrap();
    assert!(first.1.iter().any(|byte| *byte != 0), "something is found");
    for other in results {
        assert!(first == other, "{} is not {}", other.0, first.0);
    }
}
