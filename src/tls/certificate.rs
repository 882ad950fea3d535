//! What a certificate says: whose it is, and until when.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    str::FromStr,
    time::Duration,
};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::{extensions::GeneralName, prelude::FromDer, prelude::X509Certificate};

use super::TlsError;

/// How long before its expiry a certificate is worth a warning: time enough to have one issued.
pub const WARN_AHEAD: Duration = Duration::from_hours(30 * 24);

/// The end-entity certificate of a side, as far as people and rules need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    pub fingerprint: Fingerprint,
    /// Subject common name; `None` where there is none.
    pub common_name: Option<String>,
    /// Subject alternative names: DNS names, addresses and mail addresses as text.
    pub names: Vec<String>,
    pub starts: Timestamp,
    pub expires: Timestamp,
}

impl Certificate {
    /// Reads a DER certificate. `Err`: what is wrong with it.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|err| err.to_string())?;
        let time = |seconds| Timestamp::from_second(seconds).map_err(|err| err.to_string());
        let common_name = parsed
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok().map(str::to_owned));
        let alternatives = parsed
            .subject_alternative_name()
            .map_err(|err| err.to_string())?;
        let names = alternatives
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(text)
            .collect();
        Ok(Self {
            fingerprint: Fingerprint::of(der),
            common_name,
            names,
            starts: time(parsed.validity().not_before.timestamp())?,
            expires: time(parsed.validity().not_after.timestamp())?,
        })
    }

    /// Common name, else the first alternative name, else the fingerprint.
    pub fn name(&self) -> String {
        let named = self.common_name.as_ref().or(self.names.first());
        named.map_or_else(|| self.fingerprint.to_string(), Clone::clone)
    }

    /// Whether `name` is its common name or one of its alternative names. Case does not count.
    pub fn is_named(&self, name: &str) -> bool {
        self.common_name
            .iter()
            .chain(&self.names)
            .any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// What is wrong with when a certificate is valid, or soon will be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Validity {
    /// It has expired.
    Over,
    /// Its time has not come, or the clock is wrong.
    ToCome,
    /// It expires within [`WARN_AHEAD`], in so many whole days.
    Ending { days: u64 },
}

impl Validity {
    /// At `now`, of a certificate that is valid from `starts` to `expires`. `None`: it is good for
    /// longer than [`WARN_AHEAD`].
    #[must_use]
    pub fn at(now: Timestamp, starts: Timestamp, expires: Timestamp) -> Option<Self> {
        if now >= expires {
            return Some(Self::Over);
        }
        if now < starts {
            return Some(Self::ToCome);
        }
        let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
        let days = left.as_secs() / (24 * 3600);
        (left <= WARN_AHEAD).then_some(Self::Ending { days })
    }
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                Some(Ipv4Addr::from(v4).to_string())
            } else {
                let v6 = <[u8; 16]>::try_from(*bytes).ok()?;
                Some(Ipv6Addr::from(v6).to_string())
            }
        }
        _ => None,
    }
}

/// The PEM certificates in a file, the end entity first; at least one.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|err| TlsError::Malformed {
        path: path.to_owned(),
        reason: err.to_string(),
    })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

/// SHA-256 of a certificate in DER. Written as OpenSSL does, `AB:CD:…`; read with or without colons
/// and a `sha256:` before it.
#[derive(Clone, Copy, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no SHA-256 fingerprint: 64 hexadecimal digits are needed, colons between them are allowed"
)]
pub struct FingerprintError(String);

impl Fingerprint {
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FingerprintError(text.to_owned());
        let digits = match text.split_at_checked(7) {
            Some((algorithm, digits)) if algorithm.eq_ignore_ascii_case("sha256:") => digits,
            _ => text,
        };
        let digits: Vec<u8> = digits
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(wrong());
        }
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        Ok(Self(bytes.try_into().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
