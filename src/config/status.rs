use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Config, Problem};
use crate::secrets::SecretPlace;

/// The page. On loopback it needs nothing of all this; beyond it, TLS and users.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Status {
    pub address: SocketAddr,
    /// The users file. `None`: `users.toml` in the state directory. Given, a login is needed on
    /// loopback too, as behind a proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<PathBuf>,
    /// The certificate chain, PEM. `None`: `page/certificate.pem` in the state directory. Given, the
    /// page is served by TLS on loopback too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key, PEM. `None`: `page/key.pem` in the state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretPlace>,
    /// Whether users see patients' names and identifiers. Nobody else ever does.
    pub show_patient: bool,
    /// A file with the token by which a monitoring system reads `/metrics` and `/api/status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring_token: Option<SecretPlace>,
    /// A login ends when nobody has clicked for this long.
    #[serde(with = "humantime_serde")]
    pub idle_logout: Duration,
    /// A login ends after this, whatever is done.
    #[serde(with = "humantime_serde")]
    pub longest_login: Duration,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            users: None,
            certificate: None,
            key: None,
            show_patient: false,
            monitoring_token: None,
            idle_logout: Duration::from_mins(30),
            longest_login: Duration::from_hours(12),
        }
    }
}

impl Status {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err(Problem::HalfAnIdentity);
        }
        if self.show_patient && !self.needs_login() {
            return Err(Problem::PatientsForAnybody);
        }
        if self.idle_logout.is_zero() || self.longest_login.is_zero() {
            return Err(Problem::NoTimeToWork);
        }
        Ok(())
    }

    /// Whether the page is for users only.
    #[must_use]
    pub fn needs_login(&self) -> bool {
        !self.address.ip().is_loopback() || self.users.is_some()
    }

    /// Whether the page is served by TLS only.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        !self.address.ip().is_loopback() || self.certificate.is_some()
    }
}

impl Config {
    /// Where the page's users are.
    #[must_use]
    pub fn users_file(&self) -> PathBuf {
        let configured = self.status.users.clone();
        configured.unwrap_or_else(|| self.state_dir().join("users.toml"))
    }

    /// Where the page's certificate and its key are.
    #[must_use]
    pub fn page_identity(&self) -> (PathBuf, SecretPlace) {
        if let (Some(certificate), Some(key)) = (&self.status.certificate, &self.status.key) {
            return (certificate.clone(), key.clone());
        }
        let page = self.state_dir().join("page");
        let key = SecretPlace::File(page.join("key.pem"));
        (page.join("certificate.pem"), key)
    }
}
