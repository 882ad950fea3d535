use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
};

use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use super::{
    ClientCertificates, Fingerprint, Identity, PeerRule, Problem, TlsError, Validity, authorities,
    client_config, self_signed, server_config, server_name,
    testing::{Authority, Life},
};
use crate::secrets;

/// Connects over a real socket and exchanges a word; what each side has to say.
fn meet(
    server: &Arc<ServerConfig>,
    rule: PeerRule,
    identity: Option<&Identity>,
) -> (Result<(), Problem>, Result<(), Problem>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(server);
    let accepting = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(server).unwrap();
        exchange(&mut StreamOwned::new(connection, socket))
    });
    let config = client_config(rule, identity).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    let connection = ClientConnection::new(config, server_name("127.0.0.1").unwrap()).unwrap();
    let client = exchange(&mut StreamOwned::new(connection, socket));
    (accepting.join().unwrap(), client)
}

fn exchange(stream: &mut (impl Read + Write)) -> Result<(), Problem> {
    let mut talk = || -> io::Result<()> {
        stream.write_all(b"hello")?;
        stream.flush()?;
        let mut word = [0; 5];
        stream.read_exact(&mut word)
    };
    talk().map_err(|err| Problem::in_handshake(&err))
}

fn trusting(directory: &Path, authority: &Authority) -> PeerRule {
    PeerRule {
        authorities: Some(authorities(&authority.file(directory, "ca.crt")).unwrap()),
        pin: None,
    }
}

#[test]
fn a_peer_is_believed_for_its_authority_its_pin_or_both_and_for_nothing_less() {
    let home = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let pacs = ours.issue(home.path(), "pacs", Life::Valid).identity();
    let server = server_config(&pacs, None, ClientCertificates::Off).unwrap();
    let pin = |fingerprint| PeerRule {
        authorities: None,
        pin: Some(fingerprint),
    };
    let own = pacs.certificate().fingerprint;
    let wrong = Fingerprint::of(b"another certificate");

    assert_eq!(meet(&server, trusting(home.path(), &ours), None).1, Ok(()));
    assert_eq!(meet(&server, pin(own), None).1, Ok(()));
    assert_eq!(
        meet(&server, trusting(home.path(), &other), None).1,
        Err(Problem::UnknownAuthority)
    );
    let differs = meet(&server, pin(wrong), None).1.unwrap_err();
    let Problem::PinDiffers(words) = differs else {
        panic!("{differs}");
    };
    assert!(words.contains(&own.to_string()) && words.contains(&wrong.to_string()));
    let both = PeerRule {
        pin: Some(wrong),
        ..trusting(home.path(), &ours)
    };
    assert!(matches!(
        meet(&server, both, None).1,
        Err(Problem::PinDiffers(_))
    ));
    assert!(client_config(PeerRule::default(), None).is_err());
}

#[test]
fn an_expired_certificate_is_refused_whatever_vouches_for_it() {
    let home = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let pacs = ours.issue(home.path(), "pacs", Life::Expired).identity();
    let server = server_config(&pacs, None, ClientCertificates::Off).unwrap();
    let pinned = PeerRule {
        authorities: None,
        pin: Some(pacs.certificate().fingerprint),
    };
    for rule in [trusting(home.path(), &ours), pinned] {
        let (server_side, client_side) = meet(&server, rule, None);
        assert_eq!(client_side, Err(Problem::Expired));
        assert_eq!(server_side, Err(Problem::DistrustsUs("it expired")));
    }
}

