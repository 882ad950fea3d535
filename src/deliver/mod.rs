//! Back to the PACS: C-STORE, and the request to commit to it, as the requestor.
//!
//! A result that never arrives is as bad as none, and one that arrives twice is worse than late. An
//! object therefore counts as delivered only when the peer has said so for that very request, and
//! whatever else happens has its own words, because the person who reads them is on the phone with
//! the PACS administrator.
//!
//! Everything here blocks; each destination has a thread of its own.

#![deny(clippy::indexing_slicing)]

mod association;
mod backoff;
mod commitment;
mod connection;
mod echo;
mod exchange;
mod object;

#[cfg(test)]
mod tests;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use association::{Association, Proposal};
pub use backoff::backoff;
pub use commitment::{Commitments, Hear};
pub use echo::{EchoReport, echo};
use object::{Object, is_plain};

use tokio_util::sync::CancellationToken;

use crate::{
    dicom::{AeTitle, DimseStatus, Remedy, Trouble, TroubleKind, Uid, sop_class},
    tls::{self, Problem},
};

/// A peer that stores what we make.
#[derive(Clone, Debug)]
pub struct Destination {
    /// What people call it.
    pub name: String,
    pub ae_title: AeTitle,
    /// Host and port.
    pub address: String,
    /// Ours.
    pub calling_ae: AeTitle,
    /// `None`: the association is not encrypted.
    pub tls: Option<tls::Client>,
    /// Objects go deflated where the peer takes them so.
    pub deflate: bool,
    /// It is asked to answer for what it stored, and has this long to report; `None`: it is not asked.
    pub commitment: Option<Duration>,
    pub timeouts: Timeouts,
}

/// How long a peer may take before it counts as stalled.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// For the answer to the association request, and to the release.
    pub negotiation: Duration,
    /// For taking a message, besides the time it needs on the slowest link.
    pub write: Duration,
    /// Bytes a second below which a link counts as stalled.
    pub slowest_link: u64,
    /// For the response, once the message is out: an archive may index before it answers.
    pub response: Duration,
}

impl Destination {
    pub fn new(name: &str, ae_title: AeTitle, address: &str, calling_ae: AeTitle) -> Self {
        Self {
            name: name.to_owned(),
            ae_title,
            address: address.to_owned(),
            calling_ae,
            tls: None,
            deflate: false,
            commitment: None,
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                negotiation: Duration::from_secs(20),
                write: Duration::from_secs(30),
                slowest_link: 32 * 1024,
                response: Duration::from_mins(1),
            },
        }
    }
}

/// An object to be stored, as a Part 10 file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub path: PathBuf,
}

/// Why an object is not delivered. Cloned where one cause concerns several objects.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeliverError {
    #[error("could not read {} to send it", path.display())]
    Unreadable {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("{} is not a DICOM file that can be sent: {reason}", path.display())]
    NotSendable { path: PathBuf, reason: String },
    #[error("{name} could not be reached at {address}")]
    Unreachable {
        name: String,
        address: String,
        source: Arc<io::Error>,
    },
    #[error("no encrypted connection to {name}: it {problem}")]
    Tls { name: String, problem: Problem },
    #[error("stopping, so {name} does not get it before the next start")]
    Stopped { name: String },
    #[error("{name} refused the association: {reason}")]
    Refused {
        name: String,
        reason: String,
        remedy: Remedy,
    },
    #[error("{name} takes no {class}: {reason}")]
    NoPresentationContext {
        name: String,
        class: String,
        reason: &'static str,
    },
    #[error("{name} answered with status {status}{}", said(comment.as_deref()))]
    Status {
        name: String,
        status: DimseStatus,
        comment: Option<String>,
    },
    #[error("{name} aborted the association while we {step}")]
    Aborted { name: String, step: &'static str },
    #[error("{name} timed out while we {step}")]
    TimedOut { name: String, step: &'static str },
    #[error("the connection to {name} broke while we {step}")]
    Broken {
        name: String,
        step: &'static str,
        source: Arc<io::Error>,
    },
    #[error("{name} violated the protocol while we {step}: {violation}")]
    Violation {
        name: String,
        step: &'static str,
        violation: String,
    },
}

fn said(comment: Option<&str>) -> String {
    comment.map_or_else(String::new, |comment| format!(", saying {comment:?}"))
}

impl DeliverError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable { .. }
            | Self::Aborted { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. } => Remedy::Wait,
            Self::Stopped { .. } => Remedy::Wait,
            Self::Tls { problem, .. } => problem.remedy(),
            Self::Refused { remedy, .. } => *remedy,
            // Out of resources and resource limitation; processing failure may pass as well.
            Self::Status {
                status: DimseStatus(0xA700..=0xA7FF | 0x0110 | 0x0213),
                ..
            } => Remedy::Wait,
            Self::Status { .. }
            | Self::Unreadable { .. }
            | Self::NotSendable { .. }
            | Self::NoPresentationContext { .. }
            | Self::Violation { .. } => Remedy::Service,
        }
    }

    #[must_use]
    pub fn trouble(&self) -> Trouble {
        let kind = match self {
            Self::Unreadable { .. } | Self::NotSendable { .. } => TroubleKind::NotSendable,
            Self::Unreachable { .. } => TroubleKind::Unreachable,
            Self::Tls { .. } => TroubleKind::Tls,
            Self::Stopped { .. } => TroubleKind::Stopping,
            Self::Refused { .. } => TroubleKind::AssociationRefused,
            Self::NoPresentationContext { .. } => TroubleKind::ClassNotTaken,
            Self::Status { .. } => TroubleKind::ErrorStatus,
            Self::Aborted { .. } => TroubleKind::Aborted,
            Self::TimedOut { .. } => TroubleKind::TimedOut,
            Self::Broken { .. } => TroubleKind::ConnectionBroken,
            Self::Violation { .. } => TroubleKind::ProtocolViolated,
        };
        Trouble::new(kind, self.to_string())
    }

    /// Whether the object itself is at fault, and not the peer.
    #[must_use]
    pub fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::NotSendable { .. })
    }

    /// Whether it would be the same however often it is tried: the file is gone or is damaged.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
            other => other.is_of_the_file(),
        }
    }

    /// Whether the association went with it. After a message that was cut short the peer could take
    /// the next one for its end, so nothing more may be said on it.
    #[must_use]
    pub fn ends_the_association(&self) -> bool {
        matches!(
            self,
            Self::Aborted { .. }
                | Self::Stopped { .. }
                | Self::Tls { .. }
                | Self::TimedOut { .. }
                | Self::Broken { .. }
                | Self::Violation { .. }
        )
    }
}

