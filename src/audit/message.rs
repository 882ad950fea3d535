//! The DICOM audit message of an event: PS3.15 A.5.1 as types, and as XML.

use std::io;

use jiff::Timestamp;
use quick_xml::{Writer, events::BytesText};

use super::code::Coded;

/// AuditMessage.
#[derive(Debug)]
pub(super) struct Message {
    pub event: Coded,
    pub event_type: Option<Coded>,
    /// C create, R read, U update, D delete, E execute.
    pub action: char,
    pub outcome: Outcome,
    pub at: Timestamp,
    pub participants: Vec<Participant>,
    /// AuditSourceID.
    pub source: String,
    pub objects: Vec<Object>,
}

/// EventOutcomeIndicator, and EventOutcomeDescription where it failed.
#[derive(Debug)]
pub(super) enum Outcome {
    Success,
    /// The action can be tried again.
    Minor(String),
    /// The action is over.
    Serious(String),
}

/// ActiveParticipant.
#[derive(Debug)]
pub(super) struct Participant {
    pub user: String,
    /// AE title of a process, `AETITLES=...` (A.5.2.2).
    pub alternative: Option<String>,
    pub requestor: bool,
    pub role: Option<Coded>,
    /// Address or host name.
    pub host: Option<String>,
    /// MediaType, of what data is exported to.
    pub media: Option<Coded>,
}

/// ParticipantObjectIdentification.
#[derive(Debug)]
pub(super) struct Object {
    pub id: String,
    pub id_type: Coded,
    /// 1 person, 2 system object.
    pub kind: u8,
    /// 1 patient, 3 report, 13 security resource.
    pub role: u8,
    pub name: String,
    /// ParticipantObjectDetail, type and value.
    pub details: Vec<(&'static str, String)>,
    /// SOP class and number of instances.
    pub sop_class: Option<(String, u32)>,
}

impl Message {
    /// The message as one line of XML.
    pub(super) fn xml(&self) -> io::Result<String> {
        let mut writer = Writer::new(Vec::new());
        writer
            .create_element("AuditMessage")
            .write_inner_content(|writer| {
                self.event(writer)?;
                for participant in &self.participants {
                    participant.write(writer)?;
                }
                writer
                    .create_element("AuditSourceIdentification")
                    .with_attribute(("AuditSourceID", &*clean(&self.source)))
                    .write_inner_content(|writer| {
                        // An application server process.
                        let kind = writer.create_element("AuditSourceTypeCode");
                        kind.with_attribute(("csd-code", "4")).write_empty()?;
                        Ok(())
                    })?;
                for object in &self.objects {
                    object.write(writer)?;
                }
                Ok(())
            })?;
        String::from_utf8(writer.into_inner()).map_err(io::Error::other)
    }

    fn event(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let (indicator, description) = match &self.outcome {
            Outcome::Success => ("0", None),
            Outcome::Minor(why) => ("4", Some(why)),
            Outcome::Serious(why) => ("8", Some(why)),
        };
        writer
            .create_element("EventIdentification")
            .with_attributes([
                ("EventActionCode", &*self.action.to_string()),
                ("EventDateTime", &*date_time(self.at)),
                ("EventOutcomeIndicator", indicator),
            ])
            .write_inner_content(|writer| {
                coded(writer, "EventID", self.event)?;
                if let Some(kind) = self.event_type {
                    coded(writer, "EventTypeCode", kind)?;
                }
                if let Some(why) = description {
                    writer
                        .create_element("EventOutcomeDescription")
                        .write_text_content(BytesText::new(&clean(why)))?;
                }
                Ok(())
            })?;
        Ok(())
    }
}

impl Participant {
    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let user = clean(&self.user);
        let mut element = writer
            .create_element("ActiveParticipant")
            .with_attribute(("UserID", &*user));
        if let Some(alternative) = &self.alternative {
            element = element.with_attribute(("AlternativeUserID", &*clean(alternative)));
        }
        let requestor = if self.requestor { "true" } else { "false" };
        element = element.with_attribute(("UserIsRequestor", requestor));
        if let Some(host) = &self.host {
            // 1 is a machine name, 2 an IP address.
            let is_address = host.parse::<std::net::IpAddr>().is_ok();
            element = element.with_attributes([
                ("NetworkAccessPointID", &*clean(host)),
                (
                    "NetworkAccessPointTypeCode",
                    if is_address { "2" } else { "1" },
                ),
            ]);
        }
        element.write_inner_content(|writer| {
            if let Some(role) = self.role {
                coded(writer, "RoleIDCode", role)?;
            }
            if let Some(media) = self.media {
                writer
                    .create_element("MediaIdentifier")
                    .write_inner_content(|writer| coded(writer, "MediaType", media))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Object {
    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        writer
            .create_element("ParticipantObjectIdentification")
            .with_attributes([
                ("ParticipantObjectID", &*clean(&self.id)),
                ("ParticipantObjectTypeCode", &*self.kind.to_string()),
                ("ParticipantObjectTypeCodeRole", &*self.role.to_string()),
            ])
            .write_inner_content(|writer| {
                coded(writer, "ParticipantObjectIDTypeCode", self.id_type)?;
                writer
                    .create_element("ParticipantObjectName")
                    .write_text_content(BytesText::new(&clean(&self.name)))?;
                for (kind, value) in &self.details {
                    // The value is base64Binary in the schema.
                    writer
                        .create_element("ParticipantObjectDetail")
                        .with_attributes([("type", *kind), ("value", &*base64(value.as_bytes()))])
                        .write_empty()?;
                }
                if let Some((uid, instances)) = &self.sop_class {
                    writer
                        .create_element("ParticipantObjectDescription")
                        .write_inner_content(|writer| {
                            writer
                                .create_element("SOPClass")
                                .with_attributes([
                                    ("UID", &**uid),
                                    ("NumberOfInstances", &*instances.to_string()),
                                ])
                                .write_empty()?;
                            Ok(())
                        })?;
                }
                Ok(())
            })?;
        Ok(())
    }
}

fn coded(writer: &mut Writer<Vec<u8>>, name: &str, value: Coded) -> io::Result<()> {
    writer
        .create_element(name)
        .with_attributes([
            ("csd-code", value.code),
            ("codeSystemName", value.scheme),
            ("originalText", value.meaning),
        ])
        .write_empty()?;
    Ok(())
}

/// To the microsecond, in UTC: RFC 5424 allows no finer, and the schema's dateTime takes it.
pub(super) fn date_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// One line, and nothing that XML 1.0 cannot hold. Peers choose some of these texts, so they are
/// cut as well.
fn clean(text: &str) -> String {
    text.chars()
        .take(LONGEST)
        .map(|c| match c {
            '\u{FFFE}' | '\u{FFFF}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                let digit = (word >> (18 - 6 * place)) & 63;
                text.push(char::from(DIGITS[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn details_are_base64() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
