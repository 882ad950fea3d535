//! What is wrong with a configuration, in words for whoever edits the file.

use std::{fmt, path::PathBuf};

use crate::dicom::AeTitle;

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
        caller: AeTitle,
        name: String,
    },
    NotHostAndPort {
        destination: String,
        address: String,
    },
    NoAssociations,
    QuietPeriodZero,
    Percent(u8),
    /// A certificate without a key, or the other way round.
    HalfAnIdentity,
    PatientsForAnybody,
    NoTimeToWork,
    WantsNothing(String),
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
        }
    }
}
