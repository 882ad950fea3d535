//! Certificates and encrypted connections, shared by the listener, the destinations, the audit
//! record's way out and the page.
//!
//! What goes wrong here either lets a stranger send, or stops a department because a certificate
//! expired over night; so expiry is known ahead ([`Certificate::expires`]), and a connection that
//! does not come about says why and who must act ([`Problem`]).
//!
//! The connections conform to the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile of
//! DICOM PS3.15 B.12: TLS 1.3 and 1.2, and of the latter only the suites with ephemeral
//! elliptic-curve keys and authenticated encryption. TLS 1.1, 1.0 and SSL are refused, and nothing
//! ever falls back to plain text. Peers set to the retired BCP 195 profile or its non-downgrading
//! form (PS3.15 B.9, B.10) find suites in common; those that can only do the AES profile's
//! `TLS_RSA_WITH_AES_128_CBC_SHA` do not.
//!
//! Certificates and authorities are PEM files, keys come through [`secrets`](crate::secrets). All
//! are read at the start; a renewed certificate is in force after a restart.

#![deny(clippy::indexing_slicing)]

mod certificate;
mod client;
mod identity;
mod problem;
mod self_signed;
mod server;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use rustls::RootCertStore;

pub use certificate::{Certificate, Fingerprint, FingerprintError, Validity, WARN_AHEAD};
pub use client::{Client, PeerRule, client_config, server_name};
pub use identity::Identity;
pub use problem::Problem;
pub use self_signed::{SelfSigned, self_signed};
pub use server::{ClientCertificates, Server, server_config};

use crate::{dicom::Remedy, secrets::SecretError};

/// Why certificates or keys cannot be used. A person must change a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the certificate file {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} holds no PEM certificate")]
    NoCertificate { path: PathBuf },
    #[error("a certificate in {path} is not readable: {reason}")]
    Malformed { path: PathBuf, reason: String },
    #[error("cannot use the private key {place}")]
    Key { place: String, source: SecretError },
    #[error("{place} holds no PEM private key")]
    NoKey { place: String },
    #[error("the private key {place} cannot be used: {reason}")]
    UnusableKey { place: String, reason: String },
    #[error("the private key {place} does not belong to the certificate {certificate}")]
    KeyMismatch { place: String, certificate: PathBuf },
    #[error("TLS cannot be set up: {0}")]
    SetUp(String),
}

impl TlsError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// Reads the authorities in a PEM file.
pub fn authorities(path: &std::path::Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for der in certificate::read_chain(path)? {
        roots.add(der).map_err(|err| TlsError::Malformed {
            path: path.to_owned(),
            reason: err.to_string(),
        })?;
    }
    Ok(roots)
}

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}

/// RFC 8996: nothing below 1.2.
const VERSIONS: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];
