//! What every page has around its content: language, navigation, the box's name and clock.
//!
//! A handler takes a [`Frame`] as an argument and hands it to a template that extends `base.html`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use fluent_bundle::FluentValue;

use super::{access::Viewer, clock::Clock, language::Language, server::Pages};

pub(super) struct Frame {
    pub language: &'static Language,
    /// The box's name.
    pub device: String,
    pub clock: Clock,
    pub viewer: Viewer,
    /// The page's own path.
    path: String,
}

/// A link of the navigation.
pub(super) struct Section {
    pub path: &'static str,
    /// Of its label.
    pub key: &'static str,
    pub current: bool,
}

/// The navigation: where each link leads, its label, and the paths below it beside its own. Who may
/// not go there does not see it.
const SECTIONS: [(&str, &str, &str); 4] = [
    ("/", "nav-series", "/series"),
    ("/destinations", "nav-destinations", "/destinations"),
    ("/box", "nav-box", "/box"),
    ("/log", "nav-log", "/log"),
];

impl Frame {
    pub(super) fn say(&self, key: &str) -> String {
        self.language.say(key)
    }

    pub(super) fn tell<'a>(&self, key: &str, variables: &[(&'a str, FluentValue<'a>)]) -> String {
        self.language.tell(key, variables)
    }

    pub(super) fn sections(&self) -> Vec<Section> {
        let sections = SECTIONS.iter();
        sections
            .filter(|(path, ..)| self.viewer.may_see(path))
            .map(|&(path, key, below)| Section {
                path,
                key,
                current: self.path == path || self.path.starts_with(below),
            })
            .collect()
    }

    /// All languages, for the switch.
    #[expect(clippy::unused_self, reason = "templates only see the frame")]
    pub(super) fn languages(&self) -> &'static [Language] {
        Language::all()
    }

    #[expect(clippy::unused_self, reason = "templates only see the frame")]
    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

#[cfg(test)]
impl Frame {
    /// The first page's.
    pub(super) fn for_tests(language: &'static Language) -> Self {
        Self {
            language,
            device: "box".to_owned(),
            clock: Clock::read(),
            viewer: Viewer::on_the_box(super::access::token::Token::random()),
            path: "/".to_owned(),
        }
    }
}

impl FromRequestParts<Arc<Pages>> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        pages: &Arc<Pages>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self {
            language: language_of(parts.uri.query(), &parts.headers),
            device: pages.name.clone(),
            clock: Clock::read(),
            viewer: parts.extensions.get().cloned().unwrap_or_default(),
            path: parts.uri.path().to_owned(),
        })
    }
}

const COOKIE: &str = "lang";
const YEAR_SECONDS: u32 = 365 * 24 * 60 * 60;

/// What was just chosen, else what was chosen before, else what the browser asks for.
fn language_of(query: Option<&str>, headers: &HeaderMap) -> &'static Language {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let remembered = || {
        let cookies = text(header::COOKIE)?.split(';');
        let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
        let (_, tag) = pairs.find(|(name, _)| *name == COOKIE)?;
        Language::named(tag)
    };
    chosen(query)
        .or_else(remembered)
        .unwrap_or_else(|| Language::accepted(text(header::ACCEPT_LANGUAGE).unwrap_or_default()))
}

fn chosen(query: Option<&str>) -> Option<&'static Language> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, tag) = pairs.find(|(name, _)| *name == COOKIE)?;
    Language::named(tag)
}

/// `?lang=` on any page is remembered for the next one.
pub(super) async fn remember_language(request: Request, next: Next) -> Response {
    let language = chosen(request.uri().query());
    let mut response = next.run(request).await;
    if let Some(language) = language {
        let cookie = format!(
            "{COOKIE}={}; Path=/; Max-Age={YEAR_SECONDS}; SameSite=Lax",
            language.tag
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_language_outranks_a_remembered_one_and_that_the_browsers() {
        let mut headers = HeaderMap::new();
        assert_eq!(language_of(None, &headers).tag, "en");
        headers.insert(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_static("fr;q=0.9, zh;q=0.8, en;q=0.1"),
        );
        assert_eq!(language_of(None, &headers).tag, "zh-CN");
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; lang=en"));
        assert_eq!(language_of(None, &headers).tag, "en");
        assert_eq!(language_of(Some("x=1&lang=zh-CN"), &headers).tag, "zh-CN");
        assert_eq!(language_of(Some("lang=../../etc"), &headers).tag, "en");
    }
}
