//! What a sender that misbehaves gets, and that nobody else suffers.

use super::{super::dimse::echo_request, *};

/// A clean sender stores one instance.
fn store_one(server: &Server, calling: &str) {
    let mut peer = Peer::connect(server);
    peer.associate(calling, "HEPAR", &[CT], 0);
    assert!(matches!(peer.pdu(), UlPdu::AssociationAC(_)));
    peer.send(&store_pdus(1, "1.2.3", &data_set("1.2.3", 100)));
    assert_eq!(peer.status(), 0);
    peer.send(&pdu::RELEASE_REQUEST);
    assert_eq!(peer.bytes_to_end(), pdu::RELEASE_REPLY);
}

#[test]
fn who_is_not_allowed_is_refused_with_the_reason_and_the_connection_closed() {
    let mut server = Server::start(Policy {
        callers: vec![CallerRule {
            ae_title: Some(title("CT1")),
            ..CallerRule::default()
        }],
        ..policy()
    });
    assert_eq!(server.rejection("CT1", "OTHER", &[CT]), [1, 1, 7]);
    assert_eq!(server.rejection("STRANGER", "HEPAR", &[CT]), [1, 1, 3]);
    assert!(matches!(
        server.event(),
        Event::Refused {
            reason: Rejection::CalledAeTitle,
            ..
        }
    ));
    let Event::Refused {
        calling_ae, reason, ..
    } = server.event()
    else {
        panic!("refused");
    };
    assert_eq!(
        (calling_ae.as_str(), reason),
        ("STRANGER", Rejection::CallingAeTitle)
    );
    assert!(server.client("STRANGER", &[CT]).is_err());
    store_one(&server, "CT1");
}

#[test]
fn a_full_disk_refuses_for_now_and_still_answers_echo() {
    let server = Server::start(policy());
    server.admission.send(Admission::NoSpace).unwrap();
    assert_eq!(server.rejection("CT1", "HEPAR", &[CT]), [2, 3, 1]);
    let client = server.client("CT1", &[uids::VERIFICATION]).unwrap();
    client.release().unwrap();
    server.admission.send(Admission::Open).unwrap();
    store_one(&server, "CT1");
}

#[test]
fn a_caller_that_hoards_associations_is_refused_and_another_is_served() {
    let server = Server::start(Policy {
        max_associations: 8,
        ..policy()
    });
    let mut hoard: Vec<Peer> = (0..4).map(|_| Peer::storing(&server, 0)).collect();
    for _ in 0..20 {
        assert_eq!(server.rejection("CT1", "HEPAR", &[CT]), [2, 3, 2]);
    }
    store_one(&server, "CT2");
    // A place is free before the release is confirmed.
    hoard[0].send(&pdu::RELEASE_REQUEST);
    assert!(matches!(hoard[0].pdu(), UlPdu::ReleaseRP));
    hoard.push(Peer::storing(&server, 0));
}

#[test]
fn two_hundred_silent_connections_do_not_keep_a_sender_out() {
    let server = Server::start(policy());
    let silent: Vec<Peer> = (0..200).map(|_| Peer::connect(&server)).collect();
    store_one(&server, "CT1");
    drop(silent);
}

#[test]
fn an_abort_is_not_answered_whatever_its_reason() {
    let mut server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    peer.send(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 9]);
    assert_eq!(server.ended(), Ended::Aborted);
    assert_eq!(peer.bytes_to_end(), [0; 0]);

    let mut hasty = Peer::connect(&server);
    hasty.send(&[7, 0, 0, 0, 0, 4, 0, 0, 3, 0]);
    assert_eq!(hasty.bytes_to_end(), [0; 0]);
}

#[test]
fn who_says_nothing_is_cut_off_in_time() {
    let server = Server::start(Policy {
        request_timeout: Duration::from_millis(50),
        ..policy()
    });
    assert!(Peer::connect(&server).ended_by_abort());
    // Part of a request is not a request.
    let mut slow = Peer::connect(&server);
    slow.send(&[1, 0, 0, 0, 0]);
    assert!(slow.ended_by_abort());
}

