//! The pages by which people come and go: login, logout, another password.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form, Router,
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::{Deserialize, Deserializer};

use super::{
    desk::Denied,
    password::{Password, PasswordError},
    record::Happened,
    users::UsersError,
    viewer::Viewer,
};
use crate::status::{Pages, doors::Peer, frame::Frame};

pub(in crate::status) fn routes() -> Router<Arc<Pages>> {
    Router::new()
        .route("/login", get(login_page).post(log_in))
        .route("/logout", post(log_out))
        .route("/password", get(password_page).post(change_password))
}

#[derive(Template)]
#[template(path = "login.html", config = ".askama.toml")]
struct LoginPage {
    frame: Frame,
    csrf: String,
    back: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "password.html", config = ".askama.toml")]
struct PasswordPage {
    frame: Frame,
    problem: String,
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    back: String,
}

#[derive(Deserialize)]
struct Credentials {
    csrf: String,
    name: String,
    #[serde(deserialize_with = "typed")]
    password: Password,
    #[serde(default)]
    back: String,
}

#[derive(Deserialize)]
struct NewPassword {
    #[serde(deserialize_with = "typed")]
    current: Password,
    #[serde(deserialize_with = "typed")]
    new: Password,
    #[serde(deserialize_with = "typed")]
    repeated: Password,
}

fn typed<'de, D: Deserializer<'de>>(field: D) -> Result<Password, D::Error> {
    String::deserialize(field).map(Password::new)
}

type Shared = State<Arc<Pages>>;

async fn login_page(
    State(pages): Shared,
    Query(Back { back }): Query<Back>,
    viewer: Viewer,
    headers: HeaderMap,
    frame: Frame,
) -> Response {
    if viewer.role.is_some() {
        return Redirect::to(inside(&back)).into_response();
    }
    let (csrf, cookie) = pages.access.visitor(&headers);
    let page = LoginPage {
        frame,
        csrf,
        back: inside(&back).to_owned(),
        problem: String::new(),
    };
    with_cookie(rendered(StatusCode::OK, &page), cookie)
}

async fn log_in(
    State(pages): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    frame: Frame,
    Form(form): Form<Credentials>,
) -> Response {
    let access = &pages.access;
    let found = access.authenticate(&form.name, form.password, peer.ip());
    let denied = match found.await {
        Ok(user) => {
            let user_name = user.name.as_str();
            access.record(Happened::LoggedIn { user: user_name }, peer.ip());
            let cookie = access.admit(&user);
            return with_cookie(Redirect::to(inside(&form.back)).into_response(), cookie);
        }
        Err(denied) => denied,
    };
    let page = LoginPage {
        problem: words(denied, &frame),
        frame,
        csrf: form.csrf,
        back: form.back,
    };
    answer(denied, rendered(StatusCode::UNAUTHORIZED, &page))
}

async fn log_out(
    State(pages): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Response {
    if let Some(user) = viewer.name() {
        pages.access.record(Happened::LoggedOut { user }, peer.ip());
    }
    let cookie = pages.access.dismiss(&headers);
    with_cookie(Redirect::to("/login").into_response(), cookie)
}

async fn password_page(viewer: Viewer, frame: Frame) -> Response {
    if viewer.user.is_none() {
        return Redirect::to("/").into_response();
    }
    let problem = String::new();
    rendered(StatusCode::OK, &PasswordPage { frame, problem })
}

async fn change_password(
    State(pages): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    viewer: Viewer,
    frame: Frame,
    headers: HeaderMap,
    Form(form): Form<NewPassword>,
) -> Response {
    let access = &pages.access;
    let (Some(name), Some(login)) = (viewer.user, &access.login) else {
        return Redirect::to("/").into_response();
    };
    let refuse = |frame: Frame, problem: String, denied| {
        let page = PasswordPage { frame, problem };
        answer(denied, rendered(StatusCode::UNPROCESSABLE_ENTITY, &page))
    };
    let same = form.new == form.current;
    let current = access.authenticate(name.as_str(), form.current, peer.ip());
    if let Err(denied) = current.await {
        let problem = words(denied, &frame);
        return refuse(frame, problem, denied);
    }
    if same || form.new != form.repeated {
        let key = if same {
            "password-same"
        } else {
            "password-differs"
        };
        let problem = frame.say(key);
        return refuse(frame, problem, Denied::Wrong);
    }
    match login.change_password(name, form.new).await {
        Ok(Some(user)) => {
            let name = user.name.as_str();
            access.record(Happened::PasswordChanged { user: name }, peer.ip());
            // Every session of the old password has ended; this one goes on under a new cookie.
            access.dismiss(&headers);
            with_cookie(Redirect::to("/").into_response(), access.admit(&user))
        }
        Err(UsersError::Password(err)) => {
            let key = match err {
                PasswordError::TooShort => "password-short",
                PasswordError::IsTheName => "password-name",
                _ => "password-unusable",
            };
            let problem = frame.say(key);
            refuse(frame, problem, Denied::Wrong)
        }
        failed => {
            if let Err(err) = failed {
                let error = &err as &dyn std::error::Error;
                tracing::error!(error, "a password was not changed");
            }
            let problem = frame.say("password-not-kept");
            refuse(frame, problem, Denied::Wrong)
        }
    }
}

fn words(denied: Denied, frame: &Frame) -> String {
    match denied {
        Denied::Wrong => frame.say("login-wrong"),
        Denied::Busy => frame.say("login-busy"),
        Denied::Wait(wait) => frame.tell("login-wait", &[("seconds", wait.seconds().into())]),
    }
}

/// The status and the headers are those of the refusal, the body is for people.
fn answer(denied: Denied, page: Response) -> Response {
    let refusal = match denied {
        Denied::Wrong => return page,
        Denied::Wait(_) | Denied::Busy => denied.into_response(),
    };
    let mut page = page;
    *page.status_mut() = refusal.status();
    if let Some(later) = refusal.headers().get(header::RETRY_AFTER) {
        page.headers_mut()
            .insert(header::RETRY_AFTER, later.clone());
    }
    page
}

fn rendered(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(err) => {
            let error = &err as &dyn std::error::Error;
            tracing::error!(error, "page not made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A path of ours, or the first page: a link must not use the login to lead people elsewhere.
fn inside(back: &str) -> &str {
    let path = back.strip_prefix('/');
    let plain = |c: char| c.is_ascii_graphic() && c != '\\';
    match path {
        Some(rest) if !rest.starts_with('/') && rest.chars().all(plain) => back,
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_back_into_the_page_and_nowhere_else() {
        for ours in ["/", "/series/1.2.3?lang=en", "/log"] {
            assert_eq!(inside(ours), ours);
        }
        for theirs in [
            "",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: a=b",
            "evil.example",
        ] {
            assert_eq!(inside(theirs), "/", "{theirs:?}");
        }
    }
}
