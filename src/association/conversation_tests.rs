use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    association::dimse::{echo_request, store_request},
    dicom::sop_class,
};

const CT: &str = uids::CT_IMAGE_STORAGE;

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

/// Context 1 is Verification, 3 CT in Explicit VR Little Endian, 5 a private class.
fn conversation() -> Conversation {
    limited(1 << 20, &Budget::new(1 << 20))
}

fn limited(max_data_set: u64, budget: &Arc<Budget>) -> Conversation {
    let contexts = [(1, uids::VERIFICATION), (3, CT), (5, "1.2.3")]
        .map(|(id, class)| {
            let abstract_syntax = uid(class);
            let context = Context {
                role: sop_class::role(&abstract_syntax),
                abstract_syntax,
                transfer_syntax: uid(uids::EXPLICIT_VR_LITTLE_ENDIAN),
            };
            (id, context)
        })
        .into();
    Conversation::new(contexts, max_data_set, budget)
}

fn fragment(context: u8, part: Part, last: bool, bytes: &[u8]) -> Fragment {
    Fragment {
        context,
        part,
        last,
        bytes: Bytes::copy_from_slice(bytes),
    }
}

fn command(context: u8, bytes: &[u8]) -> Fragment {
    fragment(context, Part::Command, true, bytes)
}

fn data(context: u8, last: bool, bytes: &[u8]) -> Fragment {
    fragment(context, Part::DataSet, last, bytes)
}

fn store(message_id: u16, class: &str, instance: &str) -> Vec<u8> {
    store_request(message_id, &uid(class), &uid(instance))
}

