//! The traffic light: how the box is, the reason in words, and who has to act.

use fluent_bundle::FluentValue;
use jiff::Timestamp;
use serde::Serialize;

use super::{clock, facts::Facts, language::Language, notice::NotReceiving, trouble::Told};
use crate::dicom::Trouble;

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    Green,
    Amber,
    Red,
}

impl Light {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// Why the light shows what it shows. Reasons are sentences of the part that is in trouble.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cause {
    NotReceiving {
        reason: NotReceiving,
    },
    /// A notice says why.
    JournalUnusable,
    Loading,
    NotSegmenting {
        reason: Trouble,
    },
    /// What the last self-test said of itself.
    SelfTestFailed {
        words: String,
    },
    NotDelivering {
        destination: String,
        reason: Trouble,
        since: Timestamp,
        waiting: u64,
    },
    Ready,
}

impl Cause {
    /// The worst thing first: what cannot be received is lost to the department, what cannot be
    /// segmented or sent is only late, but what may be wrong should not be sent. `waiting`: results that wait for a destination.
    pub(super) fn of(facts: &Facts, waiting: u64) -> Self {
        if let Some(reason) = facts.not_receiving.clone() {
            return Self::NotReceiving { reason };
        }
        if facts.journal_unusable.is_some() {
            return Self::JournalUnusable;
        }
        match &facts.engine {
            None => return Self::Loading,
            Some(Err(reason)) => {
                let reason = reason.clone();
                return Self::NotSegmenting { reason };
            }
            Some(Ok(_)) => {}
        }
        if let Some(test) = facts.self_test.as_ref().filter(|test| !test.passed) {
            let words = test.words.clone();
            return Self::SelfTestFailed { words };
        }
        let failing = facts.destinations.iter().find_map(|(name, destination)| {
            let (since, reason) = destination.failing.clone()?;
            Some(Self::NotDelivering {
                destination: name.clone(),
                reason,
                since,
                waiting,
            })
        });
        failing.unwrap_or(Self::Ready)
    }

    pub(super) fn light(&self) -> Light {
        match self {
            Self::NotReceiving { .. }
            | Self::JournalUnusable
            | Self::NotSegmenting { .. }
            | Self::SelfTestFailed { .. } => Light::Red,
            Self::Loading | Self::NotDelivering { .. } => Light::Amber,
            Self::Ready => Light::Green,
        }
    }

    /// The headline.
    pub(super) fn words(&self, language: &Language) -> String {
        match self {
            Self::NotReceiving { reason } => {
                let reason = reason.words(language);
                language.tell("light-not-receiving", &[("reason", reason.into())])
            }
            Self::JournalUnusable => language.say("light-journal-unusable"),
            Self::Loading => language.say("light-loading"),
            Self::NotSegmenting { reason } => {
                let reason = Told::briefly(reason, language).words;
                language.tell("light-not-segmenting", &[("reason", reason.into())])
            }
            Self::SelfTestFailed { .. } => language.say("light-self-test-failed"),
            Self::NotDelivering {
                destination,
                reason,
                since,
                waiting,
            } => language.tell(
                "light-not-delivering",
                &[
                    ("what", named(destination, reason, language).into()),
                    ("since", clock::beginning(since).into()),
                    ("waiting", FluentValue::from(*waiting)),
                ],
            ),
            Self::Ready => language.say("light-ready"),
        }
    }

    /// What the headline has no room for, in English: names, addresses, figures.
    pub(super) fn detail(&self, language: &Language) -> Option<String> {
        match self {
            Self::NotSegmenting { reason } => Told::briefly(reason, language).detail,
            Self::NotDelivering { reason, .. } => Told::new(reason, language).detail,
            Self::NotReceiving {
                reason: NotReceiving::CannotWrite { why },
            } => Some(why.clone()),
            Self::SelfTestFailed { words } => Some(words.clone()),
            Self::NotReceiving {
                reason: NotReceiving::DiskFull { .. },
            }
            | Self::JournalUnusable
            | Self::Loading
            | Self::Ready => None,
        }
    }

