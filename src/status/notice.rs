//! What a person should know that is no fault of a series, in the reader's language.
//!
//! The parts pin what happened; the words are the message catalogue's. Where no reader is known, in
//! logs and in `/api/status`, a notice is written in English. What other systems and libraries say
//! of an error stays as they said it.

use std::fmt;

use fluent_bundle::FluentValue;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{clock, language::Language};
use crate::tls::Validity;

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The journal was damaged and made anew from what could be read of it.
    JournalRebuilt { why: String, kept_as: String },
    /// Nothing can be written to the journal; work waits.
    JournalUnusable { why: String },
    /// Instances that were kept are not on the disk any more.
    InstancesMissing { instances: usize },
    /// Which model is to run cannot be read.
    ModelChoiceUnreadable { why: String },
    /// Another model runs in place of the chosen one.
    ModelReplaced { model: String, why: String },
    /// Another engine runs in place of the configured one.
    EngineReplaced { engine: String, why: String },
    /// The audit trail does not reach its server.
    AuditNotSent { server: String, why: String },
    /// A destination does not take what is made for it.
    Declined {
        destination: String,
        class: String,
        why: String,
    },
    /// A destination that is to answer for what it stores takes no requests for it.
    CommitmentNotTaken { destination: String, why: String },
    /// A destination was asked time and again to answer for objects, and does not.
    NotCommitted { destination: String, objects: u64 },
    /// A certificate of ours is not valid, or will soon not be.
    Certificate {
        used_for: CertificateUse,
        validity: Validity,
        day: Timestamp,
    },
    /// A caller spreads its series over associations.
    SendsInPieces { caller: String },
    /// A caller sent other bytes under UIDs that are here already.
    Contradicts { caller: String, instances: u64 },
}

/// What a certificate of ours is for.
#[derive(Clone, Debug, PartialEq)]
pub enum CertificateUse {
    Page,
    Listener,
    Destination(String),
    Syslog,
}

/// Why instances cannot be received and kept.
#[derive(Clone, Debug, PartialEq)]
pub enum NotReceiving {
    DiskFull {
        free_bytes: u64,
    },
    /// Bytes may be free, but none can be written.
    CannotWrite {
        why: String,
    },
}

/// A message's key and its variables.
type Message<'a> = (&'static str, Vec<(&'static str, FluentValue<'a>)>);

fn say(language: &Language, (key, variables): Message<'_>) -> String {
    language.tell(key, &variables)
}

impl Notice {
    pub(super) fn words(&self, language: &Language) -> String {
        say(language, self.message(language))
    }

    fn message(&self, language: &Language) -> Message<'_> {
        let text = |text: &'_ String| FluentValue::from(text.clone());
        match self {
            Self::JournalRebuilt { why, kept_as } => (
                "notice-journal-rebuilt",
                vec![("why", text(why)), ("kept-as", text(kept_as))],
            ),
            Self::JournalUnusable { why } => ("notice-journal-unusable", vec![("why", text(why))]),
            Self::InstancesMissing { instances } => (
                "notice-instances-missing",
                vec![("n", FluentValue::from(*instances))],
            ),
            Self::ModelChoiceUnreadable { why } => {
                ("notice-model-choice-unreadable", vec![("why", text(why))])
            }
            Self::ModelReplaced { model, why } => (
                "notice-model-replaced",
                vec![("model", text(model)), ("why", text(why))],
            ),
            Self::EngineReplaced { engine, why } => (
                "notice-engine-replaced",
                vec![("engine", text(engine)), ("why", text(why))],
            ),
            Self::AuditNotSent { server, why } => (
                "notice-audit-not-sent",
                vec![("server", text(server)), ("why", text(why))],
            ),
            Self::Declined {
                destination,
                class,
                why,
            } => (
                "notice-declined",
                vec![
                    ("destination", text(destination)),
                    ("class", text(class)),
                    ("why", text(why)),
                ],
            ),
            Self::CommitmentNotTaken { destination, why } => (
                "notice-commitment-not-taken",
                vec![("destination", text(destination)), ("why", text(why))],
            ),
            Self::NotCommitted {
                destination,
                objects,
            } => (
                "notice-not-committed",
                vec![
                    ("destination", text(destination)),
                    ("n", FluentValue::from(*objects)),
                ],
            ),
            Self::Certificate {
                used_for,
                validity,
                day,
            } => certificate(&used_for.words(language), *validity, day),
            Self::SendsInPieces { caller } => {
                ("notice-sends-in-pieces", vec![("caller", text(caller))])
            }
            Self::Contradicts { caller, instances } => (
                "notice-contradicts",
                vec![
                    ("caller", text(caller)),
                    ("n", FluentValue::from(*instances)),
                ],
            ),
        }
    }
}

fn certificate(used_for: &str, validity: Validity, day: &Timestamp) -> Message<'static> {
    let mut variables = vec![
        ("use", FluentValue::from(used_for.to_owned())),
        ("day", FluentValue::from(clock::date(day))),
    ];
    let key = match validity {
        Validity::Over => "notice-certificate-expired",
        Validity::ToCome => "notice-certificate-to-come",
        Validity::Ending { days } => {
            variables.push(("days", FluentValue::from(days)));
            "notice-certificate-ending"
        }
    };
    (key, variables)
}

