//! A stop does not wait for a PACS that has stalled.

use std::time::Instant;

use super::*;

/// Cancelled soon after the delivery began.
fn stop_soon() -> CancellationToken {
    let stop = CancellationToken::new();
    let signal = stop.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        signal.cancel();
    });
    stop
}

fn patient(destination: &mut Destination) {
    let hour = Duration::from_hours(1);
    destination.timeouts = Timeouts {
        connect: hour,
        negotiation: hour,
        write: hour,
        slowest_link: 1,
        response: hour,
    };
}

fn is_stopped(result: &Result<DimseStatus, DeliverError>) -> bool {
    matches!(result, Err(DeliverError::Stopped { .. }))
}

#[test]
fn a_stalled_answer_is_not_waited_for_and_the_rest_is_left() {
    let (mut destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.message();
        assert!(pacs.is_aborted());
    }]);
    patient(&mut destination);
    let files = Files::new();
    let objects = ["1.2.1", "1.2.2"].map(|instance| files.add(SEG, instance, 2));
    let begun = Instant::now();
    let results = super::super::store(&destination, &objects, &stop_soon());
    assert!(
        results.len() == 2 && results.iter().all(is_stopped),
        "{results:?}"
    );
    assert!(begun.elapsed() < Duration::from_mins(1));
    pacs.join().unwrap();
}

/// Believes only a certificate that nobody has.
fn encrypted(destination: &mut Destination) {
    use crate::tls::{Client, Fingerprint, PeerRule, client_config, server_name};
    let rule = PeerRule {
        authorities: None,
        pin: Some(Fingerprint::of(b"any")),
    };
    destination.tls = Some(Client {
        config: client_config(rule, None).unwrap(),
        name: server_name("127.0.0.1").unwrap(),
        certificate: None,
    });
}

#[test]
fn a_handshake_that_stalls_is_not_waited_for() {
    let (mut destination, pacs) = Pacs::start(vec![|mut pacs| {
        let mut rest = Vec::new();
        pacs.0.read_to_end(&mut rest).unwrap();
        assert_eq!(rest[0], 22, "a ClientHello, and never plain DICOM after it");
    }]);
    patient(&mut destination);
    encrypted(&mut destination);
    let files = Files::new();
    let object = files.add(SEG, "1.2.1", 2);
    let results = super::super::store(&destination, &[object], &stop_soon());
    assert!(is_stopped(&results[0]), "{results:?}");
    pacs.join().unwrap();
}

/// A record of TLS, a byte at a time, for as long as anybody listens.
fn trickle(mut pacs: Pacs) {
    let handshake = [22, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xfb, 3, 3];
    for byte in handshake.into_iter().chain(std::iter::repeat(0)) {
        thread::sleep(Duration::from_millis(50));
        if pacs.0.write_all(&[byte]).is_err() {
            return;
        }
    }
}

#[test]
fn a_handshake_of_a_byte_at_a_time_has_its_limit_and_hears_the_stop() {
    use crate::tls::Problem;
    let files = Files::new();
    let object = [files.add(SEG, "1.2.1", 2)];
    let trickling = || {
        let (mut destination, pacs) = Pacs::start(vec![trickle]);
        patient(&mut destination);
        encrypted(&mut destination);
        (destination, pacs)
    };
    let begun = Instant::now();

    let (mut destination, pacs) = trickling();
    destination.timeouts.negotiation = Duration::from_millis(300);
    let err = only(store(&destination, &object)).unwrap_err();
    let in_time = matches!(
        err,
        DeliverError::Tls {
            problem: Problem::TimedOut,
            ..
        }
    );
    assert!(in_time, "{err:?}");
    pacs.join().unwrap();

    let (destination, pacs) = trickling();
    let results = super::super::store(&destination, &object, &stop_soon());
    assert!(is_stopped(&results[0]), "{results:?}");
    pacs.join().unwrap();
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[test]
fn nothing_is_begun_once_we_are_stopping() {
    let stop = CancellationToken::new();
    stop.cancel();
    let files = Files::new();
    let object = files.add(SEG, "1.2.1", 2);
    let nobody = destination("127.0.0.1:1");
    assert!(is_stopped(
        &super::super::store(&nobody, &[object], &stop)[0]
    ));
}
