//! A trouble in the reader's language.

use super::language::Language;
use crate::dicom::Trouble;

/// What to show of a trouble.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Told {
    pub words: String,
    /// What the part in trouble said, with names and figures, in English; `None` where `words` are
    /// that already.
    pub detail: Option<String>,
}

impl Told {
    pub(super) fn new(trouble: &Trouble, language: &Language) -> Self {
        if language.is_english() {
            Self::only(trouble.words.clone())
        } else {
            Self::briefly(trouble, language)
        }
    }

    /// By its kind in every language, for where it has to be short.
    pub(super) fn briefly(trouble: &Trouble, language: &Language) -> Self {
        match trouble.kind {
            Some(kind) => Self {
                words: language.say(&format!("trouble-{}", kind.as_str())),
                detail: Some(trouble.words.clone()),
            },
            None => Self::only(trouble.words.clone()),
        }
    }

    pub(super) fn only(words: String) -> Self {
        Self {
            words,
            detail: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::TroubleKind;

    #[test]
    fn every_kind_of_trouble_has_its_sentence_in_every_language() {
        for language in Language::all() {
            for kind in TroubleKind::ALL {
                let key = format!("trouble-{}", kind.as_str());
                assert!(language.knows(&key), "{key} in {}", language.tag);
            }
        }
    }

    #[test]
    fn another_language_comes_first_and_the_english_words_stay() {
        let words = "pacs could not be reached at 10.0.0.1:104";
        let trouble = Trouble::new(TroubleKind::Unreachable, words);
        let english = Told::new(&trouble, Language::english());
        assert_eq!(english, Told::only(words.to_owned()));
        let chinese = Told::new(&trouble, Language::named("zh-CN").unwrap());
        assert_eq!(chinese.words, "无法连接");
        assert_eq!(chinese.detail.as_deref(), Some(words));
        let older = Trouble {
            kind: None,
            words: words.to_owned(),
        };
        let chinese = Told::new(&older, Language::named("zh-CN").unwrap());
        assert_eq!(chinese, Told::only(words.to_owned()));
    }
}
