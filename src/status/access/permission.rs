//! Which role a route needs.
//!
//! This is the whole table, and it is closed: what is not in it is answered to nobody, so a route
//! that was added without a thought about who may use it cannot be used at all.

use std::fmt;

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// What a user may do. Each may do what those before it may.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees the page.
    Viewer,
    /// Sends and segments again, tests destinations and the box, takes segmentations, which name
    /// their patient.
    Technician,
    /// Reads logs, takes support bundles, manages users.
    Administrator,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Technician, Self::Administrator];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Technician => "technician",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| "viewer, technician or administrator".to_owned())
    }
}

/// What a route asks of whoever calls it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needs {
    /// Answered to anybody: nothing about patients or the department is in it.
    Nothing,
    /// A login, whatever the role, even before a one-time password was replaced.
    Login,
    /// A login of this role or a higher one.
    Role(Role),
    /// A viewer's login, or the monitoring system's token.
    Monitoring,
}

/// How a route is called. HEAD counts as GET; nothing else is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Looks.
    Get,
    /// Acts.
    Post,
}

const VIEWER: Needs = Needs::Role(Role::Viewer);
const TECHNICIAN: Needs = Needs::Role(Role::Technician);
const ADMINISTRATOR: Needs = Needs::Role(Role::Administrator);

/// Every route of the page, by the router's pattern.
pub const ROUTES: &[(Verb, &str, Needs)] = &[
    (Verb::Get, "/healthz", Needs::Nothing),
    (Verb::Get, "/readyz", Needs::Nothing),
    (Verb::Get, "/assets/{name}", Needs::Nothing),
    (Verb::Get, "/login", Needs::Nothing),
    (Verb::Post, "/login", Needs::Nothing),
    (Verb::Post, "/logout", Needs::Login),
    (Verb::Get, "/password", Needs::Login),
    (Verb::Post, "/password", Needs::Login),
    (Verb::Get, "/metrics", Needs::Monitoring),
    (Verb::Get, "/api/status", Needs::Monitoring),
    (Verb::Get, "/api/events", VIEWER),
    (Verb::Get, "/", VIEWER),
    (Verb::Get, "/series/{id}", VIEWER),
    (Verb::Get, "/series/{id}/seg.dcm", TECHNICIAN),
    (Verb::Get, "/series/{id}/result.json", VIEWER),
    (Verb::Get, "/series/{id}/preview.png", VIEWER),
    (Verb::Get, "/series/{id}/slices/{file}", VIEWER),
    (Verb::Get, "/series/{id}/again/{order}", TECHNICIAN),
    (Verb::Post, "/series/{id}/again/{order}", TECHNICIAN),
    (Verb::Get, "/destinations", VIEWER),
    (Verb::Post, "/destinations/{name}/test", TECHNICIAN),
    (Verb::Get, "/box", VIEWER),
    (Verb::Post, "/box/self-test", TECHNICIAN),
    (Verb::Get, "/log", ADMINISTRATOR),
    (Verb::Get, "/support", ADMINISTRATOR),
    (Verb::Get, "/users", ADMINISTRATOR),
];

/// What calling `path`, a pattern of the router, asks for; `None`: it is not in the table.
#[must_use]
pub fn needs(method: &Method, path: &str) -> Option<Needs> {
    let verb = match *method {
        Method::GET | Method::HEAD => Verb::Get,
        Method::POST => Verb::Post,
        _ => return None,
    };
    let rule = ROUTES.iter().find(|(v, p, _)| *v == verb && *p == path);
    rule.map(|(_, _, needs)| *needs)
}

/// Whether a pattern of the router is in the table at all.
#[must_use]
pub fn is_declared(path: &str) -> bool {
    ROUTES.iter().any(|(_, declared, _)| *declared == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_below_it_may() {
        assert!(Role::Viewer < Role::Technician && Role::Technician < Role::Administrator);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn whatever_acts_on_results_or_the_box_needs_a_technician() {
        for (verb, path, needs) in ROUTES {
            let own = ["/login", "/logout", "/password"].contains(path);
            if *verb == Verb::Post && !own {
                let at_least = |least| matches!(needs, Needs::Role(role) if *role >= least);
                assert!(at_least(Role::Technician), "POST {path} needs {needs:?}");
            }
        }
    }

    #[test]
    fn what_is_answered_to_anybody_is_this_and_nothing_else() {
        let open = ROUTES.iter().filter(|rule| rule.2 == Needs::Nothing);
        let open: Vec<_> = open.map(|(_, path, _)| *path).collect();
        let expected = ["/healthz", "/readyz", "/assets/{name}", "/login", "/login"];
        assert_eq!(open, expected);
    }

    #[test]
    fn what_is_not_in_the_table_is_nobodys() {
        assert_eq!(needs(&Method::GET, "/metrics"), Some(Needs::Monitoring));
        assert_eq!(needs(&Method::HEAD, "/metrics"), Some(Needs::Monitoring));
        assert_eq!(needs(&Method::POST, "/metrics"), None);
        assert_eq!(needs(&Method::DELETE, "/"), None);
        assert_eq!(needs(&Method::GET, "/secret"), None);
    }
}