    /// What follows from it for the reader: who has to do what, or that nothing is to be done.
    pub(super) fn advice(&self, language: &Language) -> String {
        language.say(match self {
            Self::NotReceiving {
                reason: NotReceiving::DiskFull { .. },
            } => "advice-not-receiving",
            Self::NotReceiving {
                reason: NotReceiving::CannotWrite { .. },
            } => "advice-cannot-write",
            Self::JournalUnusable => "advice-journal-unusable",
            Self::Loading => "advice-loading",
            Self::NotSegmenting { .. } => "advice-not-segmenting",
            Self::SelfTestFailed { .. } => "advice-self-test-failed",
            Self::NotDelivering { .. } => "advice-not-delivering",
            Self::Ready => "advice-ready",
        })
    }
}

/// The reason with the destination's name, which most reasons begin with anyway.
fn named(destination: &str, reason: &Trouble, language: &Language) -> String {
    let reason = Told::new(reason, language).words;
    if reason.starts_with(destination) {
        return reason;
    }
    let variables = [("name", destination.into()), ("trouble", reason.into())];
    language.tell("trouble-of", &variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::TroubleKind;
    use crate::status::{DestinationFacts, EngineFacts, Notice, SelfTestFacts};

    fn words(facts: &Facts) -> (Light, String) {
        let cause = Cause::of(facts, 3);
        (cause.light(), cause.words(Language::english()))
    }

    #[test]
    fn the_light_is_as_bad_as_the_worst_part_and_says_why() {
        let mut facts = Facts::default();
        let loading = "Receiving; the model is being loaded".to_owned();
        assert_eq!(words(&facts), (Light::Amber, loading));

        facts.engine = Some(Ok(EngineFacts {
            name: "tract".to_owned(),
            device: "cpu".to_owned(),
            model: "liver-tumour".to_owned(),
            version: "1".to_owned(),
            digest: "0".repeat(64),
            origin: "built in".to_owned(),
        }));
        assert_eq!(words(&facts), (Light::Green, "Ready".to_owned()));

        let failing = Some((
            Timestamp::UNIX_EPOCH,
            Trouble::new(TroubleKind::Unreachable, "could not reach PACS"),
        ));
        let destination = DestinationFacts {
            failing,
            ..Default::default()
        };
        facts.destinations.insert("pacs".to_owned(), destination);
        let (light, headline) = words(&facts);
        assert_eq!(light, Light::Amber);
        assert!(headline.contains("could not reach PACS"), "{headline}");
        assert!(headline.contains("3 results wait"), "{headline}");

        facts.self_test = Some(SelfTestFacts {
            at: Timestamp::UNIX_EPOCH,
            passed: false,
            words: "liver Dice 0.1".to_owned(),
            seconds: 1.0,
            liver_dice: Some(0.1),
            tumour_dice: None,
        });
        let wrong = "The last self-test failed: results may be wrong".to_owned();
        assert_eq!(words(&facts), (Light::Red, wrong));
        let detail = Cause::of(&facts, 0).detail(Language::english());
        assert_eq!(detail.as_deref(), Some("liver Dice 0.1"));

        facts.engine = Some(Err(Trouble::new(
            TroubleKind::GoldenCheck,
            "the golden check failed",
        )));
        let not_segmenting = "Receiving, not segmenting: the engine fails the model's golden check";
        let not_segmenting = not_segmenting.to_owned();
        assert_eq!(words(&facts), (Light::Red, not_segmenting));

        facts.journal_unusable = Some(Notice::JournalUnusable {
            why: "disk I/O error".to_owned(),
        });
        let waits = "Receiving, not segmenting or sending: the journal cannot be written";
        assert_eq!(words(&facts), (Light::Red, waits.to_owned()));

        facts.not_receiving = Some(NotReceiving::CannotWrite {
            why: "read-only file system".to_owned(),
        });
        let unwritable = "Not receiving: the disk cannot be written".to_owned();
        assert_eq!(words(&facts), (Light::Red, unwritable));
        let cause = Cause::of(&facts, 0);
        let detail = cause.detail(Language::english());
        assert_eq!(detail.as_deref(), Some("read-only file system"));
        let advice = cause.advice(Language::english());
        assert!(advice.contains("file system"), "{advice}");

        facts.not_receiving = Some(NotReceiving::DiskFull {
            free_bytes: 5 << 20,
        });
        let (light, headline) = words(&facts);
        assert_eq!(light, Light::Red);
        assert!(
            headline.starts_with("Not receiving: the disk is full (5 MB free)"),
            "{headline}"
        );
    }
}
