//! What comes in at an encrypted door, and at the wrong one.

use super::*;
use crate::tls::{
    ClientCertificates, server_config,
    testing::{Authority, Life},
};

fn encrypted(patience: Duration) -> (Server, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let identity = Authority::new("authority")
        .issue(home.path(), "hepar", Life::Valid)
        .identity();
    let tls = server_config(&identity, None, ClientCertificates::Off).unwrap();
    let policy = Policy {
        request_timeout: patience,
        ..policy()
    };
    (Server::with_doors(policy, Some(tls)), home)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// What the peer hears until the connection ends.
fn heard(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn problem(server: &mut Server) -> Problem {
    match server.event() {
        Event::Unheard { problem, .. } => problem,
        other => panic!("nothing should have been heard, not {other:?}"),
    }
}

/// The start of a ClientHello that offers TLS of version 3.`minor` at most and one suite of that
/// time (RFC 5246 §7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2F, 1, 0]);
    let mut bytes = vec![
        22,
        3,
        1,
        0,
        hello.len() as u8 + 4,
        1,
        0,
        0,
        hello.len() as u8,
    ];
    bytes.extend(hello);
    bytes
}

#[test]
fn plain_dicom_at_the_encrypted_door_is_told_apart_and_never_answered_in_plain() {
    let (mut server, _home) = encrypted(SOON);
    let mut peer = Peer(connect(server.tls_address));
    peer.associate("CT1", "HEPAR", &[CT], 0);
    assert!(heard(peer.0).is_empty());
    assert_eq!(problem(&mut server), Problem::NotTls);
}

#[test]
fn tls_at_the_plain_door_is_told_apart() {
    let (mut server, _home) = encrypted(SOON);
    let mut peer = connect(server.address);
    peer.write_all(&client_hello(3)).unwrap();
    assert_eq!(problem(&mut server), Problem::OnlyTls);
    heard(peer);
}

#[test]
fn versions_before_1_2_are_refused_with_an_alert() {
    let (mut server, _home) = encrypted(SOON);
    for minor in [0, 1, 2] {
        let mut peer = connect(server.tls_address);
        peer.write_all(&client_hello(minor)).unwrap();
        let answer = heard(peer);
        // A fatal alert: protocol_version or handshake_failure (RFC 8446 §6).
        let [21, 3, _, 0, 2, 2, 40 | 70] = answer[..] else {
            panic!("an alert was due, not {answer:?}");
        };
        let found = problem(&mut server);
        assert_eq!(found, Problem::OldTls, "3.{minor}");
    }
}

#[test]
fn a_stalled_handshake_is_cut_and_holds_up_nobody() {
    let (mut server, _home) = encrypted(Duration::from_secs(2));
    let stalled: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut peer = connect(server.tls_address);
            peer.write_all(&client_hello(3)[..5]).unwrap();
            peer
        })
        .collect();
    let client = server.client("CT1", &[uids::VERIFICATION]).unwrap();
    client.release().unwrap();
    assert_eq!(server.ended(), Ended::Released);
    for peer in stalled {
        heard(peer);
        assert_eq!(problem(&mut server), Problem::TimedOut);
    }
}

#[test]
fn a_port_that_is_only_probed_is_no_problem() {
    let (mut server, _home) = encrypted(SOON);
    drop(connect(server.tls_address));
    let client = server.client("CT1", &[uids::VERIFICATION]).unwrap();
    client.release().unwrap();
    assert_eq!(server.ended(), Ended::Released);
}
