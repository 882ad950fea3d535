//! What the page needs before it can be served: its certificate and the monitoring system's token; and
//! why it cannot be.

use std::{net::SocketAddr, path::PathBuf};

use super::{password::PasswordError, token::Digest, users::UsersError};
use crate::{
    config::Config,
    dicom::Remedy,
    secrets::{Secret, SecretError},
    tls::{self, ClientCertificates, Identity, TlsError},
};

/// Why the page cannot be served as configured. A person must act.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(
        "the page on {address} is for users only, and {path} names none; add one with \
         `hepar user add NAME --role administrator`"
    )]
    Nobody { address: SocketAddr, path: PathBuf },
    #[error("the page on {address} is for users only")]
    Users {
        address: SocketAddr,
        source: UsersError,
    },
    #[error(
        "the page on {address} needs a certificate and its key; name them as status.certificate \
         and status.key, or have them made with `hepar provision`"
    )]
    Certificate {
        address: SocketAddr,
        source: TlsError,
    },
    #[error("the monitoring token cannot be used")]
    MonitoringToken(#[source] SecretError),
    #[error("the monitoring token needs at least 20 characters")]
    WeakMonitoringToken,
    #[error("passwords cannot be hashed")]
    Hashing(#[source] PasswordError),
}

impl AccessError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

pub(super) fn page_tls(config: &Config) -> Result<tls::Server, AccessError> {
    let failed = |source| AccessError::Certificate {
        address: config.status.address,
        source,
    };
    let (certificate, key) = config.page_identity();
    let identity = Identity::load(&certificate, &key).map_err(failed)?;
    let config = tls::server_config(&identity, None, ClientCertificates::Off).map_err(failed)?;
    Ok(tls::Server {
        config,
        certificate: identity.certificate().clone(),
    })
}

pub(super) fn monitoring_token(config: &Config) -> Result<Option<Digest>, AccessError> {
    let Some(place) = &config.status.monitoring_token else {
        return Ok(None);
    };
    let secret = Secret::read(place).map_err(AccessError::MonitoringToken)?;
    let token = String::from_utf8_lossy(secret.bytes());
    let token = token.trim();
    if token.len() < 20 {
        return Err(AccessError::WeakMonitoringToken);
    }
    Ok(Some(Digest::of(token)))
}
