//! The page that tells an administrator who may log in, with what role, and who is locked out.
//!
//! It only looks: users are added, changed and removed by `hepar user`, by whoever may log in to
//! the box itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use askama::Template;
use axum::{Router, extract::State, response::Html, routing::get};
use jiff::Timestamp;

use super::permission::Role;
use crate::status::{
    Pages, clock,
    frame::Frame,
    server::{PageError, off_runtime},
};

/// One user, as the page shows them.
#[derive(Debug, PartialEq)]
pub(super) struct Person {
    pub name: String,
    pub role: Role,
    /// Has a password that somebody else set, and has not replaced it yet.
    pub must_change: bool,
    /// Since the start.
    pub last_login: Option<Timestamp>,
    /// For how long no password is looked at; `None`: a login may be tried.
    pub locked_for: Option<Duration>,
}

#[derive(Template)]
#[template(path = "users.html", config = ".askama.toml")]
struct UsersPage {
    frame: Frame,
    /// `None`: nobody has to log in.
    people: Option<Vec<Person>>,
    command: String,
}

impl UsersPage {
    fn role(&self, person: &Person) -> String {
        self.frame.say(&format!("role-{}", person.role))
    }

    fn last_login(&self, person: &Person) -> String {
        let last = person.last_login.as_ref().map(clock::date_and_time);
        last.unwrap_or_else(|| self.frame.say("users-no-login"))
    }

    /// Empty for whoever may log in as usual.
    fn remarks(&self, person: &Person) -> String {
        let locked = person.locked_for.map(|left| {
            let minutes = left.as_secs().div_ceil(60);
            self.frame
                .tell("users-locked", &[("minutes", minutes.into())])
        });
        let one_time = person.must_change.then(|| self.frame.say("users-one-time"));
        let remarks: Vec<String> = locked.into_iter().chain(one_time).collect();
        remarks.join("; ")
    }
}

pub(in crate::status) fn routes() -> Router<Arc<Pages>> {
    Router::new().route("/users", get(users_page))
}

async fn users_page(
    State(pages): State<Arc<Pages>>,
    frame: Frame,
) -> Result<Html<String>, PageError> {
    let people = pages.access.people(Instant::now()).await;
    off_runtime(move || {
        let path = pages.config.users_file();
        let page = UsersPage {
            frame,
            people,
            command: format!(
                "hepar user add NAME --role technician --one-time   # {}",
                path.display()
            ),
        };
        Ok(Html(page.render()?))
    })
    .await
}
