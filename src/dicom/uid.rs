use std::{fmt, str::FromStr};

use rand::Rng;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A DICOM unique identifier that is safe to log, compare and name a file after.
///
/// Peers pad UIDs with NUL or space and some send worse; every UID that crosses the wire is parsed
/// here once, so no other module trims, validates or fears a path separator. PS3.5 §9.1 forbids
/// leading zeros in a component; old scanners send them all the same, and refusing would lose the
/// image, so they are kept as they came.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum UidError {
    #[error("UID is {0} characters long; PS3.5 allows 1 to 64")]
    Length(usize),
    #[error("UID component {0:?} is empty or not numeric")]
    Component(String),
}

impl Uid {
    /// Parses a UID as it came from a peer, a file or the journal.
    pub fn parse(raw: &str) -> Result<Self, UidError> {
        let text = raw.trim_end_matches(['\0', ' ']);
        if !(1..=64).contains(&text.len()) {
            return Err(UidError::Length(text.len()));
        }
        let well_formed = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match text.split('.').find(|part| !well_formed(part)) {
            Some(part) => Err(UidError::Component(part.to_owned())),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The UID that `parts` always give, in this process and any later one.
    ///
    /// A name-based UUID (RFC 9562 version 5) written as PS3.5 B.2 prescribes. Parts are delimited
    /// by their length, so `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn derived(purpose: &str, parts: &[&str]) -> Self {
        let name: String = std::iter::once(&purpose)
            .chain(parts)
            .flat_map(|part| [part.len().to_string(), ":".to_owned(), (*part).to_owned()])
            .collect();
        let uuid = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        Self(format!("2.25.{}", uuid.as_u128()))
    }

    /// A UID that nobody can guess: a random UUID (RFC 9562 version 4) written as PS3.5 B.2 prescribes.
    #[must_use]
    pub fn random(rng: &mut impl Rng) -> Self {
        let uuid = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        Self(format!("2.25.{}", uuid.as_u128()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Drawn once for this project; changing it changes every output UID.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_9d6e_3f0e_4c1b_9a57_31c6_2b6f_84d1);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Uid {
    type Err = UidError;

    fn from_str(text: &str) -> Result<Self, UidError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Uid {
    type Error = UidError;

    fn try_from(text: String) -> Result<Self, UidError> {
        Self::parse(&text)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_is_trimmed_and_paths_are_refused() {
        assert_eq!(Uid::parse("1.2.840\0").unwrap().as_str(), "1.2.840");
        assert_eq!(Uid::parse("1.2.840 ").unwrap().as_str(), "1.2.840");
        for hostile in ["../../etc/passwd", "1..2", "1.2/3", ".1", "1.", "1.2\n"] {
            assert!(
                matches!(Uid::parse(hostile), Err(UidError::Component(_))),
                "{hostile:?}"
            );
        }
        assert_eq!(Uid::parse(""), Err(UidError::Length(0)));
        assert_eq!(Uid::parse(&"1".repeat(65)), Err(UidError::Length(65)));
    }

    #[test]
    fn leading_zeros_are_kept_as_they_came() {
        assert_eq!(Uid::parse("1.02.003").unwrap().as_str(), "1.02.003");
        assert_ne!(Uid::parse("1.02"), Uid::parse("1.2"));
    }

    #[test]
    fn derived_uids_are_stable_and_depend_on_where_parts_end() {
        let uid = Uid::derived("seg", &["1.2.3"]);
        assert_eq!(uid, Uid::derived("seg", &["1.2.3"]));
        assert_ne!(
            Uid::derived("seg", &["ab", "c"]),
            Uid::derived("seg", &["a", "bc"])
        );
        assert_eq!(Uid::parse(uid.as_str()), Ok(uid));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_what_it_accepts_is_a_safe_file_name(raw in ".{0,80}") {
            if let Ok(uid) = Uid::parse(&raw) {
                prop_assert!(uid.as_str().bytes().all(|b| b.is_ascii_digit() || b == b'.'));
                prop_assert_eq!(Uid::parse(uid.as_str()), Ok(uid.clone()));
            }
        }
    }
}
