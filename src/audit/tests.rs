//! Every event as a message, read back with the schema's eyes (PS3.15 A.5.1).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use quick_xml::{Reader, events::Event as Xml};

use super::{Actor, Event, Handled, Log, Peer, Settings, Transfer};
use crate::dicom::Uid;

/// An element: name, attributes, children.
#[derive(Clone, Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Self>,
    text: String,
}

impl Element {
    fn parse(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Xml::Start(start) => open.push(Self::of(&start)),
                Xml::Empty(empty) => open.last_mut().unwrap().children.push(Self::of(&empty)),
                Xml::Text(text) => {
                    let text = text.to_string();
                    open.last_mut().unwrap().text.push_str(&text);
                }
                Xml::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
                Xml::Eof => return open.pop().unwrap().children.remove(0),
                _ => {}
            }
        }
    }

    fn of(start: &quick_xml::events::BytesStart<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            (
                text(attribute.key.as_ref().as_ref()),
                attribute.value.to_string(),
            )
        });
        Self {
            name: text(start.name().as_ref().as_ref()),
            attributes: attributes.collect(),
            ..Self::default()
        }
    }

    fn all(&self, name: &str) -> Vec<&Self> {
        self.children
            .iter()
            .filter(|child| child.name == name)
            .collect()
    }

    fn one(&self, name: &str) -> &Self {
        let found = self.all(name);
        assert_eq!(found.len(), 1, "{name} in {self:#?}");
        found[0]
    }

    fn coded(&self, name: &str) -> (&str, &str) {
        let value = self.one(name);
        assert!(!value.attributes["originalText"].is_empty());
        (
            &value.attributes["csd-code"],
            &value.attributes["codeSystemName"],
        )
    }

    /// Elements and attributes that the schema demands of every message, and its order of elements.
    fn check(&self) {
        assert_eq!(self.name, "AuditMessage");
        let order: Vec<&str> = self.children.iter().map(|child| &*child.name).collect();
        let mut sorted = order.clone();
        sorted.sort_by_key(|name| {
            let schema = [
                "EventIdentification",
                "ActiveParticipant",
                "AuditSourceIdentification",
                "ParticipantObjectIdentification",
            ];
            schema.iter().position(|known| known == name).unwrap()
        });
        assert_eq!(order, sorted);
        let event = self.one("EventIdentification");
        assert_eq!(event.coded("EventID").1, "DCM");
        assert!("CRUDE".contains(&event.attributes["EventActionCode"]));
        let at = &event.attributes["EventDateTime"];
        assert!(
            at.parse::<jiff::Timestamp>().is_ok() && at.ends_with('Z'),
            "{at}"
        );
        assert!(["0", "4", "8", "12"].contains(&&*event.attributes["EventOutcomeIndicator"]));
        let participants = self.all("ActiveParticipant");
        assert!(!participants.is_empty());
        for participant in participants {
            assert!(!participant.attributes["UserID"].is_empty());
            assert!(["true", "false"].contains(&&*participant.attributes["UserIsRequestor"]));
            let point = participant.attributes.contains_key("NetworkAccessPointID");
            assert_eq!(
                point,
                participant
                    .attributes
                    .contains_key("NetworkAccessPointTypeCode")
            );
        }
        let source = self.one("AuditSourceIdentification");
        assert_eq!(source.attributes["AuditSourceID"], "CT-3 edge box");
        for object in self.all("ParticipantObjectIdentification") {
            assert!(!object.attributes["ParticipantObjectID"].is_empty());
            object.coded("ParticipantObjectIDTypeCode");
            object.one("ParticipantObjectName");
        }
    }
}

fn transfer(file: PathBuf) -> Transfer {
    let uid = |text| Uid::parse(text).unwrap();
    Transfer {
        peer: Peer {
            ae_title: Some("CT1".to_owned()),
            host: "10.0.0.5".to_owned(),
        },
        study: uid("1.2.3"),
        series: uid("1.2.3.4"),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        instances: 60,
        file,
    }
}

fn actor() -> Actor {
    Actor {
        user: Some("smith".to_owned()),
        from: Some([10, 0, 0, 7].into()),
    }
}

/// A trail in the directory `audit` of `home`, of which nothing goes to a syslog server.
pub(crate) fn trail_in(home: &Path) -> Log {
    let settings = Settings {
        directory: home.join("audit"),
        name: "box".to_owned(),
        ae_title: "HEPAR".to_owned(),
        patient_ids: false,
        keep_files: 2,
    };
    Log::start(&settings, None).unwrap().0
}

