//! What the page says, in the reader's language.
//!
//! Sentences stand in `languages/*.ftl`, one file a language, in Project Fluent's form: another
//! language is another file there. Templates and views name a message by its key; numbers and names
//! are handed over as variables, so that each language orders and inflects them as it must. English
//! is complete by definition, and stands in where a message cannot be made.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// One language with all its messages.
pub(in crate::status) struct Language {
    /// The language tag (BCP 47), as in `<html lang>`.
    pub tag: &'static str,
    identifier: LanguageIdentifier,
    messages: FluentBundle<FluentResource>,
}

/// `(tag, messages)` of each file.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

static ALL: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let languages = SOURCES.iter();
    languages
        .map(|(tag, source)| Language::read(tag, source))
        .collect()
});

impl Language {
    pub(in crate::status) fn all() -> &'static [Self] {
        &ALL
    }

    /// What `/api/status` speaks, and who is understood everywhere.
    pub(in crate::status) fn english() -> &'static Self {
        let english = ALL.iter().find(|language| language.tag == "en");
        english.expect("src/status/languages/en.ftl is built in")
    }

    pub(in crate::status) fn is_english(&self) -> bool {
        self.identifier.language.as_str() == "en"
    }

    /// The language with exactly this tag.
    pub(in crate::status) fn named(tag: &str) -> Option<&'static Self> {
        ALL.iter().find(|language| language.tag == tag)
    }

    /// The best language for an `Accept-Language` header (RFC 9110 12.5.4).
    pub(in crate::status) fn accepted(header: &str) -> &'static Self {
        let mut wanted: Vec<(f32, LanguageIdentifier)> = header
            .split(',')
            .filter_map(|range| {
                let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
                let weight: f32 = weight.trim().parse().ok()?;
                Some((weight, tag.trim().parse().ok()?))
            })
            .filter(|(weight, _)| *weight > 0.0)
            .collect();
        // Stable: among equals the first stays first.
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
        wanted
            .iter()
            .find_map(|(_, tag)| {
                let ours = || ALL.iter();
                ours()
                    .find(|ours| ours.identifier == *tag)
                    .or_else(|| ours().find(|ours| ours.identifier.language == tag.language))
            })
            .unwrap_or_else(Self::english)
    }

    fn read(tag: &'static str, source: &str) -> Self {
        let identifier: LanguageIdentifier = tag.parse().expect("a file is named by a language");
        // What the tests find wrong in a file costs a message here, not the page.
        let resource =
            FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        let mut messages = FluentBundle::new_concurrent(vec![identifier.clone()]);
        // Marks around each variable would end up in titles and in tests of the words.
        messages.set_use_isolating(false);
        let _ = messages.add_resource(resource);
        Self {
            tag,
            identifier,
            messages,
        }
    }

    /// A message without variables.
    pub(in crate::status) fn say(&self, key: &str) -> String {
        self.tell(key, &[])
    }

    /// A message with variables.
    pub(in crate::status) fn tell<'a>(
        &self,
        key: &str,
        variables: &[(&'a str, FluentValue<'a>)],
    ) -> String {
        let variables: FluentArgs<'a> = variables.iter().cloned().collect();
        self.format(key, &variables)
            .or_else(|| Self::english().format(key, &variables))
            .unwrap_or_else(|| key.to_owned())
    }

    /// Like [`Self::tell`]; `None` for a message that no language has, as for a code that a newer
    /// or older version wrote.
    pub(in crate::status) fn tell_if_known<'a>(
        &self,
        key: &str,
        variables: &[(&'a str, FluentValue<'a>)],
    ) -> Option<String> {
        let known = Self::english().messages.has_message(key);
        known.then(|| self.tell(key, variables))
    }

    /// Whether this language itself has the message.
    #[cfg(test)]
    pub(in crate::status) fn knows(&self, key: &str) -> bool {
        self.messages.has_message(key)
    }

    fn format(&self, key: &str, variables: &FluentArgs<'_>) -> Option<String> {
        let pattern = self.messages.get_message(key)?.value()?;
        let mut errors = Vec::new();
        let text = self
            .messages
            .format_pattern(pattern, Some(variables), &mut errors);
        errors.is_empty().then(|| text.into_owned())
    }
}

#[cfg(test)]
mod tests;
