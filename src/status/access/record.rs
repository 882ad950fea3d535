//! What happens at the door, for the log and the audit trail.

use std::net::IpAddr;

use super::{permission::Role, throttle::Wait};
use crate::audit::{Actor, Event};

/// Something that somebody may ask about later. `user` is the name of a user, or `?`: what else was
/// typed as a name may be a password in the wrong field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happened<'a> {
    LoggedIn {
        user: &'a str,
    },
    LoginFailed {
        user: &'a str,
    },
    LockedOut {
        user: &'a str,
    },
    /// Not even looked at.
    TooSoon {
        user: &'a str,
        wait: Wait,
    },
    LoggedOut {
        user: &'a str,
    },
    PasswordChanged {
        user: &'a str,
    },
    Refused {
        user: &'a str,
        role: Role,
        path: &'a str,
    },
    CrossSite {
        path: &'a str,
    },
    WrongToken,
}

impl Happened<'_> {
    /// Whether nothing but a count keeps somebody from having it happen for ever.
    pub(super) fn is_unthrottled(&self) -> bool {
        matches!(self, Self::CrossSite { .. })
    }
}

/// One line of the log, so that whoever is on the phone can search for the address.
pub(super) fn log(happened: Happened<'_>, address: IpAddr) {
    match happened {
        Happened::LoggedIn { user } => tracing::info!(user, %address, "logged in"),
        Happened::LoginFailed { user } => tracing::warn!(user, %address, "login failed"),
        Happened::LockedOut { user } => {
            tracing::warn!(user, %address, "locked out after too many failed logins");
        }
        Happened::TooSoon { user, wait } => tracing::debug!(
            user, %address, seconds = wait.left.as_secs(), locked = wait.locked,
            "login refused unread"
        ),
        Happened::LoggedOut { user } => tracing::info!(user, %address, "logged out"),
        Happened::PasswordChanged { user } => tracing::info!(user, %address, "password changed"),
        Happened::Refused { user, role, path } => {
            tracing::warn!(user, %role, path, %address, "not allowed for this role");
        }
        Happened::CrossSite { path } => {
            tracing::warn!(path, %address, "refused what another site had sent");
        }
        Happened::WrongToken => tracing::warn!(%address, "wrong monitoring token"),
    }
}

/// What of it the audit trail is told (PS3.15 A.5.3), which writes down only some a minute of what
/// strangers can cause. Logins that were not looked at are not told: the failures before them were.
pub(super) fn event(happened: Happened<'_>, address: IpAddr) -> Option<Event> {
    let by = |user: &str| Actor {
        user: Some(user.to_owned()),
        from: Some(address),
    };
    let nobody = Actor {
        user: None,
        from: Some(address),
    };
    let event = match happened {
        Happened::LoggedIn { user } => Event::Login(by(user)),
        Happened::LoginFailed { user } => Event::LoginFailed(by(user)),
        Happened::LockedOut { user } => Event::LockedOut(by(user)),
        Happened::TooSoon { .. } => return None,
        Happened::LoggedOut { user } => Event::Logout(by(user)),
        Happened::PasswordChanged { user } => Event::ConfigurationChanged {
            by: by(user),
            what: format!("the password of {user}"),
        },
        Happened::Refused { user, role, path } => Event::Forbidden {
            by: by(user),
            what: format!("{path}, for which the role {role} is needed"),
        },
        Happened::CrossSite { path } => Event::Forbidden {
            by: nobody,
            what: format!("{path}, sent by another site"),
        },
        Happened::WrongToken => Event::LoginFailed(by("monitoring token")),
    };
    Some(event)
}