#[test]
fn client_certificates_are_off_optional_or_required() {
    use ClientCertificates::{Off, Optional, Required};
    let home = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let box_ = ours.issue(home.path(), "hepar", Life::Valid).identity();
    let good = ours.issue(home.path(), "ct1", Life::Valid).identity();
    let late = ours.issue(home.path(), "ct2", Life::Expired).identity();
    let strange = other.issue(home.path(), "ct3", Life::Valid).identity();
    let roots = || Some(authorities(&ours.file(home.path(), "ca.crt")).unwrap());
    let try_as = |clients, identity| {
        let server = server_config(&box_, roots(), clients).unwrap();
        meet(&server, trusting(home.path(), &ours), identity)
    };
    let unsaid = (Ok(()), Ok(()));
    assert_eq!(try_as(Off, None), unsaid);
    assert_eq!(try_as(Optional, None), unsaid);
    assert_eq!(try_as(Optional, Some(&good)), unsaid);
    assert_eq!(try_as(Required, Some(&good)), unsaid);
    assert_eq!(
        try_as(Required, None),
        (
            Err(Problem::NoCertificate),
            Err(Problem::WantsOurCertificate)
        )
    );
    for clients in [Optional, Required] {
        assert_eq!(try_as(clients, Some(&late)).0, Err(Problem::Expired));
        assert_eq!(
            try_as(clients, Some(&strange)).0,
            Err(Problem::UnknownAuthority)
        );
    }
    assert!(server_config(&box_, None, Required).is_err());
}

#[test]
fn a_key_must_belong_to_its_certificate_and_is_never_shown() {
    let home = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let one = ours.issue(home.path(), "one", Life::Valid);
    let two = ours.issue(home.path(), "two", Life::Valid);
    let mixed = Identity::load(&one.certificate, &two.key.as_path().into());
    assert!(matches!(mixed, Err(TlsError::KeyMismatch { .. })));
    let swapped = Identity::load(&one.key, &one.certificate.as_path().into());
    assert!(matches!(swapped, Err(TlsError::NoCertificate { .. })));
    let pem = std::fs::read_to_string(&one.key).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!format!("{:?}", one.identity()).contains(secret));
}

#[test]
fn what_we_sign_ourselves_can_be_served_and_pinned() {
    let home = tempfile::tempdir().unwrap();
    let names = ["box.example".to_owned(), "127.0.0.1".to_owned()];
    let made = self_signed(&names, Timestamp::now()).unwrap();
    let (certificate, key) = (home.path().join("crt"), home.path().join("key"));
    std::fs::write(&certificate, made.certificate).unwrap();
    secrets::create(&key, made.key.as_bytes()).unwrap();
    let identity = Identity::load(&certificate, &key.as_path().into()).unwrap();
    assert_eq!(identity.certificate().name(), "box.example");
    assert!(identity.certificate().is_named("127.0.0.1"));
    let server = server_config(&identity, None, ClientCertificates::Off).unwrap();
    let pinned = PeerRule {
        authorities: None,
        pin: Some(identity.certificate().fingerprint),
    };
    assert_eq!(meet(&server, pinned, None), (Ok(()), Ok(())));
    let known = PeerRule {
        authorities: Some(authorities(&certificate).unwrap()),
        pin: None,
    };
    assert_eq!(meet(&server, known, None), (Ok(()), Ok(())));
}

#[test]
fn expiry_is_warned_of_thirty_days_ahead() {
    let home = tempfile::tempdir().unwrap();
    let names = ["box".to_owned()];
    let made = self_signed(&names, Timestamp::now()).unwrap();
    let (certificate, key) = (home.path().join("crt"), home.path().join("key"));
    std::fs::write(&certificate, made.certificate).unwrap();
    secrets::create(&key, made.key.as_bytes()).unwrap();
    let identity = Identity::load(&certificate, &key.as_path().into()).unwrap();
    let warning = |hours_before: i64| {
        let now = identity.expires() - SignedDuration::from_hours(hours_before);
        Validity::at(now, identity.certificate().starts, identity.expires())
    };
    assert_eq!(warning(31 * 24), None);
    assert_eq!(warning(29 * 24 + 1), Some(Validity::Ending { days: 29 }));
    assert_eq!(warning(-1), Some(Validity::Over));
    assert_eq!(warning(3 * 365 * 24), Some(Validity::ToCome));
}

#[test]
fn fingerprints_are_read_as_people_write_them() {
    let fingerprint = Fingerprint::of(b"certificate");
    let text = fingerprint.to_string();
    let plain = text.replace(':', "").to_lowercase();
    for written in [text.clone(), plain.clone(), format!("SHA256:{text}")] {
        assert_eq!(written.parse(), Ok(fingerprint), "{written}");
    }
    for wrong in [
        "",
        "AB",
        "sha256:",
        &plain[1..],
        &format!("{plain}00"),
        &"g".repeat(64),
        "ä",
    ] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}
