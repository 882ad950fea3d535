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

/// Stores `objects` over one association, in order; the results are in the same order.
///
/// `Ok` is a status with which the peer keeps the object. When an association is lost in the middle,
/// a new one is opened for the rest, until two in a row were lost for nothing. When `stop` is
/// cancelled, the object in hand has three seconds to get through; the rest is not begun.
pub fn store(
    destination: &Destination,
    objects: &[Outgoing],
    stop: &CancellationToken,
) -> Vec<Result<DimseStatus, DeliverError>> {
    let proposals = proposals(objects, destination.deflate);
    let mut association = None;
    let mut lost_in_vain = 0;
    let mut hopeless: Option<DeliverError> = None;
    let mut results = Vec::with_capacity(objects.len());
    for outgoing in objects {
        if let Some(cause) = &hopeless {
            results.push(Err(cause.clone()));
            continue;
        }
        if stop.is_cancelled() {
            let name = destination.name.clone();
            results.push(Err(DeliverError::Stopped { name }));
            continue;
        }
        let result = store_one(destination, &proposals, &mut association, outgoing, stop);
        match &result {
            Ok(_) => lost_in_vain = 0,
            // The next association would come to the same.
            Err(err @ (DeliverError::Tls { .. } | DeliverError::Stopped { .. })) => {
                hopeless = Some(err.clone());
            }
            Err(err) if err.ends_the_association() => {
                lost_in_vain += 1;
                if lost_in_vain == LOSSES {
                    hopeless = Some(err.clone());
                }
            }
            // No association at all.
            Err(err @ (DeliverError::Unreachable { .. } | DeliverError::Refused { .. })) => {
                hopeless = Some(err.clone());
            }
            Err(_) => {}
        }
        results.push(result);
    }
    if let Some(association) = association {
        association.release();
    }
    results
}

fn store_one(
    destination: &Destination,
    proposals: &[Proposal],
    slot: &mut Option<Association>,
    outgoing: &Outgoing,
    stop: &CancellationToken,
) -> Result<DimseStatus, DeliverError> {
    let object = Object::read(outgoing)?;
    let mut association = match slot.take() {
        Some(open) => open,
        None => Association::open(destination, proposals, stop)?,
    };
    match association.store(object) {
        Err(err) if err.ends_the_association() => {
            association.abort();
            Err(err)
        }
        result => {
            *slot = Some(association);
            result
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
