//! What is wrong with a configuration, in words for whoever edits the file.

use std::{fmt, path::PathBuf};

/// Why a configuration cannot be used. Shown as one line; a person must edit the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}:{line}:{column}: {message}")]
    Parse {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
    #[error("{path}: {problem}")]
    Invalid { path: PathBuf, problem: Problem },
}

/// What is well-formed but cannot work.
#[derive(Debug, PartialEq)]
pub enum Problem {
    DestinationNamedTwice(String),
    UnknownDestination {
        caller: String,
        name: String,
    },
    NotHostAndPort {
        destination: String,
        address: String,
    },
    NoAssociations,
    NoWayIn,
    NoClientCa,
    UnusedClientCa,
    CallerIsAnyone,
    CertificateNotAsked(String),
    /// Its destinations are never asked for.
    NeverDecides {
        caller: String,
        before: String,
    },
    NobodyVouches(String),
    CertificateWithoutKey(String),
    SyslogTls,
    KeepFiles(usize),
    QuietPeriodZero,
    Percent(u8),
    /// A certificate without a key, or the other way round.
    HalfAnIdentity,
    PatientsForAnybody,
    NoTimeToWork,
    WantsNothing(String),
    CommitmentWait(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DestinationNamedTwice(name) => {
                write!(f, "two destinations are named {name:?}")
            }
            Self::UnknownDestination { caller, name } => {
                write!(
                    f,
                    "caller {caller} names destination {name:?}, which does not exist"
                )
            }
            Self::NotHostAndPort {
                destination,
                address,
            } => write!(
                f,
                "destination {destination:?} has address {address:?}; host:port is needed"
            ),
            Self::NoWayIn => f.write_str(
                "listener.plain is false and there is no [listener.tls], so nobody could send",
            ),
            Self::NoClientCa => {
                f.write_str("listener.tls.client-certificates needs client-ca to judge them by")
            }
            Self::UnusedClientCa => f.write_str(
                "listener.tls.client-ca is given, but client-certificates is off; set it to \
                 optional or required",
            ),
            Self::CallerIsAnyone => f.write_str(
                "a [[caller]] names no ae-title, address or certificate, which would let anyone in",
            ),
            Self::CertificateNotAsked(caller) => write!(
                f,
                "caller {caller} must show a certificate, but [listener.tls] asks for none; set \
                 client-certificates to optional or required"
            ),
            Self::NeverDecides { caller, before } => write!(
                f,
                "caller {caller} has other destinations than {before}, which comes before it and takes \
                 the same callers; results go by AE title and address, not by certificate, so put the \
                 narrower one first or tell them apart"
            ),
            Self::NobodyVouches(whose) => write!(
                f,
                "{whose:?} has tls with neither ca nor pin, so nobody could vouch for it"
            ),
            Self::CertificateWithoutKey(whose) => write!(
                f,
                "{whose:?} has tls with a certificate or a key; both are needed, or neither"
            ),
            Self::SyslogTls => f.write_str(
                "audit.syslog and [audit.tls] go together: the trail is only sent encrypted",
            ),
            Self::KeepFiles(files) => {
                write!(f, "audit.keep-files is {files}; at least 2 are needed")
            }
            Self::NoAssociations => f.write_str("listener.max-associations must be at least 1"),
            Self::QuietPeriodZero => f.write_str("series.quiet-period must be longer than 0"),
            Self::Percent(value) => {
                write!(
                    f,
                    "retention.min-free-percent is {value}; 0 to 90 are allowed"
                )
            }
            Self::HalfAnIdentity => {
                f.write_str("status.certificate and status.key go together; give both or none")
            }
            Self::PatientsForAnybody => f.write_str(
                "status.show-patient needs a login, which a page on loopback has only with \
                 status.users",
            ),
            Self::NoTimeToWork => {
                f.write_str("status.idle-logout and status.longest-login must be longer than 0")
            }
            Self::WantsNothing(destination) => {
                write!(
                    f,
                    "destination {destination:?} has no objects; it would be sent nothing"
                )
            }
            Self::CommitmentWait(destination) => write!(
                f,
                "destination {destination:?} has a storage-commitment-wait that is not between 1s \
                 and 7days"
            ),
        }
    }
}
