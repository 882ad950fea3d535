//! What a scanner that behaves gets.

use dicom_ul::pdu::{PDataValue, PDataValueType};

use super::{super::dimse::echo_request, *};
use crate::spool::Arrival;

fn value(kind: PDataValueType, is_last: bool, data: Vec<u8>) -> PDataValue {
    PDataValue {
        presentation_context_id: 1,
        value_type: kind,
        is_last,
        data,
    }
}

fn received(client: &mut Client) -> Command {
    match client.receive().unwrap() {
        UlPdu::PData { data } => Command::parse(&data[0].data).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_echo_is_answered_and_a_release_is_confirmed() {
    let mut server = Server::start(policy());
    let mut client = server.client("CT1", &[uids::VERIFICATION]).unwrap();
    client
        .send(&UlPdu::PData {
            data: vec![value(PDataValueType::Command, true, echo_request(77))],
        })
        .unwrap();
    let response = received(&mut client);
    assert_eq!(response.responded_to, Some(77));
    assert_eq!(response.status.unwrap().0, 0);
    client.release().unwrap();
    assert_eq!(server.ended(), Ended::Released);
}

#[test]
fn an_acknowledged_instance_is_on_disk_as_it_was_sent() {
    let mut server = Server::start(policy());
    let bytes = data_set("1.2.3", 100_000);
    let mut client = server.client("CT1", &[CT]).unwrap();
    client
        .send(&UlPdu::PData {
            data: vec![value(
                PDataValueType::Command,
                true,
                store_request(5, &uid(CT), &uid("1.2.3")),
            )],
        })
        .unwrap();
    let chunks: Vec<&[u8]> = bytes.chunks(16_000).collect();
    for (i, chunk) in chunks.iter().enumerate() {
        let last = i + 1 == chunks.len();
        client
            .send(&UlPdu::PData {
                data: vec![value(PDataValueType::Data, last, chunk.to_vec())],
            })
            .unwrap();
    }
    let response = received(&mut client);
    assert_eq!((response.field, response.responded_to), (0x8001, Some(5)));
    assert_eq!(response.status.unwrap().0, 0);
    assert_eq!(response.sop_instance.as_deref(), Some("1.2.3"));
    assert_eq!(kept(&server, "1.2.3", bytes.len()), bytes);
    client.release().unwrap();

    let Event::Stored { receipt, source } = server.event() else {
        panic!("stored comes before ended");
    };
    assert_eq!(receipt.arrival(), &Arrival::New);
    assert_eq!((source.calling_ae, source.association), (title("CT1"), 1));
    assert!(matches!(
        server.event(),
        Event::Ended {
            how: Ended::Released,
            stored: 1,
            association: 1,
            ..
        }
    ));
}

#[test]
fn every_pdu_length_a_peer_may_ask_for_is_kept_to() {
    let server = Server::start(policy());
    for (id, max_pdu) in (1..).zip([0, 64, 4096, 16_384, 131_072, u32::MAX]) {
        let instance = format!("1.2.{id}");
        let mut peer = Peer::storing(&server, max_pdu);
        peer.send(&store_pdus(id, &instance, &data_set(&instance, 1000)));
        let response = peer.response(max_pdu as usize);
        assert_eq!(response.responded_to, Some(id));
        assert_eq!(response.status.unwrap().0, 0);
    }
}

#[test]
fn without_a_pdu_limit_of_ours_a_data_set_may_come_in_one_pdu() {
    let server = Server::start(Policy {
        max_pdu_length: 0,
        ..policy()
    });
    let mut peer = Peer::storing(&server, 0);
    let bytes = data_set("1.2.3", 3_000_000);
    peer.send(&store_pdus(1, "1.2.3", &bytes));
    assert_eq!(peer.status(), 0);
    assert_eq!(kept(&server, "1.2.3", bytes.len()), bytes);
}

#[test]
fn commands_and_data_may_share_pdus_and_be_split_anywhere() {
    let server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    let bytes = data_set("1.2.3", 5000);
    let command = store_request(1, &uid(CT), &uid("1.2.3"));
    let (first, second) = command.split_at(33);
    let (head, tail) = bytes.split_at(4001);
    let command_value = |last, part: &[u8]| value(PDataValueType::Command, last, part.to_vec());
    let data_value = |last, part: &[u8]| value(PDataValueType::Data, last, part.to_vec());
    for data in [
        vec![command_value(false, first)],
        // The rest of the command and the first of the data in one PDU.
        vec![command_value(true, second), data_value(false, head)],
        vec![data_value(false, tail), data_value(false, &[])],
        vec![data_value(true, &[])],
    ] {
        let mut pdu = Vec::new();
        dicom_ul::write_pdu(&mut pdu, &UlPdu::PData { data }).unwrap();
        // And the PDU in two segments.
        let (a, b) = pdu.split_at(pdu.len() / 2);
        peer.send(a);
        peer.send(b);
    }
    assert_eq!(peer.status(), 0);
    assert_eq!(kept(&server, "1.2.3", bytes.len()), bytes);
}

#[test]
fn requests_sent_without_waiting_are_answered_in_order() {
    let server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    let mut wire = Vec::new();
    for id in 1..=5 {
        let instance = format!("1.2.{id}");
        wire.extend(store_pdus(id, &instance, &data_set(&instance, 30_000)));
    }
    peer.send(&wire);
    for id in 1..=5 {
        let response = peer.response(0);
        assert_eq!(response.responded_to, Some(id));
        assert_eq!(response.status.unwrap().0, 0);
    }
}

#[test]
fn the_same_instance_twice_is_a_success_and_one_file() {
    let mut server = Server::start(policy());
    let bytes = data_set("1.2.3", 100);
    for arrival in [Arrival::New, Arrival::Again] {
        let mut peer = Peer::storing(&server, 0);
        peer.send(&store_pdus(1, "1.2.3", &bytes));
        assert_eq!(peer.status(), 0);
        let Event::Stored { receipt, .. } = server.event() else {
            panic!("stored");
        };
        assert_eq!(receipt.arrival(), &arrival);
        drop(peer);
        assert!(matches!(server.ended(), Ended::Broken(_)));
    }
    assert_eq!(server.spool.instances().count(), 1);
}

#[test]
fn a_data_set_of_another_instance_is_refused_kept_apart_and_does_not_take_the_name() {
    let mut server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    let wrong = data_set("1.2.666", 100);
    peer.send(&store_pdus(1, "1.2.3", &wrong));
    assert_eq!(peer.status(), 0xA900);
    let Event::SetApart {
        sop_instance, path, ..
    } = server.event()
    else {
        panic!("set apart");
    };
    assert_eq!(sop_instance, uid("1.2.3"));
    let file = std::fs::read(path).unwrap();
    assert!(file.ends_with(&wrong));
    assert_eq!(server.spool.instances().count(), 0);

    let right = data_set("1.2.3", 100);
    peer.send(&store_pdus(2, "1.2.3", &right));
    assert_eq!(peer.status(), 0);
    assert_eq!(kept(&server, "1.2.3", right.len()), right);
}

#[test]
fn a_full_disk_and_a_broken_one_have_their_statuses_and_the_association_goes_on() {
    let server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    let mut id = 0;
    let mut status_with = |failure| {
        *server.disk.failure.lock().unwrap() = failure;
        id += 1;
        peer.send(&store_pdus(id, "1.2.3", &data_set("1.2.3", 100)));
        let response = peer.response(0);
        assert_eq!(response.responded_to, Some(id));
        response.status.unwrap().0
    };
    assert_eq!(status_with(Some(io::ErrorKind::StorageFull)), 0xA700);
    assert_eq!(status_with(Some(io::ErrorKind::PermissionDenied)), 0x0110);
    assert_eq!(status_with(None), 0);
}

#[test]
fn when_the_reserve_is_touched_open_associations_hear_out_of_resources_until_it_is_not() {
    let server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    for (admission, status) in [
        (Admission::NoSpace, 0),
        (Admission::ReserveTouched, 0xA700),
        (Admission::Open, 0),
    ] {
        server.admission.send(admission).unwrap();
        peer.send(&store_pdus(1, "1.2.3", &data_set("1.2.3", 100)));
        assert_eq!(peer.status(), status, "{admission:?}");
    }
}

#[test]
fn stopping_lets_a_begun_message_end_and_aborts_the_idle() {
    let mut server = Server::start(policy());
    let mut busy = Peer::storing(&server, 0);
    let wire = store_pdus(1, "1.2.3", &data_set("1.2.3", 100_000));
    let (begun, rest) = wire.split_at(50_000);
    // An echo before it, so that the beginning has certainly been read once its answer is here.
    let mut echo = Vec::new();
    push_data(&mut echo, 1, Part::Command, true, &echo_request(9));
    busy.send(&[&echo, begun].concat());
    assert_eq!(busy.response(0).responded_to, Some(9));
    let mut idle = Peer::storing(&server, 0);

    server.stop();
    assert!(idle.ended_by_abort());
    assert_eq!(server.ended(), Ended::Stopped);
    assert!(TcpStream::connect(server.address).is_err());

    busy.send(rest);
    assert_eq!(busy.status(), 0);
    assert!(busy.ended_by_abort());
    assert!(matches!(server.event(), Event::Stored { .. }));
    assert_eq!(server.ended(), Ended::Stopped);
    server.tracker.close();
    server
        .runtime
        .block_on(async { timeout(SOON, server.tracker.wait()).await })
        .expect("nothing is left running");
}
