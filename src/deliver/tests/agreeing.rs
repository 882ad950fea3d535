//! What a PACS that takes objects gets.

use flate2::read::DeflateDecoder;

use super::*;
use crate::encode::ObjectKind;

#[test]
fn objects_arrive_as_they_are_in_order_over_one_association() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        for (id, instance) in [(1, "1.2.1"), (2, "1.2.2")] {
            let message = pacs.store(0);
            assert_eq!(message.command.message_id, Some(id));
            assert_eq!(message.command.sop_class.as_deref(), Some(SEG));
            assert_eq!(message.command.sop_instance.as_deref(), Some(instance));
            let sent = encoded(&object(SEG, instance, 50_000), EXPLICIT);
            assert_eq!(message.data_set, sent);
        }
        pacs.release();
    }]);
    let files = Files::new();
    let objects = ["1.2.1", "1.2.2"].map(|instance| files.add(SEG, instance, 50_000));
    let results = store(&destination, &objects);
    assert!(matches!(
        results[..],
        [Ok(DimseStatus::SUCCESS), Ok(DimseStatus::SUCCESS)]
    ));
    pacs.join().unwrap();
}

#[test]
fn only_what_is_sent_is_proposed() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        let request = pacs.request();
        assert_eq!(request.called_ae_title, "PACS");
        assert_eq!(request.calling_ae_title, "HEPAR");
        let proposed: Vec<(u8, &str, Vec<&str>)> = request
            .presentation_contexts
            .iter()
            .map(|context| {
                let syntaxes = context.transfer_syntaxes.iter().map(String::as_str);
                (context.id, &context.abstract_syntax[..], syntaxes.collect())
            })
            .collect();
        assert_eq!(
            proposed,
            [
                (1, SEG, vec![EXPLICIT, IMPLICIT]),
                (3, SC, vec![EXPLICIT, IMPLICIT])
            ]
        );
    }]);
    let files = Files::new();
    let objects = [
        files.add(SEG, "1.2.1", 2),
        files.add(SC, "1.2.2", 2),
        files.add(SEG, "1.2.3", 2),
    ];
    assert!(store(&destination, &objects).iter().all(Result::is_err));
    pacs.join().unwrap();
}

#[test]
fn a_peer_that_takes_implicit_only_gets_the_same_values_in_implicit() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept(0, |_, _| Some(IMPLICIT.to_owned()));
        let message = pacs.store(0);
        let syntax = TransferSyntaxRegistry.get(IMPLICIT).unwrap();
        let received =
            InMemDicomObject::read_dataset_with_ts(&message.data_set[..], syntax).unwrap();
        let name = received.element(tags::PATIENT_NAME).unwrap();
        assert_eq!(name.to_str().unwrap(), NAME);
        let pixels = received.element(tags::PIXEL_DATA).unwrap();
        let sent = object(SEG, "1.2.1", 1000);
        let sent = sent.element(tags::PIXEL_DATA).unwrap();
        assert_eq!(pixels.to_bytes().unwrap(), sent.to_bytes().unwrap());
        pacs.release();
    }]);
    let files = Files::new();
    assert!(only(store(&destination, &[files.add(SEG, "1.2.1", 1000)])).is_ok());
    pacs.join().unwrap();
}

#[test]
fn what_is_sent_deflated_is_the_same_inflated_and_plain_where_that_is_not_taken() {
    const DEFLATED: &str = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    let takes_it: fn(Pacs) = |mut pacs| {
        pacs.accept(0, |_, syntaxes| {
            assert!(syntaxes == [DEFLATED] || syntaxes == [EXPLICIT, IMPLICIT]);
            syntaxes.first().cloned()
        });
        let message = pacs.store(0);
        assert!(message.data_set.len().is_multiple_of(2));
        let mut inflated = Vec::new();
        DeflateDecoder::new(&message.data_set[..])
            .read_to_end(&mut inflated)
            .unwrap();
        assert_eq!(inflated, encoded(&object(SEG, "1.2.1", 50_000), EXPLICIT));
        assert!(message.data_set.len() < inflated.len() / 10);
        pacs.release();
    };
    let does_not: fn(Pacs) = |mut pacs| {
        pacs.accept(0, |_, syntaxes| {
            (syntaxes[0] != DEFLATED).then(|| syntaxes[0].clone())
        });
        let sent = encoded(&object(SEG, "1.2.1", 50_000), EXPLICIT);
        assert_eq!(pacs.store(0).data_set, sent);
        pacs.release();
    };
    let (mut destination, pacs) = Pacs::start(vec![takes_it, does_not]);
    destination.deflate = true;
    let files = Files::new();
    let outgoing = files.add(SEG, "1.2.1", 50_000);
    for _ in 0..2 {
        assert!(only(store(&destination, std::slice::from_ref(&outgoing))).is_ok());
    }
    pacs.join().unwrap();
}

#[test]
fn the_peers_pdu_length_is_kept_to() {
    let script = |max_pdu: u32, longest: usize| {
        move |mut pacs: Pacs| {
            pacs.accept(max_pdu, |_, proposed| proposed.first().cloned());
            let message = pacs.store(0);
            assert_eq!(message.pdus.iter().max(), Some(&longest));
            pacs.release();
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let destination = destination(&listener.local_addr().unwrap().to_string());
    let files = Files::new();
    let outgoing = files.add(SEG, "1.2.1", 300_000);
    for (max_pdu, longest) in [
        (4096, 4096),
        (131_072, 131_072),
        (0, 131_072),
        (1 << 20, 131_072),
    ] {
        thread::scope(|scope| {
            let pacs = scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                script(max_pdu, longest)(Pacs(stream));
            });
            assert!(only(store(&destination, std::slice::from_ref(&outgoing))).is_ok());
            pacs.join().unwrap();
        });
    }
}

