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
mod error;
mod exchange;
mod object;

#[cfg(test)]
mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Duration,
};

use association::{Association, Proposal};
pub use backoff::backoff;
pub use commitment::{Commitments, Hear};
pub use echo::{EchoReport, echo};
pub use error::DeliverError;
use object::{Object, is_plain};

use tokio_util::sync::CancellationToken;

use crate::{
    dicom::{AeTitle, DimseStatus, Uid, sop_class},
    tls,
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
        // An association that is in hand is lost with it.
        let stored = catch_unwind(AssertUnwindSafe(|| self.store_now(outgoing)));
        let result = stored.unwrap_or_else(|_panic| {
            Err(DeliverError::Crashed {
                name: self.destination.name.clone(),
                path: outgoing.path.clone(),
            })
        });
        match &result {
            Ok(_) => self.lost_in_vain = 0,
            // Most likely of this object, and the others must not wait behind it.
            Err(DeliverError::Crashed { .. }) => {}
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
/// are left out: they fail, or crash, by themselves.
fn proposals(objects: &[Outgoing], deflate: bool) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    for outgoing in objects {
        if let Ok(Ok(encoding)) = catch_unwind(|| Object::encoding(outgoing)) {
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
