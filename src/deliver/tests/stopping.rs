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

#[test]
fn a_handshake_that_stalls_is_not_waited_for() {
    use crate::tls::{Client, Fingerprint, PeerRule, client_config, server_name};
    let (mut destination, pacs) = Pacs::start(vec![|mut pacs| {
        let mut rest = Vec::new();
        pacs.0.read_to_end(&mut rest).unwrap();
        assert_eq!(rest[0], 22, "a ClientHello, and never plain DICOM after it");
    }]);
    patient(&mut destination);
    let rule = PeerRule {
        authorities: None,
        pin: Some(Fingerprint::of(b"any")),
    };
    destination.tls = Some(Client {
        config: client_config(rule, None).unwrap(),
        name: server_name("127.0.0.1").unwrap(),
        certificate: None,
    });
    let files = Files::new();
    let object = files.add(SEG, "1.2.1", 2);
    let results = super::super::store(&destination, &[object], &stop_soon());
    assert!(is_stopped(&results[0]), "{results:?}");
    pacs.join().unwrap();
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
