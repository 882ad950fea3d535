//! What is wrong with a configuration, in words for whoever edits the file.

use std::{fmt, net::SocketAddr, path::PathBuf};

use super::ObjectKind;
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
    PageBeyondLoopback(SocketAddr),
    NotBuilt {
        destination: String,
        object: ObjectKind,
    },
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
            Self::PageBeyondLoopback(address) => write!(
                f,
                "status.address {address} is beyond loopback; the page has no login yet, so use \
                 127.0.0.1 and a tunnel or a reverse proxy with a login"
            ),
            Self::NotBuilt {
                destination,
                object,
            } => write!(
                f,
                "destination {destination:?} asks for {object:?} objects, which this version does not make"
            ),
        }
    }
}
