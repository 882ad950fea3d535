//! From an event to its audit message and its line in the trail.

use std::path::Path;

use jiff::Timestamp;

use super::{
    code::{self, Coded},
    event::{Actor, Event, Handled, Peer, Transfer},
    message::{Message, Object, Outcome, Participant, date_time},
    patient::Patients,
};
use crate::dicom::Uid;

/// Who writes: this box.
pub(super) struct Author {
    /// What people call the box.
    pub name: String,
    pub ae_title: String,
    /// Its host name.
    pub host: String,
    pub process: u32,
    pub patients: Patients,
}

impl Author {
    /// The line: a syslog message (RFC 5424) without its end.
    pub(super) fn line(&self, event: &Event, at: Timestamp) -> std::io::Result<String> {
        let message = self.message(event, at);
        // Facility 10 (security), severity notice or warning.
        let priority = match message.outcome {
            Outcome::Success => 85,
            Outcome::Minor(_) | Outcome::Serious(_) => 84,
        };
        let xml = message.xml()?;
        let (at, host, process) = (date_time(at), self.host_name(), self.process);
        Ok(format!(
            "<{priority}>1 {at} {host} hepar {process} DICOM+RFC3881 - \u{FEFF}{xml}"
        ))
    }

    /// RFC 5424 allows printable ASCII only; `-` is no name.
    fn host_name(&self) -> String {
        let name: String = self
            .host
            .chars()
            .filter(char::is_ascii_graphic)
            .take(255)
            .collect();
        if name.is_empty() {
            "-".to_owned()
        } else {
            name
        }
    }

    pub(super) fn message(&self, event: &Event, at: Timestamp) -> Message {
        use Outcome::{Minor, Serious, Success};
        let (event, event_type, action, outcome, participants, objects) = match event {
            Event::Started => self.activity(code::APPLICATION_START),
            Event::Stopped => self.activity(code::APPLICATION_STOP),
            Event::Received(transfer) => (
                code::INSTANCES_TRANSFERRED,
                None,
                'C',
                Success,
                vec![
                    peer(&transfer.peer, Some(code::SOURCE), true),
                    self.this_box(Some(code::DESTINATION), false),
                ],
                self.transferred(transfer),
            ),
            Event::Sending(transfer) => {
                self.outgoing(transfer, code::BEGIN_TRANSFERRING, 'E', Success)
            }
            Event::Sent(transfer) => {
                self.outgoing(transfer, code::INSTANCES_TRANSFERRED, 'C', Success)
            }
            Event::NotSent(transfer, why) => self.outgoing(
                transfer,
                code::INSTANCES_TRANSFERRED,
                'C',
                Minor(why.clone()),
            ),
            Event::Refused { peer: from, reason } => self.alert(
                code::NODE_AUTHENTICATION,
                Minor(reason.clone()),
                peer(from, None, true),
                reason,
            ),
            Event::Login(by) => self.user(by, code::LOGIN, Success),
            Event::LoginFailed(by) => self.user(
                by,
                code::LOGIN,
                Minor("unknown user or wrong password".to_owned()),
            ),
            Event::LockedOut(by) => self.user(
                by,
                code::LOGIN,
                Serious("too many failures: locked out for a while".to_owned()),
            ),
            Event::Logout(by) => self.user(by, code::LOGOUT, Success),
            Event::Forbidden { by, what } => self.alert(
                code::RESTRICTED_FUNCTION,
                Minor("not allowed in this role".to_owned()),
                person(by, None),
                what,
            ),
            Event::ConfigurationChanged { by, what } => self.alert(
                code::SECURITY_CONFIGURATION,
                Success,
                person(by, None),
                what,
            ),
            Event::SentAgain(handled) => self.accessed(handled, 'U', "sent again"),
            Event::SegmentedAgain(handled) => self.accessed(handled, 'U', "segmented again"),
            Event::Looked(handled) => self.accessed(handled, 'R', "looked at"),
            Event::Downloaded(handled) => self.exported(handled),
            Event::NotRecorded { events } => self.alert(
                code::RECORDING_STOPPED,
                Minor(format!("{events} events were not recorded one by one")),
                self.this_box(None, true),
                "more events than can be recorded",
            ),
        };
        Message {
            event,
            event_type,
            action,
            outcome,
            at,
            participants,
            source: self.name.clone(),
            objects,
        }
    }

    /// A.5.3.1.
    fn activity(&self, kind: Coded) -> Parts {
        let launcher = Participant {
            user: "service manager".to_owned(),
            alternative: None,
            requestor: true,
            role: Some(code::LAUNCHER),
            host: None,
            media: None,
        };
        let participants = vec![self.this_box(Some(code::APPLICATION), false), launcher];
        (
            code::APPLICATION_ACTIVITY,
            Some(kind),
            'E',
            Outcome::Success,
            participants,
            Vec::new(),
        )
    }

