//! What is said, and done next, when a PACS does not take an object.

use std::time::Instant;

use super::*;

#[test]
fn nobody_at_the_address_is_unreachable_for_all() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let files = Files::new();
    let objects = ["1.2.1", "1.2.2"].map(|instance| files.add(SEG, instance, 2));
    for address in [&address[..], "no port"] {
        for result in store(&destination(address), &objects) {
            let err = result.unwrap_err();
            assert!(matches!(err, DeliverError::Unreachable { .. }));
            assert_eq!(err.remedy(), Remedy::Wait);
        }
    }
}

#[test]
fn a_refusal_is_told_in_words() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.request();
        pacs.send(&Pdu::AssociationRJ(AssociationRJ {
            result: AssociationRJResult::Permanent,
            source: AssociationRJSource::ServiceUser(
                AssociationRJServiceUserReason::CalledAETitleNotRecognized,
            ),
        }));
    }]);
    let files = Files::new();
    let err = only(store(&destination, &[files.add(SEG, "1.2.1", 2)])).unwrap_err();
    assert_eq!(
        err.to_string(),
        "pacs refused the association: called AE title not recognized (permanently)"
    );
    assert_eq!(err.remedy(), Remedy::Service);
    pacs.join().unwrap();
}

#[test]
fn reasons_that_no_standard_lists_are_refusals_and_aborts_all_the_same() {
    let (destination, pacs) = Pacs::start(vec![
        |mut pacs| {
            pacs.request();
            pacs.0.write_all(&[3, 0, 0, 0, 0, 4, 0, 2, 2, 9]).unwrap();
        },
        |mut pacs| {
            pacs.request();
            pacs.0.write_all(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 9]).unwrap();
        },
    ]);
    let files = Files::new();
    let object = [files.add(SEG, "1.2.1", 2)];
    let refused = only(store(&destination, &object)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "pacs refused the association: reason 9 (for now)"
    );
    assert_eq!(refused.remedy(), Remedy::Wait);
    let aborted = only(store(&destination, &object)).unwrap_err();
    assert!(
        matches!(aborted, DeliverError::Aborted { .. }),
        "{aborted:?}"
    );
    pacs.join().unwrap();
}

#[test]
fn after_an_abort_in_the_middle_the_rest_goes_over_a_new_association() {
    let (destination, pacs) = Pacs::start(vec![
        |mut pacs| {
            pacs.accept_all();
            pacs.store(0);
            pacs.pdu();
            pacs.send(&Pdu::AbortRQ {
                source: AbortRQSource::ServiceUser,
            });
        },
        |mut pacs| {
            pacs.accept_all();
            let message = pacs.store(0);
            assert_eq!(message.command.sop_instance.as_deref(), Some("1.2.3"));
            pacs.release();
        },
    ]);
    let files = Files::new();
    let objects: Vec<Outgoing> = (1..=3)
        .map(|i| files.add(SEG, &format!("1.2.{i}"), 3_000_000))
        .collect();
    let results = store(&destination, &objects);
    assert!(results[0].is_ok());
    assert!(
        matches!(
            results[1],
            Err(DeliverError::Aborted { .. } | DeliverError::Broken { .. })
        ),
        "{:?}",
        results[1]
    );
    assert!(results[2].is_ok());
    pacs.join().unwrap();
}

/// What can just be added to the present: an hour more, and no clock can hold it.
fn until_the_end_of_time() -> Duration {
    let mut seconds = 0;
    for bit in (0..64).rev() {
        let more = Duration::from_secs(seconds | 1 << bit);
        if Instant::now().checked_add(more).is_some() {
            seconds = more.as_secs();
        }
    }
    Duration::from_secs(seconds - 3600)
}