impl CertificateUse {
    /// To go after "the certificate".
    pub(super) fn words(&self, language: &Language) -> String {
        match self {
            Self::Page => language.say("certificate-of-page"),
            Self::Listener => language.say("certificate-of-listener"),
            Self::Syslog => language.say("certificate-of-syslog"),
            Self::Destination(name) => {
                language.tell("certificate-of-destination", &[("name", name.into())])
            }
        }
    }
}

impl NotReceiving {
    pub(super) fn words(&self, language: &Language) -> String {
        match self {
            Self::DiskFull { free_bytes } => language.tell(
                "not-receiving-disk-full",
                &[("free", (free_bytes >> 20).into())],
            ),
            Self::CannotWrite { .. } => language.say("not-receiving-cannot-write"),
        }
    }
}

/// In English.
macro_rules! in_english {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.words(Language::english()))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

in_english!(Notice, CertificateUse, NotReceiving);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn every() -> Vec<Notice> {
        let (why, day) = (|| "no space left".to_owned(), Timestamp::UNIX_EPOCH);
        let of_certificate = |used_for, validity| Notice::Certificate {
            used_for,
            validity,
            day,
        };
        vec![
            Notice::JournalRebuilt {
                why: why(),
                kept_as: "/state/journal.db.unusable-1".to_owned(),
            },
            Notice::JournalUnusable { why: why() },
            Notice::InstancesMissing { instances: 3 },
            Notice::ModelChoiceUnreadable { why: why() },
            Notice::ModelReplaced {
                model: "liver 1.0".to_owned(),
                why: why(),
            },
            Notice::EngineReplaced {
                engine: "tensorrt".to_owned(),
                why: why(),
            },
            Notice::AuditNotSent {
                server: "log:6514".to_owned(),
                why: why(),
            },
            Notice::Declined {
                destination: "pacs".to_owned(),
                class: "Segmentation Storage".to_owned(),
                why: why(),
            },
            Notice::CommitmentNotTaken {
                destination: "pacs".to_owned(),
                why: why(),
            },
            Notice::NotCommitted {
                destination: "pacs".to_owned(),
                objects: 2,
            },
            of_certificate(CertificateUse::Page, Validity::Over),
            of_certificate(CertificateUse::Listener, Validity::ToCome),
            of_certificate(
                CertificateUse::Destination("pacs".to_owned()),
                Validity::Ending { days: 29 },
            ),
            of_certificate(CertificateUse::Syslog, Validity::Ending { days: 1 }),
            Notice::SendsInPieces {
                caller: "CT1".to_owned(),
            },
            Notice::Contradicts {
                caller: "CT1".to_owned(),
                instances: 1,
            },
        ]
    }

    /// A notice that is added is missed here first.
    fn kind(notice: &Notice) -> usize {
        match notice {
            Notice::JournalRebuilt { .. } => 0,
            Notice::JournalUnusable { .. } => 1,
            Notice::InstancesMissing { .. } => 2,
            Notice::ModelChoiceUnreadable { .. } => 3,
            Notice::ModelReplaced { .. } => 4,
            Notice::EngineReplaced { .. } => 5,
            Notice::AuditNotSent { .. } => 6,
            Notice::Declined { .. } => 7,
            Notice::Certificate { .. } => 8,
            Notice::SendsInPieces { .. } => 9,
            Notice::Contradicts { .. } => 10,
            Notice::CommitmentNotTaken { .. } => 11,
            Notice::NotCommitted { .. } => 12,
        }
    }

    #[test]
    fn every_notice_is_said_in_every_language_with_all_that_it_knows() {
        let kinds: BTreeSet<_> = every().iter().map(kind).collect();
        assert_eq!(kinds, (0..=12).collect());
        for language in Language::all() {
            let mut said = BTreeSet::new();
            for notice in every() {
                let words = notice.words(language);
                assert!(language.knows(notice.message(language).0), "{words}");
                assert!(!words.contains(['{', '$']), "{words}");
                for (name, value) in notice.message(language).1 {
                    if let FluentValue::String(value) = value {
                        assert!(words.contains(&*value), "{name} is not in {words}");
                    }
                }
                assert!(said.insert(words), "{notice} is said like another one");
            }
            let full = NotReceiving::DiskFull {
                free_bytes: 7 << 20,
            };
            assert!(full.words(language).contains('7'));
            let unwritable = NotReceiving::CannotWrite { why: String::new() };
            assert_ne!(unwritable.words(language), full.words(language));
            assert!(language.knows("not-receiving-cannot-write"));
        }
    }

    #[test]
    fn a_notice_is_not_english_where_the_reader_is_not() {
        let chinese = Language::named("zh-CN").unwrap();
        let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        for notice in every() {
            let words = notice.words(chinese);
            assert!(words.contains(is_chinese), "{words}");
            assert!(!notice.to_string().contains(is_chinese), "{notice}");
        }
    }

    #[test]
    fn others_read_notices_as_plain_english_words() {
        let notice = Notice::SendsInPieces {
            caller: "CT1".to_owned(),
        };
        let words = "CT1 sends its series in pieces: results wait for the quiet period";
        assert_eq!(serde_json::to_value(&notice).unwrap(), words);
    }
}
