//! What every request passes before a handler sees it.

use std::sync::Arc;

use axum::{
    Form,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, FromRequest, MatchedPath, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    desk::{Access, Denied},
    origin,
    permission::{Needs, is_declared, needs},
    record::Happened,
    session::Activity,
    token::Digest,
    viewer::Viewer,
};
use crate::status::{Pages, doors::Peer};

/// Forms here are a few fields.
const LARGEST_FORM: usize = 64 * 1024;

/// Lets the request through, with its [`Viewer`], or answers it.
pub(in crate::status) async fn gate(
    State(pages): State<Arc<Pages>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match check(&pages.access, peer, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a request is not handed on.
#[derive(Debug)]
enum Refusal {
    /// The browser was led here under a name that is not ours.
    ForeignName,
    /// There is nothing here, or nothing that is called like this.
    NothingHere,
    /// A route that is not in the table: our own mistake.
    NobodyMay,
    /// Where to go on after the login, for a browser.
    NotLoggedIn {
        back: Option<String>,
    },
    Denied(Denied),
    MustChangePassword,
    ForeignSite,
    StaleForm,
    UnreadableForm,
    Role,
}

async fn check(access: &Access, Peer(peer): Peer, request: Request) -> Result<Request, Refusal> {
    let (mut parts, body) = request.into_parts();
    let address = peer.ip();
    if access.login.is_none() && !origin::names_loopback(&parts.headers) {
        return Err(Refusal::ForeignName);
    }
    let pattern = parts.extensions.get::<MatchedPath>().cloned();
    let pattern = pattern.as_ref().map_or("", MatchedPath::as_str);
    if !pattern.is_empty() && !is_declared(pattern) {
        tracing::error!(
            pattern,
            "no role is declared for this route, so nobody may call it"
        );
        return Err(Refusal::NobodyMay);
    }
    let needed = needs(&parts.method, pattern).ok_or(Refusal::NothingHere)?;
    let viewer = access.recognise(&parts.headers, activity(&parts)).await;

    let body = if parts.method == Method::POST {
        if !origin::is_ours(&parts.headers) {
            access.record(Happened::CrossSite { path: pattern }, address);
            return Err(Refusal::ForeignSite);
        }
        let bytes = to_bytes(body, LARGEST_FORM).await;
        let bytes = bytes.map_err(|_| Refusal::UnreadableForm)?;
        let expected = access.expected_csrf(&parts.headers, viewer.as_ref());
        let sent = sent_csrf(&parts, &bytes).await;
        if expected.is_none() || sent != expected {
            return Err(Refusal::StaleForm);
        }
        Body::from(bytes)
    } else {
        body
    };

    match (needed, &viewer) {
        (Needs::Nothing, _) => {}
        (Needs::Monitoring, None) if access.is_monitoring(&parts.headers, address)? => {}
        (_, None) => {
            return Err(Refusal::NotLoggedIn {
                back: page_to_return_to(&parts),
            });
        }
        (Needs::Login, Some(_)) => {}
        (Needs::Role(_) | Needs::Monitoring, Some(viewer)) if viewer.must_change => {
            return Err(Refusal::MustChangePassword);
        }
        (Needs::Role(role), Some(viewer)) if viewer.role < Some(role) => {
            access.record(
                Happened::Refused {
                    user: viewer.name().unwrap_or("?"),
                    role,
                    path: pattern,
                },
                address,
            );
            return Err(Refusal::Role);
        }
        (Needs::Role(_) | Needs::Monitoring, Some(_)) => {}
    }
    let viewer = Viewer {
        address: Some(address),
        ..viewer.unwrap_or_default()
    };
    parts.extensions.insert(viewer);
    Ok(Request::from_parts(parts, body))
}

/// A browser marks what a person opened; what the page loads by itself, by a script or without one, it
/// does not. A client that marks nothing is no browser of today.
fn activity(parts: &Parts) -> Activity {
    let headers = &parts.headers;
    let marks = headers.contains_key("sec-fetch-mode");
    let opened = headers.contains_key("sec-fetch-user");
    if !marks || opened || parts.method == Method::POST {
        Activity::Person
    } else {
        Activity::Refresh
    }
}

/// From the header that scripts set, else from the form.
async fn sent_csrf(parts: &Parts, bytes: &Bytes) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Field {
        csrf: String,
    }
    if let Some(token) = parts.headers.get("x-csrf-token") {
        return token.to_str().ok().map(Digest::of);
    }
    let request = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let form = Form::<Field>::from_request(request, &()).await;
    form.ok().map(|Form(field)| Digest::of(&field.csrf))
}

/// Only what a person opened in a browser is worth returning to.
fn page_to_return_to(parts: &Parts) -> Option<String> {
    let accept = parts.headers.get(header::ACCEPT)?.to_str().ok()?;
    let page = parts.method == Method::GET && accept.contains("text/html");
    page.then(|| parts.uri.path_and_query().map(ToString::to_string))?
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::ForeignName => (
                StatusCode::MISDIRECTED_REQUEST,
                "This page is at http://localhost or a loopback address, and under no other name.",
            ),
            Self::NothingHere => (StatusCode::NOT_FOUND, "There is nothing here."),
            Self::NobodyMay => (
                StatusCode::FORBIDDEN,
                "No role is declared for this route, so nobody may call it.",
            ),
            Self::NotLoggedIn { back: None } => {
                let bearer = [(header::WWW_AUTHENTICATE, "Bearer")];
                return (StatusCode::UNAUTHORIZED, bearer, "Log in first.\n").into_response();
            }
            Self::NotLoggedIn { back: Some(page) } => {
                let page: String = form_encoded(&page);
                return Redirect::to(&format!("/login?back={page}")).into_response();
            }
            Self::Denied(denied) => return denied.into_response(),
            Self::MustChangePassword => return Redirect::to("/password").into_response(),
            Self::ForeignSite => (
                StatusCode::FORBIDDEN,
                "Another site sent this in your name. Nothing was done.",
            ),
            Self::StaleForm => (
                StatusCode::FORBIDDEN,
                "This form is too old. Nothing was done: open the page again and repeat it.",
            ),
            Self::UnreadableForm => (StatusCode::PAYLOAD_TOO_LARGE, "This form is too large."),
            Self::Role => (
                StatusCode::FORBIDDEN,
                "Your role does not allow this. Nothing was done.",
            ),
        };
        (status, format!("{words}\n")).into_response()
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Self::Wrong => (StatusCode::UNAUTHORIZED, "Not known here.\n").into_response(),
            Self::Busy => {
                let later = [(header::RETRY_AFTER, "1")];
                let words = "Too many logins at once. Try again.\n";
                (StatusCode::SERVICE_UNAVAILABLE, later, words).into_response()
            }
            Self::Wait(wait) => {
                let words = format!("Too many failures. Wait {} s.\n", wait.seconds());
                let later = [(header::RETRY_AFTER, wait.seconds().to_string())];
                (StatusCode::TOO_MANY_REQUESTS, later, words).into_response()
            }
        }
    }
}

/// RFC 3986 percent-encoding of a path with its query, as the value of a query's field.
fn form_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity_of(method: Method, headers: &[(&str, &str)]) -> Activity {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        activity(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_page_that_loads_itself_again_is_nobodys_activity() {
        let navigates = ("sec-fetch-mode", "navigate");
        let opened = [navigates, ("sec-fetch-user", "?1")];
        assert_eq!(activity_of(Method::GET, &opened), Activity::Person);
        assert_eq!(activity_of(Method::GET, &[]), Activity::Person);
        assert_eq!(activity_of(Method::POST, &[navigates]), Activity::Person);
        // Without scripts, and by one.
        assert_eq!(activity_of(Method::GET, &[navigates]), Activity::Refresh);
        let fetched = [("sec-fetch-mode", "cors")];
        assert_eq!(activity_of(Method::GET, &fetched), Activity::Refresh);
    }
}
