//! Certificates and keys as the configuration names them: by their places, never by their bytes.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::{
    secrets::SecretPlace,
    tls::{self, ClientCertificates, Fingerprint, Identity, PeerRule, Server, TlsError},
};

/// `[listener.tls]`: a port for encrypted associations, beside or instead of the plain one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenerTls {
    #[serde(default = "dicom_tls")]
    pub address: SocketAddr,
    /// PEM, our certificate first, then those between it and the authority.
    pub certificate: PathBuf,
    /// PEM, in a file with mode 0600 or as `credential:NAME`.
    pub key: SecretPlace,
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// PEM: the authorities whose client certificates are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

impl ListenerTls {
    pub(super) fn check(&self) -> Result<(), Problem> {
        match (self.client_certificates, &self.client_ca) {
            (ClientCertificates::Off, Some(_)) => Err(Problem::UnusedClientCa),
            (ClientCertificates::Optional | ClientCertificates::Required, None) => {
                Err(Problem::NoClientCa)
            }
            _ => Ok(()),
        }
    }

    /// Reads certificate, key and authorities.
    pub fn load(&self) -> Result<Server, TlsError> {
        let identity = Identity::load(&self.certificate, &self.key)?;
        let authorities = self
            .client_ca
            .as_deref()
            .map(tls::authorities)
            .transpose()?;
        Ok(Server {
            config: tls::server_config(&identity, authorities, self.client_certificates)?,
            certificate: identity.certificate().clone(),
        })
    }
}

/// How a peer that we call is believed, and who we are to it. At least one of `ca` and `pin`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerTls {
    /// PEM: authorities that may vouch for the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// SHA-256 of the peer's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<Fingerprint>,
    /// The name that the peer's certificate bears; `None`: the host of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// PEM: what we show a peer that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretPlace>,
}

impl PeerTls {
    /// `whose`: the destination's name, for the message.
    pub(super) fn check(&self, whose: &str) -> Result<(), Problem> {
        if self.ca.is_none() && self.pin.is_none() {
            return Err(Problem::NobodyVouches(whose.to_owned()));
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err(Problem::CertificateWithoutKey(whose.to_owned()));
        }
        Ok(())
    }

    /// Reads authorities, certificate and key, for a peer at `address` (host and port).
    pub fn load(&self, address: &str) -> Result<tls::Client, TlsError> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(Identity::load(certificate, key)?),
            _ => None,
        };
        let rule = PeerRule {
            authorities: self.ca.as_deref().map(tls::authorities).transpose()?,
            pin: self.pin,
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        Ok(tls::Client {
            config: tls::client_config(rule, identity.as_ref())?,
            name: tls::server_name(self.name.as_deref().unwrap_or(host))?,
            certificate: identity.map(|identity| identity.certificate().clone()),
        })
    }
}

/// The port that IANA gave DICOM over TLS.
fn dicom_tls() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 2762))
}