/// Stores `objects`, in order; the results are in the same order.
pub fn store(
    destination: &Destination,
    objects: &[Outgoing],
    stop: &CancellationToken,
) -> Vec<Result<DimseStatus, DeliverError>> {
    let mut sending = Sending::new(destination, objects, stop);
    objects.iter().map(|object| sending.store(object)).collect()
}

/// Objects on their way to a destination, one after the other over one association.
///
/// When an association is lost in the middle, a new one is opened for the rest, until two in a row
/// were lost for nothing. When `stop` is cancelled, the object in hand has three seconds to get
/// through; the rest is not begun.
pub struct Sending<'a> {
    destination: &'a Destination,
    stop: &'a CancellationToken,
    proposals: Vec<Proposal>,
    association: Option<Association>,
    lost_in_vain: u32,
    /// Why the next object would not get through either.
    hopeless: Option<DeliverError>,
}

impl<'a> Sending<'a> {
    /// `objects`: all that may be stored, so that the association has a context for each.
    pub fn new(
        destination: &'a Destination,
        objects: &[Outgoing],
        stop: &'a CancellationToken,
    ) -> Self {
        Self {
            destination,
            stop,
            proposals: proposals(objects, destination.deflate),
            association: None,
            lost_in_vain: 0,
            hopeless: None,
        }
    }

    /// `Ok` is a status with which the peer keeps the object.
    pub fn store(&mut self, outgoing: &Outgoing) -> Result<DimseStatus, DeliverError> {
        if let Some(cause) = &self.hopeless {
            return Err(cause.clone());
        }
        if self.stop.is_cancelled() {
            let name = self.destination.name.clone();
            return Err(DeliverError::Stopped { name });
        }
        let result = self.store_now(outgoing);
        match &result {
            Ok(_) => self.lost_in_vain = 0,
            // The next association would come to the same, or there is none at all.
            Err(
                err @ (DeliverError::Tls { .. }
                | DeliverError::Stopped { .. }
                | DeliverError::Unreachable { .. }
                | DeliverError::Refused { .. }),
            ) => self.hopeless = Some(err.clone()),
            Err(err) if err.ends_the_association() => {
                self.lost_in_vain += 1;
                if self.lost_in_vain == LOSSES {
                    self.hopeless = Some(err.clone());
                }
            }
            Err(_) => {}
        }
        result
    }

    fn store_now(&mut self, outgoing: &Outgoing) -> Result<DimseStatus, DeliverError> {
        let object = Object::read(outgoing)?;
        let mut association = match self.association.take() {
            Some(open) => open,
            None => Association::open(self.destination, &self.proposals, self.stop)?,
        };
        match association.store(object) {
            Err(err) if err.ends_the_association() => {
                association.abort();
                Err(err)
            }
            result => {
                self.association = Some(association);
                result
            }
        }
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(association) = self.association.take() {
            association.release();
        }
    }
}

/// One presentation context for each SOP class and encoding among `objects`; where plain files go
/// deflated, one more of its own, so that a peer cannot prefer the plain one. Files that cannot be read
/// are left out: they fail by themselves.
fn proposals(objects: &[Outgoing], deflate: bool) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    for outgoing in objects {
        if let Ok(encoding) = Object::encoding(outgoing) {
            let proposal = Proposal::new(outgoing.sop_class.clone(), &encoding);
            if !proposals.contains(&proposal) {
                proposals.push(proposal);
                if deflate && is_plain(&encoding) {
                    proposals.push(Proposal::deflated(outgoing.sop_class.clone()));
                }
            }
        }
    }
    proposals
}

/// A peer that drops two associations in a row without storing anything will drop the third.
const LOSSES: u32 = 2;

/// For messages.
fn class_name(uid: &Uid) -> String {
    sop_class::name(uid)
}