#[test]
fn a_trickle_is_cut_off_and_an_association_in_use_is_not() {
    let mut server = Server::start(Policy {
        idle_timeout: Duration::from_millis(1500),
        ..policy()
    });
    let mut trickle = Peer::storing(&server, 0);
    let wire = store_pdus(1, "1.2.3", &data_set("1.2.3", 100_000));
    let mut in_use = Peer::storing(&server, 0);
    let mut echo = Vec::new();
    push_data(&mut echo, 1, Part::Command, true, &echo_request(9));
    // Each byte is activity, none is progress; each echo is.
    let cut_off = wire.iter().position(|byte| {
        in_use.send(&echo);
        assert_eq!(in_use.status(), 0);
        std::thread::sleep(Duration::from_millis(20));
        trickle.0.write_all(&[*byte]).is_err()
    });
    assert!(cut_off.is_some());
    assert_eq!(server.ended(), Ended::TimedOut);
    in_use.send(&echo);
    assert_eq!(in_use.status(), 0);
}

#[test]
fn garbage_is_answered_with_an_abort() {
    let server = Server::start(policy());
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: hepar\r\n\r\n"[..],
        &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 1],
        &[1, 0, 0, 0, 0, 4, 0, 1, 0, 0],
        &[6, 0, 0, 0, 0, 4, 0, 0, 0, 0],
    ] {
        let mut peer = Peer::connect(&server);
        peer.send(garbage);
        assert!(peer.ended_by_abort(), "{garbage:?}");
    }
    store_one(&server, "CT1");
}

#[test]
fn what_violates_the_protocol_is_aborted_and_stores_nothing() {
    let mut server = Server::start(policy());
    let mut too_long = vec![4, 0];
    too_long.extend(200_000u32.to_be_bytes());
    let mut no_context = Vec::new();
    push_data(&mut no_context, 99, Part::Command, true, &echo_request(1));
    let mut release_inside = store_pdus(1, "1.2.3", &data_set("1.2.3", 1000));
    release_inside[0] = 4;
    let command_only = release_inside[5] as usize + 6;
    release_inside.truncate(command_only);
    release_inside.extend(pdu::RELEASE_REQUEST);
    for bytes in [
        too_long,
        no_context,
        release_inside,
        vec![4, 0, 0, 0, 0, 0],
        vec![4, 0, 0, 0, 0, 6, 0, 0, 0, 99, 1, 3],
        pdu::RELEASE_REPLY.to_vec(),
    ] {
        let mut peer = Peer::storing(&server, 0);
        peer.send(&bytes);
        assert!(peer.ended_by_abort(), "{bytes:?}");
        assert!(matches!(server.ended(), Ended::Broken(_)));
    }
    assert_eq!(server.spool.instances().count(), 0);
}

#[test]
fn an_abort_or_a_cut_at_any_point_stores_nothing_and_is_told_apart() {
    let mut server = Server::start(policy());
    let wire = store_pdus(1, "1.2.3", &data_set("1.2.3", 1000));
    let command = wire[5] as usize + 6;
    for at in [0, command, wire.len() - 1] {
        let mut cut = Peer::storing(&server, 0);
        cut.send(&wire[..at]);
        drop(cut);
        assert!(matches!(server.ended(), Ended::Broken(_)), "cut at {at}");
    }
    for at in [0, command] {
        let mut aborting = Peer::storing(&server, 0);
        aborting.send(&wire[..at]);
        aborting.send(&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        assert_eq!(server.ended(), Ended::Aborted, "aborted at {at}");
    }
    assert_eq!(server.spool.instances().count(), 0);
}

#[test]
fn an_abort_right_after_the_data_does_not_unmake_what_was_stored() {
    let mut server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    let mut wire = store_pdus(1, "1.2.3", &data_set("1.2.3", 1000));
    wire.extend([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    peer.send(&wire);
    assert!(matches!(server.event(), Event::Stored { .. }));
    assert!(matches!(server.event(), Event::Ended { stored: 1, .. }));
}

#[test]
fn a_release_collision_ends_in_a_release() {
    let mut server = Server::start(policy());
    let mut peer = Peer::storing(&server, 0);
    // As if both sides had asked: a request, and a reply to one we never sent.
    peer.send(&[pdu::RELEASE_REQUEST, pdu::RELEASE_REPLY].concat());
    peer.send(&pdu::RELEASE_REQUEST);
    assert_eq!(peer.bytes_to_end(), pdu::RELEASE_REPLY);
    assert_eq!(server.ended(), Ended::Released);
}

#[test]
fn a_data_set_beyond_the_limit_is_refused_and_the_next_one_stored() {
    let server = Server::start(Policy {
        max_data_set: 10_000,
        ..policy()
    });
    let mut peer = Peer::storing(&server, 0);
    peer.send(&store_pdus(1, "1.2.3", &data_set("1.2.3", 20_000)));
    assert_eq!(peer.status(), 0xA700);
    peer.send(&store_pdus(2, "1.2.3", &data_set("1.2.3", 5000)));
    assert_eq!(peer.status(), 0);
}