#[test]
fn an_object_whose_sending_crashes_has_its_own_error_and_the_others_go() {
    let (mut destination, pacs) = Pacs::start(vec![
        |mut pacs| {
            pacs.accept_all();
            pacs.store(0);
            assert!(!pacs.is_aborted(), "nothing more is said");
        },
        |mut pacs| {
            pacs.accept_all();
            assert!(!pacs.is_aborted(), "nothing is said");
        },
        |mut pacs| {
            pacs.accept_all();
            pacs.store(0);
            pacs.release();
        },
    ]);
    // At a byte a second the moment at which the large ones count as stalled cannot be told.
    destination.timeouts.write = until_the_end_of_time();
    destination.timeouts.slowest_link = 1;
    let files = Files::new();
    let objects: Vec<Outgoing> = [
        ("1.2.1", 2),
        ("1.2.2", 90_000),
        ("1.2.3", 90_000),
        ("1.2.4", 2),
    ]
    .map(|(instance, pixels)| files.add(SEG, instance, pixels))
    .into();
    let results = store(&destination, &objects);
    assert!(results[0].is_ok() && results[3].is_ok(), "{results:?}");
    for (result, object) in results[1..3].iter().zip(&objects[1..3]) {
        let err = result.as_ref().unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("sending {} to pacs crashed", object.path.display())
        );
        assert_eq!(err.remedy(), Remedy::Service);
        assert!(!err.is_for_good(), "it is tried again later");
    }
    pacs.join().unwrap();
}

#[test]
fn a_peer_that_stalls_is_aborted_and_after_two_such_losses_the_rest_waits() {
    let stalls = |mut pacs: Pacs| {
        pacs.accept_all();
        pacs.message();
        // And no answer.
        assert!(pacs.is_aborted());
    };
    let (mut destination, pacs) = Pacs::start(vec![stalls, stalls]);
    destination.timeouts.response = Duration::from_millis(100);
    let files = Files::new();
    let objects: Vec<Outgoing> = (1..=4)
        .map(|i| files.add(SEG, &format!("1.2.{i}"), 100))
        .collect();
    for result in store(&destination, &objects) {
        let err = result.unwrap_err();
        assert_eq!(
            err.to_string(),
            "pacs timed out while we waited for the answer to an object"
        );
        assert_eq!(err.remedy(), Remedy::Wait);
    }
    pacs.join().unwrap();
}

#[test]
fn a_peer_that_stops_reading_times_out() {
    let (mut destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        // Holds the connection and reads nothing, until the other side has given up.
        while !CUT.load(Ordering::Acquire) {
            thread::park_timeout(Duration::from_millis(10));
        }
    }]);
    destination.timeouts.write = Duration::from_millis(200);
    let files = Files::new();
    let outgoing = files.add(SEG, "1.2.1", 24 << 20);
    let err = only(store(&destination, &[outgoing])).unwrap_err();
    CUT.store(true, Ordering::Release);
    assert_eq!(err.to_string(), "pacs timed out while we sent an object");
    pacs.join().unwrap();
}

static CUT: AtomicBool = AtomicBool::new(false);

#[test]
fn a_peer_that_closes_after_the_command_breaks_the_connection() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.pdu();
    }]);
    let files = Files::new();
    let err = only(store(&destination, &[files.add(SEG, "1.2.1", 3_000_000)])).unwrap_err();
    assert!(matches!(err, DeliverError::Broken { .. }), "{err}");
    pacs.join().unwrap();
}

#[test]
fn an_answer_to_another_request_is_not_taken_for_ours() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let mut message = pacs.message();
        message.command.message_id = Some(99);
        pacs.answer(&message.command, 0, None);
        assert!(pacs.is_aborted());
    }]);
    let files = Files::new();
    let err = only(store(&destination, &[files.add(SEG, "1.2.1", 2)])).unwrap_err();
    assert!(matches!(err, DeliverError::Violation { .. }), "{err}");
    pacs.join().unwrap();
}

#[test]
fn a_file_that_cannot_be_sent_fails_alone() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let good = files.add(SEG, "1.2.1", 2);
    let missing = Outgoing {
        path: files.0.path().join("missing"),
        ..good.clone()
    };
    let garbage = Outgoing {
        path: files.0.path().join("garbage"),
        ..good.clone()
    };
    std::fs::write(&garbage.path, [0; 500]).unwrap();
    let results = store(&destination, &[missing, garbage, good]);
    assert!(matches!(
        results[..],
        [
            Err(DeliverError::Unreadable { .. }),
            Err(DeliverError::NotSendable { .. }),
            Ok(_)
        ]
    ));
    pacs.join().unwrap();
}

#[test]
fn an_echo_that_is_refused_is_an_error() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        let echo = pacs.message();
        pacs.answer(&echo.command, 0x0122, None);
        pacs.release();
    }]);
    assert!(matches!(
        echo(&destination, &[SEG]),
        Err(DeliverError::Status { .. })
    ));
    pacs.join().unwrap();
}
