use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An application entity title: 1 to 16 characters of the default repertoire, no backslash, no
/// control characters; leading and trailing spaces are not significant. PS3.5 §6.2, VR AE.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(String);

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum AeTitleError {
    #[error("AE title {0:?} is {1} characters long; 1 to 16 are allowed")]
    Length(String, usize),
    #[error(
        "AE title {0:?} holds the character {1:?}; printable ASCII without backslash is allowed"
    )]
    Character(String, char),
}

impl AeTitle {
    pub fn parse(raw: &str) -> Result<Self, AeTitleError> {
        let text = raw.trim_matches([' ', '\0']);
        if let Some(bad) = text
            .chars()
            .find(|c| !(' '..='~').contains(c) || *c == '\\')
        {
            return Err(AeTitleError::Character(text.to_owned(), bad));
        }
        if !(1..=16).contains(&text.len()) {
            return Err(AeTitleError::Length(text.to_owned(), text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AeTitle {
    type Err = AeTitleError;

    fn from_str(text: &str) -> Result<Self, AeTitleError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for AeTitle {
    type Error = AeTitleError;

    fn try_from(text: String) -> Result<Self, AeTitleError> {
        Self::parse(&text)
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> Self {
        title.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrounding_spaces_do_not_count_and_bad_titles_say_why() {
        assert_eq!(AeTitle::parse(" CT1  ").unwrap().as_str(), "CT1");
        assert_eq!(AeTitle::parse("CT 1").unwrap().as_str(), "CT 1");
        assert!(matches!(
            AeTitle::parse("   "),
            Err(AeTitleError::Length(_, 0))
        ));
        assert!(matches!(
            AeTitle::parse("SEVENTEEN_LETTERS"),
            Err(AeTitleError::Length(_, 17))
        ));
        assert!(matches!(
            AeTitle::parse("CT\\1"),
            Err(AeTitleError::Character(_, '\\'))
        ));
        assert!(matches!(
            AeTitle::parse("CT\n1"),
            Err(AeTitleError::Character(_, '\n'))
        ));
    }
}