#[test]
fn warnings_and_duplicates_count_as_delivered_and_failures_leave_the_association_usable() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        for status in [0xB000, 0x0111, 0xB007] {
            pacs.store(status);
        }
        let refused = pacs.message();
        pacs.answer(&refused.command, 0xA700, Some("archive full"));
        pacs.store(0xC000);
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let objects: Vec<Outgoing> = (1..=6)
        .map(|i| files.add(SEG, &format!("1.2.{i}"), 100))
        .collect();
    let results = store(&destination, &objects);
    let kept: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(kept, [true, true, true, false, false, true]);
    let full = results[3].as_ref().unwrap_err();
    assert_eq!(
        full.to_string(),
        "pacs answered with status A700 (out of resources), saying \"archive full\""
    );
    assert_eq!(full.remedy(), Remedy::Wait);
    let refused = results[4].as_ref().unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Service);
    pacs.join().unwrap();
}

#[test]
fn a_class_the_peer_does_not_take_is_named_and_the_others_are_sent() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept(0, |class, proposed| {
            (class == SC).then(|| proposed[0].clone())
        });
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let objects = [files.add(SEG, "1.2.1", 2), files.add(SC, "1.2.2", 2)];
    let results = store(&destination, &objects);
    assert_eq!(
        results[0].as_ref().unwrap_err().to_string(),
        "pacs takes no Segmentation Storage: class not supported"
    );
    assert!(results[1].is_ok());
    pacs.join().unwrap();
}

#[test]
fn a_refused_context_may_come_without_a_transfer_syntax() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.request();
        // Context 1 is refused, and 3 accepted in Explicit VR Little Endian.
        let mut items = vec![0x10, 0, 0, 21];
        items.extend(uids::DICOM_APPLICATION_CONTEXT.bytes());
        items.extend([0x21, 0, 0, 4, 1, 0, 3, 0]);
        items.extend([0x21, 0, 0, 27, 3, 0, 0, 0, 0x40, 0, 0, 19]);
        items.extend(EXPLICIT.bytes());
        let mut pdu = vec![2, 0];
        pdu.extend((68 + items.len() as u32).to_be_bytes());
        pdu.extend([0, 1, 0, 0]);
        pdu.extend(b"PACS            HEPAR           ");
        pdu.extend([0; 32]);
        pdu.extend(items);
        pacs.0.write_all(&pdu).unwrap();
        pacs.store(0);
        pacs.release();
    }]);
    let files = Files::new();
    let objects = [files.add(SEG, "1.2.1", 2), files.add(SC, "1.2.2", 2)];
    let results = store(&destination, &objects);
    assert!(matches!(
        results[..],
        [Err(DeliverError::NoPresentationContext { .. }), Ok(_)]
    ));
    pacs.join().unwrap();
}

#[test]
fn a_release_collision_is_resolved_as_the_standard_says() {
    let (destination, pacs) = Pacs::start(vec![|mut pacs| {
        pacs.accept_all();
        pacs.store(0);
        assert!(matches!(pacs.pdu(), Pdu::ReleaseRQ));
        pacs.send(&Pdu::ReleaseRQ);
        assert!(matches!(pacs.pdu(), Pdu::ReleaseRP));
        pacs.send(&Pdu::ReleaseRP);
    }]);
    let files = Files::new();
    assert!(only(store(&destination, &[files.add(SEG, "1.2.1", 2)])).is_ok());
    pacs.join().unwrap();
}

#[test]
fn an_echo_says_who_answers_and_what_it_takes() {
    let answers_echo: fn(Pacs) = |mut pacs| {
        pacs.accept_all();
        let echo = pacs.message();
        assert_eq!(echo.command.sop_class.as_deref(), Some(uids::VERIFICATION));
        pacs.answer(&echo.command, 0, None);
        pacs.release();
    };
    let is_choosy: fn(Pacs) = |mut pacs| {
        pacs.accept(0, |class, proposed| match (class, &*proposed[0]) {
            (uids::COMPREHENSIVE3_DSR_STORAGE, _) => None,
            (uids::SECONDARY_CAPTURE_IMAGE_STORAGE, uids::EXPLICIT_VR_LITTLE_ENDIAN) => None,
            (_, syntax) => Some(syntax.to_owned()),
        });
        pacs.release();
    };
    let (destination, pacs) = Pacs::start(vec![answers_echo, is_choosy]);
    let classes = ObjectKind::ALL.map(ObjectKind::sop_class);
    let report = echo(&destination, &classes).unwrap();
    assert_eq!(report.implementation.as_deref(), Some("TEST_PACS"));
    let classes = report.classes.as_ref().unwrap();
    let taken: Vec<bool> = classes.iter().map(|c| c.taken.is_ok()).collect();
    assert_eq!(taken, [true, false, true]);
    let words = report.to_string();
    for said in [
        "takes Segmentation Storage in Explicit VR Little Endian or Implicit VR Little Endian",
        "takes no Comprehensive 3D SR Storage",
        "takes Secondary Capture Image Storage in Implicit VR Little Endian",
    ] {
        assert!(words.contains(said), "{words}");
    }
    pacs.join().unwrap();
}