    /// Begin Transferring, and Instances Transferred as the sender writes it.
    fn outgoing(&self, transfer: &Transfer, event: Coded, action: char, outcome: Outcome) -> Parts {
        let participants = vec![
            self.this_box(Some(code::SOURCE), true),
            peer(&transfer.peer, Some(code::DESTINATION), false),
        ];
        let objects = self.transferred(transfer);
        (event, None, action, outcome, participants, objects)
    }

    fn transferred(&self, transfer: &Transfer) -> Vec<Object> {
        let sop_class = (transfer.sop_class.to_string(), transfer.instances);
        let study = study_object(&transfer.study, &transfer.series, Some(sop_class));
        vec![study, self.patient(&transfer.file)]
    }

    fn patient(&self, file: &Path) -> Object {
        // The patient is mandatory in these messages; there are files without one.
        let id = self.patients.of_file(file);
        let id = id.unwrap_or_else(|| "unknown".to_owned());
        Object {
            name: id.clone(),
            id,
            id_type: code::PATIENT_NUMBER,
            kind: 1,
            role: 1,
            details: Vec::new(),
            sop_class: None,
        }
    }

    /// User Authentication.
    fn user(&self, by: &Actor, kind: Coded, outcome: Outcome) -> Parts {
        let participants = vec![
            person(by, None),
            self.this_box(Some(code::APPLICATION), false),
        ];
        (
            code::USER_AUTHENTICATION,
            Some(kind),
            'E',
            outcome,
            participants,
            Vec::new(),
        )
    }

    /// Security Alert: who caused it, and what, as the subject of the alert.
    fn alert(&self, kind: Coded, outcome: Outcome, cause: Participant, what: &str) -> Parts {
        let subject = Object {
            id: self.ae_title.clone(),
            id_type: code::NODE_ID,
            kind: 2,
            role: 13,
            name: self.name.clone(),
            details: vec![("Alert Description", what.to_owned())],
            sop_class: None,
        };
        let participants = vec![cause, self.this_box(Some(code::APPLICATION), false)];
        (
            code::SECURITY_ALERT,
            Some(kind),
            'E',
            outcome,
            participants,
            vec![subject],
        )
    }

    /// DICOM Instances Accessed (A.5.3.6): a person looked at a series, or had something done with
    /// it.
    fn accessed(&self, handled: &Handled, action: char, what: &str) -> Parts {
        let mut study = study_object(&handled.study, &handled.series, None);
        study.details.push(("Action", what.to_owned()));
        (
            code::INSTANCES_ACCESSED,
            None,
            action,
            Outcome::Success,
            vec![person(&handled.by, None), self.this_box(None, false)],
            vec![study, self.patient(&handled.file)],
        )
    }

    /// Data Export (A.5.3.4): the person and this box export, and what is exported to asks for
    /// nothing.
    fn exported(&self, handled: &Handled) -> Parts {
        let download = Participant {
            user: "download".to_owned(),
            alternative: None,
            requestor: false,
            role: Some(code::DESTINATION_MEDIA),
            host: handled.by.from.map(|address| address.to_string()),
            media: Some(code::URI),
        };
        let participants = vec![
            person(&handled.by, Some(code::SOURCE)),
            self.this_box(Some(code::SOURCE), false),
            download,
        ];
        let study = study_object(&handled.study, &handled.series, None);
        (
            code::EXPORT,
            None,
            'R',
            Outcome::Success,
            participants,
            vec![study, self.patient(&handled.file)],
        )
    }

    fn this_box(&self, role: Option<Coded>, requestor: bool) -> Participant {
        Participant {
            user: format!("hepar {}", self.process),
            alternative: Some(format!("AETITLES={}", self.ae_title)),
            requestor,
            role,
            host: Some(self.host_name()),
            media: None,
        }
    }
}

type Parts = (
    Coded,
    Option<Coded>,
    char,
    Outcome,
    Vec<Participant>,
    Vec<Object>,
);

fn peer(peer: &Peer, role: Option<Coded>, requestor: bool) -> Participant {
    Participant {
        user: peer.ae_title.clone().unwrap_or_else(|| peer.host.clone()),
        alternative: peer
            .ae_title
            .as_ref()
            .map(|title| format!("AETITLES={title}")),
        requestor,
        role,
        host: Some(peer.host.clone()),
        media: None,
    }
}

fn person(by: &Actor, role: Option<Coded>) -> Participant {
    Participant {
        user: by.user.clone().unwrap_or_else(|| "local user".to_owned()),
        alternative: None,
        requestor: true,
        role,
        host: by.from.map(|address| address.to_string()),
        media: None,
    }
}

fn study_object(study: &Uid, series: &Uid, sop_class: Option<(String, u32)>) -> Object {
    Object {
        id: study.to_string(),
        id_type: code::STUDY_INSTANCE_UID,
        kind: 2,
        role: 3,
        name: "study".to_owned(),
        details: vec![("Series Instance UID", series.to_string())],
        sop_class,
    }
}
