//! Why an encrypted connection did not come about, in words that say who must act.

use std::{error::Error as StdError, io};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::client::PinDiffers;
use crate::dicom::Remedy;

/// What stands in the way of an encrypted connection. `Display` completes "the peer ...".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("has a certificate that expired; its owner must renew it")]
    Expired,
    #[error("has a certificate that is not valid yet; compare the clocks of both sides")]
    NotValidYet,
    #[error("has a certificate that no authority configured here vouches for; check the ca file")]
    UnknownAuthority,
    #[error("has a certificate for another name; set name to one the certificate bears")]
    OtherName,
    #[error("is not the pinned one: {0}; ask its owner before the pin is changed")]
    PinDiffers(String),
    #[error("shows no certificate, and one is required here; give it one")]
    NoCertificate,
    #[error("has a certificate that cannot be used: {0}; its owner must replace it")]
    BadCertificate(String),
    #[error(
        "does not speak TLS; if it speaks plain DICOM, use the plain port or switch its TLS on"
    )]
    NotTls,
    #[error(
        "speaks only TLS versions or ciphers that are no longer safe; update or reconfigure it"
    )]
    OldTls,
    #[error(
        "speaks TLS where plain DICOM was expected; use the other port, or configure TLS for it"
    )]
    OnlyTls,
    #[error(
        "demands a certificate of ours that it trusts; give it our authority, and us a certificate"
    )]
    WantsOurCertificate,
    #[error("does not trust our certificate ({0}); give it our authority, or us a new certificate")]
    DistrustsUs(&'static str),
    #[error(
        "refused the handshake: it shares no cipher with us, or demands a certificate; its log says \
         which"
    )]
    Refused,
    #[error("did not finish the handshake in time")]
    TimedOut,
    #[error("closed the connection during the handshake; its log says why")]
    Closed,
    #[error("violated TLS: {0}")]
    Violation(String),
}

impl Problem {
    /// What is behind an I/O error of an encrypted connection; `None` when the network is.
    pub fn behind(err: &io::Error) -> Option<Self> {
        let mut cause: Option<&(dyn StdError + 'static)> = err.get_ref().map(|inner| inner as _);
        while let Some(inner) = cause {
            if let Some(err) = inner.downcast_ref::<Error>() {
                return Some(Self::from(err));
            }
            cause = inner.source();
        }
        None
    }

    /// As [`Self::behind`], for an error in the handshake, where a connection that just ends has a
    /// reason too.
    pub fn in_handshake(err: &io::Error) -> Self {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
        Self::behind(err).unwrap_or_else(|| match err.kind() {
            TimedOut => Self::TimedOut,
            UnexpectedEof | ConnectionReset | ConnectionAborted => Self::Closed,
            _ => Self::Violation(err.to_string()),
        })
    }

    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::TimedOut | Self::Closed => Remedy::Wait,
            _ => Remedy::Service,
        }
    }
}

impl From<&Error> for Problem {
    fn from(err: &Error) -> Self {
        match err {
            Error::InvalidCertificate(err) => err.into(),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::NoCipherSuitesInCommon
                | PeerIncompatible::NoKxGroupsInCommon
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::NoSignatureSchemesInCommon
                | PeerIncompatible::EcPointsExtensionRequired
                | PeerIncompatible::NamedGroupsExtensionRequired,
            ) => Self::OldTls,
            Error::AlertReceived(alert) => (*alert).into(),
            other => Self::Violation(other.to_string()),
        }
    }
}

impl From<&CertificateError> for Problem {
    fn from(err: &CertificateError) -> Self {
        match err {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotValidYet
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<PinDiffers>() {
                Some(differs) => Self::PinDiffers(differs.to_string()),
                None => Self::BadCertificate(other.to_string()),
            },
            other => Self::BadCertificate(other.to_string()),
        }
    }
}

impl From<AlertDescription> for Problem {
    fn from(alert: AlertDescription) -> Self {
        use AlertDescription as Alert;
        match alert {
            Alert::CertificateRequired | Alert::NoCertificate => Self::WantsOurCertificate,
            Alert::CertificateExpired => Self::DistrustsUs("it expired"),
            Alert::UnknownCA => Self::DistrustsUs("unknown authority"),
            Alert::CertificateRevoked => Self::DistrustsUs("it was revoked"),
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::AccessDenied
            | Alert::DecryptError => Self::DistrustsUs("it was refused"),
            Alert::ProtocolVersion | Alert::InsufficientSecurity => Self::OldTls,
            Alert::HandshakeFailure => Self::Refused,
            other => Self::Violation(format!("it sent the alert {other:?}")),
        }
    }
}
