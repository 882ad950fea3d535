//! Who looks at a page, as handlers and templates know them.

use std::{convert::Infallible, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{Method, request::Parts},
};

use super::{
    permission::{Needs, Role, needs},
    token::{Digest, Token},
    users::UserName,
};
use crate::audit::Actor;

/// Put into each request by the gate. A form that acts must carry [`Self::csrf`] as its field
/// `csrf`, a script as the header `x-csrf-token`.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    /// `None` on loopback without login, and before a login.
    pub(super) user: Option<UserName>,
    /// `None` before a login.
    pub(super) role: Option<Role>,
    pub(super) csrf: Option<Token>,
    /// The login's cookie, where there is a login.
    pub(super) session: Option<Digest>,
    /// Where the request came from.
    pub(super) address: Option<IpAddr>,
    pub(super) patients: bool,
    pub(super) must_change: bool,
}

impl Viewer {
    /// Whoever uses a page on loopback without login.
    pub(in crate::status) fn on_the_box(csrf: Token) -> Self {
        Self {
            role: Some(Role::Administrator),
            csrf: Some(csrf),
            ..Self::default()
        }
    }

    /// What the user is called, for the page's head.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.user.as_ref().map(UserName::as_str)
    }

    /// Who the audit trail says it was.
    pub(in crate::status) fn actor(&self) -> Actor {
        Actor {
            user: self.name().map(ToOwned::to_owned),
            from: self.address,
        }
    }

    #[must_use]
    pub fn csrf(&self) -> &str {
        self.csrf.as_ref().map_or("", Token::as_str)
    }

    /// Whether to show what only a technician can use. The gate decides, this only spares a click.
    #[must_use]
    pub fn is_technician(&self) -> bool {
        self.role >= Some(Role::Technician)
    }

    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.role >= Some(Role::Administrator)
    }

    /// Whether the page at `path`, a pattern of the router, is shown to this viewer.
    #[must_use]
    pub fn may_see(&self, path: &str) -> bool {
        match needs(&Method::GET, path) {
            Some(Needs::Role(least)) => self.role >= Some(least),
            _ => true,
        }
    }

    /// Whether there is anything to navigate to: not before a login.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        self.role.is_some() && !self.must_change
    }

    /// Whether the password must be replaced before anything else.
    #[must_use]
    pub fn must_change(&self) -> bool {
        self.must_change
    }

    /// Whether patients' names and identifiers may be shown: configured, and to a user.
    #[must_use]
    pub fn sees_patients(&self) -> bool {
        self.patients && self.user.is_some()
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Without the gate nobody is known, and nothing is shown to nobody.
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