/// What the trail holds of these events, start and stop left out.
fn trail_of(events: Vec<Event>) -> Vec<(String, Element)> {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings {
        directory: home.path().join("audit"),
        name: "CT-3 edge box".to_owned(),
        ae_title: "HEPAR".to_owned(),
        patient_ids: false,
        keep_files: 4,
    };
    let (log, recorder) = Log::start(&settings, None).unwrap();
    for event in events {
        log.record(event);
    }
    recorder.finish();
    let text = fs::read_to_string(settings.directory.join("audit-00000001.log")).unwrap();
    let mut lines: Vec<_> = text
        .lines()
        .map(|line| {
            let (header, xml) = line.split_once('\u{FEFF}').unwrap();
            let message = Element::parse(xml);
            message.check();
            (header.to_owned(), message)
        })
        .collect();
    let ends = |(_, message): &(String, Element)| {
        let event = message.one("EventIdentification");
        (
            event.coded("EventID").0.to_owned(),
            event.coded("EventTypeCode").0.to_owned(),
        )
    };
    assert_eq!(
        ends(&lines.remove(0)),
        ("110100".to_owned(), "110120".to_owned())
    );
    assert_eq!(
        ends(&lines.pop().unwrap()),
        ("110100".to_owned(), "110121".to_owned())
    );
    lines
}

/// An event, and the event code, type code, action, outcome and numbers that its message must have.
type Case = (
    Event,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
    Numbers,
);

/// Participants, studies and patients; one of the participants is always the requestor.
type Numbers = [usize; 3];

const OF_A_PATIENT: Numbers = [2, 1, 1];
/// The person, the process, and what it is exported to (A.5.3.4).
const OF_AN_EXPORT: Numbers = [3, 1, 1];
const OF_NO_PATIENT: Numbers = [2, 0, 0];

fn transfers() -> Vec<Case> {
    let file = || transfer(PathBuf::from("/nowhere"));
    let failed = Event::NotSent(file(), "refused".to_owned());
    let case = |event, id, action, outcome| (event, id, None, action, outcome, OF_A_PATIENT);
    vec![
        case(Event::Received(file()), "110104", "C", "0"),
        case(Event::Sending(file()), "110102", "E", "0"),
        case(Event::Sent(file()), "110104", "C", "0"),
        case(failed, "110104", "C", "4"),
    ]
}

fn handled(file: PathBuf) -> Handled {
    Handled {
        by: actor(),
        study: Uid::parse("1.2.3").unwrap(),
        series: Uid::parse("1.2.3.4").unwrap(),
        file,
    }
}

fn handlings() -> Vec<Case> {
    let what = || handled(PathBuf::from("/nowhere"));
    let case = |event, id, action, numbers| (event, id, None, action, "0", numbers);
    vec![
        case(Event::SentAgain(what()), "110103", "U", OF_A_PATIENT),
        case(Event::SegmentedAgain(what()), "110103", "U", OF_A_PATIENT),
        case(Event::Looked(what()), "110103", "R", OF_A_PATIENT),
        case(Event::Downloaded(what()), "110106", "R", OF_AN_EXPORT),
    ]
}

fn people() -> Vec<Case> {
    let (login, logout) = (Some("110122"), Some("110123"));
    let case = |event, kind, outcome| (event, "110114", kind, "E", outcome, OF_NO_PATIENT);
    vec![
        case(Event::Login(actor()), login, "0"),
        case(Event::LoginFailed(actor()), login, "4"),
        case(Event::LockedOut(actor()), login, "8"),
        case(Event::Logout(actor()), logout, "0"),
    ]
}

fn alerts() -> Vec<Case> {
    let what = || "users".to_owned();
    let refused = Event::Refused {
        peer: Peer {
            ae_title: Some("EVIL\" <&>".to_owned()),
            host: "10.9.9.9".to_owned(),
        },
        reason: "unknown\ncaller".to_owned(),
    };
    let forbidden = Event::Forbidden {
        by: actor(),
        what: what(),
    };
    let changed = Event::ConfigurationChanged {
        by: actor(),
        what: what(),
    };
    let unwritten = Event::NotRecorded { events: 3 };
    let case = |event, kind, outcome| (event, "110113", Some(kind), "E", outcome, OF_NO_PATIENT);
    vec![
        case(refused, "110126", "4"),
        case(forbidden, "110132", "4"),
        case(changed, "110129", "0"),
        case(unwritten, "110133", "4"),
    ]
}

/// Participants, studies and patients.
fn numbers(message: &Element) -> Numbers {
    let objects = message.all("ParticipantObjectIdentification");
    let of_kind = |code: &str| {
        let kinds = objects
            .iter()
            .map(|object| object.coded("ParticipantObjectIDTypeCode").0);
        kinds.filter(|kind| *kind == code).count()
    };
    [
        message.all("ActiveParticipant").len(),
        of_kind("110180"),
        of_kind("2"),
    ]
}

