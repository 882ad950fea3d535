//! What a bundle is called in the store, and which one is to run.

use std::{cmp::Ordering, fmt, str::FromStr};

/// `NAME@VERSION`, safe to name a directory after, with a version that can be ordered.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct BundleId {
    name: String,
    /// Numbers, most significant first.
    version: Vec<u32>,
}

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is not NAME@VERSION: lower-case letters, digits and dashes, then one to four numbers \
     with dots between them"
)]
pub struct IdError(String);

const LONGEST_NAME: usize = 64;
const LONGEST_VERSION: usize = 4;

impl BundleId {
    pub(super) fn of(name: &str, version: &str) -> Result<Self, IdError> {
        format!("{name}@{version}").parse()
    }

    /// Whether this is an earlier version of the same model.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.name == other.name && self.version.cmp(&other.version) == Ordering::Less
    }
}

impl FromStr for BundleId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError(text.chars().take(LONGEST_NAME * 2).collect());
        let (name, version) = text.split_once('@').ok_or_else(refused)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=LONGEST_NAME).contains(&name.len())
            || !name.bytes().all(plain)
            || name.starts_with('-')
        {
            return Err(refused());
        }
        // No sign and no leading zero, so that a version has one spelling.
        let number = |part: &str| {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            let canonical = part == "0" || !part.starts_with('0');
            (digits && canonical).then(|| part.parse().ok()).flatten()
        };
        let version: Option<Vec<u32>> = version.split('.').map(number).collect();
        match version {
            Some(version) if version.len() <= LONGEST_VERSION => Ok(Self {
                name: name.to_owned(),
                version,
            }),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.version.iter().map(u32::to_string).collect();
        write!(f, "{}@{}", self.name, numbers.join("."))
    }
}

/// One bundle that can run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Choice {
    Installed(BundleId),
    /// The one that `model.bundle` names, else the one inside the binary.
    Default,
}

const DEFAULT: &str = "default";

impl FromStr for Choice {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == DEFAULT {
            return Ok(Self::Default);
        }
        Ok(Self::Installed(text.parse()?))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed(id) => write!(f, "{id}"),
            Self::Default => f.write_str(DEFAULT),
        }
    }
}

/// What was chosen, latest first: the first is to run, the others are what to go back to. Behind the
/// last there is always the default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selection(Vec<Choice>);

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum SelectionError {
    #[error("is not text")]
    NotText,
    #[error("names more than {REMEMBERED} bundles")]
    TooMany,
    #[error(transparent)]
    Id(#[from] IdError),
}

/// The bundle in use and three to go back to.
const REMEMBERED: usize = 4;

impl Selection {
    /// One choice a line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, SelectionError> {
        let text = str::from_utf8(bytes).map_err(|_| SelectionError::NotText)?;
        if text.lines().count() > REMEMBERED {
            return Err(SelectionError::TooMany);
        }
        let choices: Result<_, IdError> = text.lines().map(str::parse).collect();
        Ok(Self(choices?))
    }

    pub(super) fn to_text(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// What to run, and if it cannot, what to run instead.
    pub fn candidates(&self) -> impl Iterator<Item = Choice> {
        let last_is_default = self.0.last() == Some(&Choice::Default);
        let behind = (!last_is_default).then_some(Choice::Default);
        self.0.iter().cloned().chain(behind)
    }

    #[must_use]
    pub fn current(&self) -> Choice {
        self.0.first().cloned().unwrap_or(Choice::Default)
    }

    #[must_use]
    pub fn names(&self, id: &BundleId) -> bool {
        self.0.contains(&Choice::Installed(id.clone()))
    }

    /// With `choice` first.
    #[must_use]
    pub fn with(&self, choice: Choice) -> Self {
        let others = self.candidates().filter(|other| *other != choice);
        Self(
            [choice.clone()]
                .into_iter()
                .chain(others)
                .take(REMEMBERED)
                .collect(),
        )
    }

    /// Without what runs now; `None` where there is nothing behind it.
    #[must_use]
    pub fn rolled_back(&self) -> Option<Self> {
        let behind: Vec<Choice> = self.candidates().skip(1).collect();
        (!behind.is_empty()).then_some(Self(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> BundleId {
        text.parse().unwrap()
    }

    #[test]
    fn an_identifier_is_one_spelling_of_a_name_and_numbers() {
        assert_eq!(id("liver-tumour@1.10.0").to_string(), "liver-tumour@1.10.0");
        for bad in [
            "liver",
            "@1",
            "liver@",
            "Liver@1",
            "../x@1",
            "a/b@1",
            "-x@1",
            "x@1.",
            "x@01",
            "x@+1",
            "x@1.2.3.4.5",
            "x@99999999999",
            "x@1@2",
            "x@1-rc1",
            "x y@1",
            "",
        ] {
            assert!(bad.parse::<BundleId>().is_err(), "{bad}");
        }
        assert!(format!("{}@1", "x".repeat(65)).parse::<BundleId>().is_err());
    }

    #[test]
    fn versions_are_ordered_as_numbers_and_only_within_a_model() {
        assert!(id("a@1.9.0").is_older_than(&id("a@1.10.0")));
        assert!(id("a@1").is_older_than(&id("a@1.0")));
        assert!(!id("a@2.0").is_older_than(&id("a@1.9")));
        assert!(!id("a@1").is_older_than(&id("b@2")));
    }

    #[test]
    fn a_selection_goes_back_the_way_it_came_and_ends_at_the_default() {
        let first = Choice::Installed(id("a@1"));
        let second = Choice::Installed(id("a@2"));
        let selection = Selection::default()
            .with(first.clone())
            .with(second.clone());
        assert_eq!(selection.current(), second);
        let back = selection.rolled_back().unwrap();
        assert_eq!(back.current(), first);
        let back = back.rolled_back().unwrap();
        assert_eq!(back.current(), Choice::Default);
        assert_eq!(back.rolled_back(), None);

        let again = selection.with(first.clone());
        let order: Vec<Choice> = again.candidates().collect();
        assert_eq!(order, [first, second, Choice::Default]);
    }

    #[test]
    fn a_selection_is_read_as_it_was_written() {
        let mut selection = Selection::default();
        for version in 1..8 {
            selection = selection.with(Choice::Installed(id(&format!("a@{version}"))));
            assert_eq!(
                Selection::parse(selection.to_text().as_bytes()),
                Ok(selection.clone())
            );
        }
        assert_eq!(selection.candidates().count(), REMEMBERED + 1);
        assert!(Selection::parse(b"a@1\n../b@1\n").is_err());
        assert_eq!(
            Selection::parse(&b"a@1\n".repeat(9)),
            Err(SelectionError::TooMany)
        );
        assert_eq!(Selection::parse(b"\xff"), Err(SelectionError::NotText));
    }
}