/// A command with fields that the builders do not make.
fn raw(elements: &[(u16, &[u8])]) -> Vec<u8> {
    elements
        .iter()
        .flat_map(|(element, value)| {
            let mut bytes = vec![0, 0];
            bytes.extend(element.to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend(*value);
            bytes
        })
        .collect()
}

fn all(conversation: &mut Conversation, fragments: Vec<Fragment>) -> Vec<Turn> {
    fragments
        .into_iter()
        .filter_map(|fragment| conversation.fragment(fragment).unwrap())
        .collect()
}

/// The only turn, which must be a reply: command as parsed.
fn reply(fragments: Vec<Fragment>) -> Command {
    let mut conversation = conversation();
    let context = fragments[0].context;
    match &all(&mut conversation, fragments)[..] {
        [Turn::Reply(reply)] => {
            assert!(!conversation.is_in_message());
            assert_eq!(reply.context, context);
            Command::parse(&reply.command).unwrap()
        }
        turns => panic!("one reply was due, not {turns:?}"),
    }
}

fn status(fragments: Vec<Fragment>) -> u16 {
    reply(fragments).status.unwrap().0
}

fn violation(fragments: Vec<Fragment>) -> Violation {
    let mut conversation = conversation();
    fragments
        .into_iter()
        .find_map(|fragment| conversation.fragment(fragment).err())
        .expect("a violation")
}

#[test]
fn an_echo_is_answered_with_its_own_message_id_and_class() {
    let answer = reply(vec![command(1, &echo_request(0x1234))]);
    assert_eq!(answer.field, 0x8030);
    assert_eq!(answer.responded_to, Some(0x1234));
    assert_eq!(answer.sop_class.as_deref(), Some(uids::VERIFICATION));
    assert_eq!(answer.status, Some(DimseStatus::SUCCESS));
    assert_eq!(
        status(vec![command(3, &echo_request(1))]),
        0,
        "on any context"
    );
}

#[test]
fn a_store_is_handed_over_as_received_and_success_is_not_said_yet() {
    let mut conversation = conversation();
    let parts = [vec![1; 3000], vec![2; 10], vec![3; 5000]];
    let mut fragments = vec![command(3, &store(7, CT, "1.2.4"))];
    fragments.extend(parts.iter().map(|part| data(3, false, part)));
    fragments.push(data(3, true, &[]));
    let turns = all(&mut conversation, fragments);
    let [Turn::Store(stored)] = &turns[..] else {
        panic!("{turns:?}")
    };
    assert_eq!(stored.incoming.sop_instance, uid("1.2.4"));
    assert_eq!(stored.incoming.data_set.concat(), parts.concat());
    assert_eq!(stored.contradiction, None);
}

#[test]
fn a_data_set_that_is_another_instance_is_seen() {
    let mut conversation = conversation();
    let mut bytes = vec![8, 0, 0x18, 0, b'U', b'I', 6, 0];
    bytes.extend(b"1.2.5\0");
    let turns = all(
        &mut conversation,
        vec![command(3, &store(7, CT, "1.2.4")), data(3, true, &bytes)],
    );
    assert!(matches!(&turns[..], [Turn::Store(s)] if s.contradiction.is_some()));
}

#[test]
fn a_store_that_cannot_be_is_read_to_its_end_and_refused_with_the_right_status() {
    let refused = |context, request: &[u8]| {
        status(vec![
            command(context, request),
            data(context, false, &[1; 9]),
            data(context, true, &[1; 9]),
        ])
    };
    // On the Verification context, and with a class that is not the context's.
    assert_eq!(refused(1, &store(1, CT, "1.2.4")), 0x0122);
    assert_eq!(refused(3, &store(1, "1.2.3", "1.2.4")), 0x0122);
    for bad in [&b"../etc/x"[..], b"1..2\0\0", b""] {
        let request = raw(&[
            (0x0002, CT.as_bytes()),
            (0x0100, &[1, 0]),
            (0x0110, &[1, 0]),
            (0x0800, &[0, 0]),
            (0x1000, bad),
        ]);
        assert_eq!(refused(3, &request), 0x0117, "{bad:?}");
    }
}

#[test]
fn a_store_without_data_set_or_with_an_empty_one_is_not_understood() {
    let request = raw(&[
        (0x0002, CT.as_bytes()),
        (0x0100, &[1, 0]),
        (0x0110, &[1, 0]),
        (0x0800, &[1, 1]),
        (0x1000, b"1.2.4\0"),
    ]);
    assert_eq!(status(vec![command(3, &request)]), 0xC000);
    let empty = vec![command(3, &store(1, CT, "1.2.4")), data(3, true, &[])];
    assert_eq!(status(empty), 0xC000);
}

#[test]
fn a_data_set_beyond_the_limit_is_out_of_resources_and_the_next_one_is_fine() {
    let budget = Budget::new(1 << 20);
    let mut conversation = limited(100, &budget);
    let large = || {
        vec![
            command(3, &store(1, CT, "1.2.4")),
            data(3, false, &[0; 99]),
            data(3, false, &[0; 2]),
            data(3, true, &[0; 99]),
        ]
    };
    let turns = all(&mut conversation, large());
    assert!(matches!(&turns[..], [Turn::Reply(r)] if r.status.0 == 0xA700));
    let turns = all(
        &mut conversation,
        vec![command(3, &store(2, CT, "1.2.4")), data(3, true, &[0; 100])],
    );
    assert!(matches!(&turns[..], [Turn::Store(_)]));
}

#[test]
fn without_memory_left_a_huge_data_set_is_out_of_resources_and_a_slice_is_fine() {
    let budget = Budget::new(0);
    let mut conversation = limited(u64::MAX, &budget);
    let send = |conversation: &mut Conversation, megabytes: usize| {
        let mut fragments = vec![command(3, &store(1, CT, "1.2.4"))];
        fragments.extend((0..megabytes).map(|_| data(3, false, &vec![0; 1 << 20])));
        fragments.push(data(3, true, &[]));
        all(conversation, fragments)
    };
    let turns = send(&mut conversation, 5);
    assert!(matches!(&turns[..], [Turn::Reply(r)] if r.status.0 == 0xA700));
    assert!(matches!(&send(&mut conversation, 3)[..], [Turn::Store(_)]));
}

#[test]
fn other_services_are_named_unsupported_and_unknown_operations_unrecognised() {
    let request = |operation: [u8; 2], class: &str| {
        raw(&[
            (0x0003, class.as_bytes()),
            (0x0100, &operation),
            (0x0110, &[9, 0]),
            (0x0800, &[1, 1]),
        ])
    };
    // N-ACTION of Storage Commitment, on a context that is not its own.
    let n_action = reply(vec![command(
        3,
        &request([0x30, 0x01], "1.2.840.10008.1.20.1"),
    )]);
    assert_eq!(n_action.status, Some(DimseStatus(0x0122)));
    assert_eq!((n_action.field, n_action.responded_to), (0x8130, Some(9)));
    assert_eq!(n_action.sop_class.as_deref(), Some("1.2.840.10008.1.20.1"));
    // C-FIND of the context's own class, and a command nobody defined.
    assert_eq!(status(vec![command(3, &request([0x20, 0x00], CT))]), 0x0211);
    assert_eq!(status(vec![command(3, &request([0x77, 0x07], CT))]), 0x0211);
}

#[test]
fn responses_and_cancellations_get_no_answer() {
    let mut conversation = conversation();
    for operation in [[0x01, 0x80], [0xFF, 0x0F]] {
        let bytes = raw(&[(0x0100, &operation), (0x0120, &[9, 0]), (0x0800, &[1, 1])]);
        assert!(all(&mut conversation, vec![command(3, &bytes)]).is_empty());
        assert!(!conversation.is_in_message());
    }
}

#[test]
fn what_cannot_be_answered_ends_the_association() {
    use Violation::*;
    assert!(matches!(
        violation(vec![command(9, &echo_request(1))]),
        UnknownContext(9)
    ));
    assert!(matches!(
        violation(vec![data(3, true, &[])]),
        DataSetWithoutCommand
    ));
    let begun = || command(3, &store(1, CT, "1.2.4"));
    assert!(matches!(
        violation(vec![begun(), command(3, &echo_request(2))]),
        CommandInsideDataSet
    ));
    assert!(matches!(
        violation(vec![begun(), data(5, true, &[1])]),
        MixedContexts { open: 3, got: 5 }
    ));
    assert!(matches!(
        violation(vec![fragment(
            3,
            Part::Command,
            false,
            &[0; MAX_COMMAND + 1]
        )]),
        CommandTooLong
    ));
    assert!(matches!(violation(vec![command(3, &[1; 20])]), Command(_)));
    let nameless = raw(&[(0x0100, &[1, 0]), (0x0800, &[1, 1])]);
    assert!(matches!(
        violation(vec![command(3, &nameless)]),
        NoMessageId
    ));
}

/// Cuts `bytes` at `cuts`; the last piece is marked, or an empty one after it.
fn cut(context: u8, part: Part, bytes: &[u8], cuts: &[usize], empty_last: bool) -> Vec<Fragment> {
    let mut rest = bytes;
    let mut fragments = Vec::new();
    for cut in cuts {
        let (piece, tail) = rest.split_at(cut % (rest.len() + 1));
        fragments.push(fragment(context, part, false, piece));
        rest = tail;
    }
    fragments.push(fragment(context, part, !empty_last, rest));
    if empty_last {
        fragments.push(fragment(context, part, true, &[]));
    }
    fragments
}

#[derive(Clone, Debug)]
enum Sent {
    Echo,
    Store(Vec<u8>),
    Unknown(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..9000);
    prop_oneof![
        Just(Sent::Echo),
        bytes().prop_map(Sent::Store),
        bytes().prop_map(Sent::Unknown),
    ]
}

proptest! {
    #[test]
    fn every_request_gets_exactly_one_response_however_it_is_cut(
        messages in prop::collection::vec(
            (sent(), prop::collection::vec(0usize..5000, 0..4), any::<bool>()),
            1..8,
        ),
    ) {
        let mut conversation = conversation();
        for (id, (message, cuts, empty_last)) in (100u16..).zip(messages) {
            let (request, data_set) = match &message {
                Sent::Echo => (echo_request(id), None),
                Sent::Store(bytes) => (store(id, CT, "1.2.4"), Some(bytes)),
                Sent::Unknown(bytes) => {
                    let id = id.to_le_bytes();
                    (raw(&[(0x0100, &[0x66, 0]), (0x0110, &id), (0x0800, &[1, 0])]), Some(bytes))
                }
            };
            let mut fragments = cut(3, Part::Command, &request, &cuts, empty_last);
            if let Some(bytes) = data_set {
                fragments.extend(cut(3, Part::DataSet, bytes, &cuts, empty_last));
            }
            let mut turns = all(&mut conversation, fragments);
            prop_assert_eq!(turns.len(), 1);
            prop_assert!(!conversation.is_in_message());
            let reply = match (turns.remove(0), data_set) {
                (Turn::Reply(reply), _) => reply,
                (Turn::Store(stored), Some(bytes)) => {
                    prop_assert_eq!(&stored.incoming.data_set.concat(), bytes);
                    stored.ticket.answer(StoreStatus::PROCESSING_FAILURE, None)
                }
                (turn, _) => panic!("nothing was sent for {turn:?}"),
            };
            prop_assert_eq!(Command::parse(&reply.command).unwrap().responded_to, Some(id));
        }
    }
}