#[test]
fn every_event_is_a_valid_message_with_its_code() {
    let cases = [transfers(), handlings(), people(), alerts()].concat();
    let lines = trail_of(cases.iter().map(|case| case.0.clone()).collect());
    assert_eq!(lines.len(), cases.len());
    for ((header, message), case) in lines.iter().zip(&cases) {
        let (event, id, kind, action, outcome, expected) = case;
        let found = message.one("EventIdentification");
        assert_eq!(found.coded("EventID").0, *id, "{event:?}");
        let found_kind = found.all("EventTypeCode");
        let found_kind = found_kind.first().map(|t| &*t.attributes["csd-code"]);
        assert_eq!(found_kind, *kind, "{event:?}");
        assert_eq!(found.attributes["EventActionCode"], *action, "{event:?}");
        let found_outcome = &found.attributes["EventOutcomeIndicator"];
        assert_eq!(found_outcome, *outcome, "{event:?}");
        assert_eq!(numbers(message), *expected, "{event:?}");
        let participants = message.all("ActiveParticipant").into_iter();
        let requestors = participants.filter(|p| p.attributes["UserIsRequestor"] == "true");
        assert_eq!(requestors.count(), 1, "{event:?}");
        // RFC 5424: priority and version, time, host, program, process, kind, no structured data.
        let fields: Vec<&str> = header.trim_end().split(' ').collect();
        assert_eq!(fields.len(), 7, "{header}");
        let priority = if *outcome == "0" { "<85>1" } else { "<84>1" };
        assert_eq!((fields[0], fields[3]), (priority, "hepar"));
        assert_eq!((fields[5], fields[6]), ("DICOM+RFC3881", "-"));
    }
}

#[test]
fn a_transfer_names_both_sides_the_study_and_a_pseudonym() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("slice.dcm");
    let patient = file_of_patient("DOE-4711");
    fs::write(&file, patient).unwrap();
    let lines = trail_of(vec![Event::Received(transfer(file))]);
    let (_, message) = &lines[0];
    assert!(!format!("{message:?}").contains("DOE-4711"));
    let roles: Vec<_> = message
        .all("ActiveParticipant")
        .iter()
        .map(|p| {
            (
                p.coded("RoleIDCode").0.to_owned(),
                p.attributes["UserIsRequestor"].clone(),
            )
        })
        .collect();
    let role = |code: &str, requestor: &str| (code.to_owned(), requestor.to_owned());
    assert_eq!(roles, [role("110153", "true"), role("110152", "false")]);
    let objects = message.all("ParticipantObjectIdentification");
    let (study, patient) = (objects[0], objects[1]);
    assert_eq!(study.attributes["ParticipantObjectID"], "1.2.3");
    assert_eq!(
        study.coded("ParticipantObjectIDTypeCode"),
        ("110180", "DCM")
    );
    let class = study.one("ParticipantObjectDescription").one("SOPClass");
    assert_eq!(class.attributes["NumberOfInstances"], "60");
    assert_eq!(
        patient.coded("ParticipantObjectIDTypeCode"),
        ("2", "RFC-3881")
    );
    assert!(patient.attributes["ParticipantObjectID"].starts_with("pseudonym-"));
}

#[test]
fn a_download_names_the_patient_and_where_it_went() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("seg.dcm");
    fs::write(&file, file_of_patient("DOE-4711")).unwrap();
    let lines = trail_of(vec![Event::Downloaded(handled(file))]);
    let (_, message) = &lines[0];
    let patient = message.all("ParticipantObjectIdentification")[1];
    assert!(patient.attributes["ParticipantObjectID"].starts_with("pseudonym-"));
    let [person, process, media] = message.all("ActiveParticipant")[..] else {
        panic!("{message:#?}");
    };
    assert_eq!(person.attributes["UserID"], "smith");
    for exporter in [person, process] {
        assert_eq!(exporter.coded("RoleIDCode"), ("110153", "DCM"));
    }
    assert_eq!(media.coded("RoleIDCode"), ("110154", "DCM"));
    assert_eq!(media.attributes["UserIsRequestor"], "false");
    assert_eq!(media.attributes["NetworkAccessPointID"], "10.0.0.7");
    let media = media.one("MediaIdentifier");
    assert_eq!(media.coded("MediaType"), ("110037", "DCM"));
}

/// A Part 10 file that says whose it is.
fn file_of_patient(id: &str) -> Vec<u8> {
    use dicom_core::{DataElement, VR};
    use dicom_dictionary_std::{tags, uids};
    use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
    let object = InMemDicomObject::from_element_iter([
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4.5"),
        DataElement::new(tags::PATIENT_ID, VR::LO, id),
        DataElement::new(tags::PATIENT_BIRTH_DATE, VR::DA, "19700101"),
    ]);
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3.4.5")
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = Vec::new();
    object
        .with_meta(meta)
        .unwrap()
        .write_all(&mut bytes)
        .unwrap();
    bytes
}
