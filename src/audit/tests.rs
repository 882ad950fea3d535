//! Every event as a message, read back with the schema's eyes (PS3.15 A.5.1).

use std::{collections::BTreeMap, fs, path::PathBuf};

use quick_xml::{Reader, events::Event as Xml};

use super::{Actor, Event, Log, Peer, Settings, Transfer};
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

/// An event, and the event code, type code, action and outcome that its message must have.
type Case = (
    Event,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
);

fn transfers() -> Vec<Case> {
    let file = || transfer(PathBuf::from("/nowhere"));
    let failed = Event::NotSent(file(), "refused".to_owned());
    vec![
        (Event::Received(file()), "110104", None, "C", "0"),
        (Event::Sending(file()), "110102", None, "E", "0"),
        (Event::Sent(file()), "110104", None, "C", "0"),
        (failed, "110104", None, "C", "4"),
    ]
}

fn people() -> Vec<Case> {
    let by = actor;
    let study = Uid::parse("1.2.3").unwrap();
    let series = Uid::parse("1.2.3.4").unwrap();
    let sent = Event::SentAgain {
        by: by(),
        study: study.clone(),
        series: series.clone(),
    };
    let segmented = Event::SegmentedAgain {
        by: by(),
        study: study.clone(),
        series: series.clone(),
    };
    let downloaded = Event::Downloaded {
        by: by(),
        study,
        series,
    };
    vec![
        (Event::Login(by()), "110114", Some("110122"), "E", "0"),
        (Event::LoginFailed(by()), "110114", Some("110122"), "E", "4"),
        (Event::LockedOut(by()), "110114", Some("110122"), "E", "8"),
        (Event::Logout(by()), "110114", Some("110123"), "E", "0"),
        (sent, "110103", None, "U", "0"),
        (segmented, "110103", None, "U", "0"),
        (downloaded, "110106", None, "R", "0"),
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
    vec![
        (refused, "110113", Some("110126"), "E", "4"),
        (forbidden, "110113", Some("110132"), "E", "4"),
        (changed, "110113", Some("110129"), "E", "0"),
        (unwritten, "110113", Some("110133"), "E", "4"),
    ]
}

#[test]
fn every_event_is_a_valid_message_with_its_code() {
    let cases = [transfers(), people(), alerts()].concat();
    let lines = trail_of(cases.iter().map(|case| case.0.clone()).collect());
    assert_eq!(lines.len(), cases.len());
    for ((header, message), (event, id, kind, action, outcome)) in lines.iter().zip(&cases) {
        let found = message.one("EventIdentification");
        assert_eq!(found.coded("EventID").0, *id, "{event:?}");
        let found_kind = found.all("EventTypeCode");
        let found_kind = found_kind.first().map(|t| &*t.attributes["csd-code"]);
        assert_eq!(found_kind, *kind, "{event:?}");
        assert_eq!(found.attributes["EventActionCode"], *action, "{event:?}");
        let found_outcome = &found.attributes["EventOutcomeIndicator"];
        assert_eq!(found_outcome, *outcome, "{event:?}");
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
