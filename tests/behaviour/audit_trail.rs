//! What happened to a series, and who was turned away, is in the audit trail, here and at the
//! syslog server.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::harness::{
    appliance::Hepar,
    browser::{PASSWORD, add_user},
    certificates::{Authority, Issued},
    modality::Modality,
    objects::{edit, text},
    pacs::Pacs,
    phantoms::Series,
    place::own_address,
    wait_for,
};

/// The trail's lines.
fn trail(hepar: &Hepar) -> Vec<String> {
    let directory = hepar.state_dir().join("audit");
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    let read = |path| fs::read_to_string(path).unwrap();
    let text: String = files.into_iter().map(read).collect();
    text.lines().map(str::to_owned).collect()
}

/// Event code, and type code where there is one.
fn codes(line: &str) -> (String, Option<String>) {
    let code = |element: &str| {
        let after = line.split_once(&format!("<{element} csd-code=\""))?.1;
        Some(after.split_once('"')?.0.to_owned())
    };
    (code("EventID").unwrap(), code("EventTypeCode"))
}

fn wait_for_line(hepar: &Hepar, what: &str, wanted: impl Fn(&str) -> bool) -> String {
    wait_for(what, || trail(hepar).into_iter().find(|line| wanted(line)))
}

#[test]
fn the_life_of_a_series_and_a_refusal_are_recorded_without_the_patient() {
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).accepting("CT1").start();
    let series = Series::small_abdomen(340);
    for file in &series.files {
        edit(file, |object| {
            object.put(text(tags::PATIENT_ID, VR::LO, "MRN-QUOLL"));
            object.put(text(tags::PATIENT_NAME, VR::PN, "Doe^Jane"));
        });
    }
    Modality::storescu(&[])
        .named("STRANGER")
        .send(hepar.address(), &series.files);
    Modality::storescu(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");
    hepar.terminate();

    let lines = trail(&hepar);
    let found: Vec<_> = lines.iter().map(|line| codes(line)).collect();
    let event = |code: &str, kind: Option<&str>| (code.to_owned(), kind.map(str::to_owned));
    assert_eq!(
        found,
        [
            event("110100", Some("110120")),
            event("110113", Some("110126")),
            event("110104", None),
            event("110102", None),
            event("110104", None),
            event("110100", Some("110121")),
        ]
    );
    assert!(lines[1].contains("STRANGER") && lines[1].contains("127.0.0.1"));
    let received = &lines[2];
    assert!(received.contains("UserID=\"CT1\""));
    assert!(received.contains(&format!("NumberOfInstances=\"{}\"", series.len())));
    let sent = &lines[4];
    assert!(sent.contains("UserID=\"PACS\""));
    let pseudonym = |line: &str| {
        let after = line.split_once("pseudonym-").expect("a pseudonym").1;
        after[..32].to_owned()
    };
    assert_eq!(
        pseudonym(received),
        pseudonym(sent),
        "one patient, one name"
    );
    let all = lines.concat();
    for word in ["QUOLL", "Doe", "Jane"] {
        assert!(!all.contains(word), "{word}");
    }

    hepar.start_again();
    let text = fs::read_to_string(hepar.config()).unwrap();
    hepar.terminate();
    fs::write(hepar.config(), text.replace("\"1s\"", "\"2s\"")).unwrap();
    hepar.start_again();
    wait_for_line(&hepar, "the changed configuration", |line| {
        codes(line) == event("110113", Some("110129"))
    });
    assert_eq!(
        trail(&hepar)[..lines.len()],
        lines[..],
        "nothing is rewritten"
    );
}

#[test]
fn who_looked_at_a_patient_is_recorded_once_a_login() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "viewer");
    let series = Series::small_abdomen(341);
    for file in &series.files {
        edit(file, |object| {
            object.put(text(tags::PATIENT_ID, VR::LO, "MRN-QUOLL"));
        });
    }
    Modality::storescu(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let page = format!("/series/{}", series.uid);
    let mut browser = hepar.browser();
    let looks = || -> Vec<String> {
        let lines = trail(&hepar).into_iter();
        lines.filter(|line| codes(line).0 == "110103").collect()
    };
    browser.log_in("anna", PASSWORD);
    wait_for("the result to be there", || {
        let page = browser.get(&page);
        page.body.contains("result.json").then_some(())
    });
    for picture in ["slices/1.png", "slices/2.png", "preview.png"] {
        browser.get(&format!("{page}/{picture}"));
    }
    browser.get("/");
    let look = wait_for("the look", || looks().pop());
    assert!(look.contains("UserID=\"anna\"") && look.contains("EventActionCode=\"R\""));
    let received = wait_for_line(&hepar, "the series", |line| codes(line).0 == "110104");
    let pseudonym = received.split_once("pseudonym-").expect("a pseudonym").1;
    assert!(look.contains(&pseudonym[..32]), "{look}");

    let mut again = hepar.browser();
    again.log_in("anna", PASSWORD);
    again.get(&page);
    wait_for("the look of another login", || {
        (looks().len() > 1).then_some(())
    });
    assert_eq!(looks().len(), 2, "{:#?}", looks());
}

/// A syslog server that keeps what it is sent (RFC 5425).
fn syslog_server(address: SocketAddr, own: &Issued) -> Arc<Mutex<Vec<String>>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_file(&own.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&own.key).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind(address).unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let messages = Arc::clone(&kept);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, socket.unwrap()));
            loop {
                let mut length = Vec::new();
                match reader.read_until(b' ', &mut length) {
                    Ok(read) if read > 0 => {}
                    _ => break,
                }
                let length = String::from_utf8(length).unwrap();
                let mut message = vec![0; length.trim_end().parse().unwrap()];
                if reader.read_exact(&mut message).is_err() {
                    break;
                }
                let message = String::from_utf8(message).unwrap();
                messages.lock().unwrap().push(message);
            }
        }
    });
    kept
}

#[test]
fn what_was_recorded_while_the_syslog_server_was_away_reaches_it_later() {
    let hospital = Authority::new();
    let server = own_address();
    let settings = format!(
        "[audit]\nsyslog = \"{server}\"\ntls = {{ ca = \"{}\", name = \"localhost\" }}\n",
        hospital.file().display()
    );
    let mut hepar = Hepar::setup().with(&settings).start();
    wait_for("a notice that the server is away", || {
        let status = hepar.status();
        let notices = status["notices"].to_string();
        notices.contains("does not reach").then_some(())
    });
    hepar.terminate();
    let before = trail(&hepar);
    assert!(before.len() >= 2, "start and stop are in the files");

    let kept = syslog_server(server, &hospital.issue("syslog"));
    hepar.start_again();
    wait_for("the records of before", || {
        (kept.lock().unwrap().len() > before.len()).then_some(())
    });
    let sent = kept.lock().unwrap().clone();
    assert_eq!(
        sent[..before.len()],
        before[..],
        "in order, as they are in the files"
    );

    hepar.terminate();
    hepar.start_again();
    let all = trail(&hepar);
    wait_for("what came since", || {
        let kept = kept.lock().unwrap();
        all.iter().all(|line| kept.contains(line)).then_some(())
    });
}
