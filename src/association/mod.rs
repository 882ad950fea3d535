//! A modality calls: associations are negotiated and C-STORE requests become durable instances.
//!
//! What goes wrong here stops a scanner's send queue, or worse, lets the scanner delete what we do
//! not have. So every request is answered exactly once, success is only said with the spool's
//! receipt in hand, and nothing a peer sends, or does not send, disturbs another peer.
//!
//! Deciding is separate from doing: [`negotiation`], [`conversation`], [`dimse`] and [`claims`] are
//! pure, [`pdu`] and [`data_set`] turn bytes into their input, `session` and `wire` move the bytes.
//!
//! Memory is bounded by [`Policy::receive_memory`], 4 MiB and two receive buffers of 1 MiB for each
//! association, and one PDU for each.

#![deny(clippy::indexing_slicing)]

mod caller;
pub mod claims;
pub mod conversation;
pub mod data_set;
pub mod dimse;
mod keeping;
pub mod negotiation;
pub mod pdu;
mod policy;
mod session;
mod standing;
mod stream;
mod wire;

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use caller::{CallerRule, CertificateRule, Network, RuleError};
use data_set::Budget;
use dimse::ReportStatus;
pub use negotiation::Rejection;
use policy::Slots;
pub use policy::{Admission, CalledRule, Policy};
use session::Acceptor;
pub use stream::Door;

use crate::{
    dicom::{
        AeTitle, Uid,
        commitment::{Report, ReportError},
    },
    spool::{Disk, Source, Spool, Spooled},
    tls::Problem,
};

/// What the rest of the appliance hears, in order for each association.
#[derive(Debug)]
pub enum Event {
    /// An association was accepted.
    Opened {
        source: Source,
        /// The peer's Implementation Version Name, where it gives one.
        implementation: Option<String>,
        /// Abstract and transfer syntax of each accepted presentation context.
        accepted: Vec<(Uid, Uid)>,
        /// How many presentation contexts the peer proposed.
        proposed: usize,
    },
    /// The instance is durable, and its sender was (or would have been) told so.
    Stored { receipt: Spooled, source: Source },
    /// The data set contradicted its command and was refused; its bytes are at `path`.
    SetApart {
        sop_instance: Uid,
        path: PathBuf,
        reason: &'static str,
        source: Source,
    },
    /// A peer says what became of a request to commit. What it says is to be made durable, then
    /// answered; dropped unanswered, the peer hears a failure and may report again.
    Reported {
        report: Result<Report, ReportError>,
        source: Source,
        answer: oneshot::Sender<ReportStatus>,
    },
    Ended {
        association: u64,
        calling_ae: AeTitle,
        how: Ended,
        /// Instances answered with success.
        stored: u32,
    },
    /// Titles as sent, made printable; they may be no AE titles.
    Refused {
        calling_ae: String,
        called_ae: String,
        peer: IpAddr,
        reason: Rejection,
    },
    /// No association could be asked for, because the connection's bytes were not what this door
    /// takes.
    Unheard { peer: IpAddr, problem: Problem },
}

/// How an association ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// In order: the sender has said all it wanted to say.
    Released,
    /// The sender aborted.
    Aborted,
    /// The sender made no progress, and we aborted.
    TimedOut,
    /// The connection broke, or the sender violated the protocol; in words.
    Broken(String),
    /// We are stopping, and aborted between two messages.
    Stopped,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("released"),
            Self::Aborted => f.write_str("aborted by the sender"),
            Self::TimedOut => f.write_str("aborted: the sender made no progress"),
            Self::Broken(why) => f.write_str(why),
            Self::Stopped => f.write_str("aborted: stopping"),
        }
    }
}

/// Accepts associations at every door until `stop` is cancelled; the limits hold for all doors
/// together.
///
/// Returns as soon as nothing new is accepted; open associations finish the message in hand on
/// `tracker`, which the caller waits for.
pub async fn serve<D: Disk + 'static>(
    doors: Vec<Door>,
    policy: Arc<Policy>,
    spool: Arc<Spool<D>>,
    admission: watch::Receiver<Admission>,
    events: mpsc::Sender<Event>,
    tracker: TaskTracker,
    stop: CancellationToken,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(policy.max_associations + UNDECIDED));
    let acceptor = Arc::new(Acceptor {
        slots: Slots::new(&policy),
        budget: Budget::new(policy.receive_memory),
        policy,
        spool,
        admission,
        events,
        tracker: tracker.clone(),
        stop,
        opened: AtomicU64::new(0),
    });
    let mut open = Vec::with_capacity(doors.len());
    for door in doors {
        let address = door.listener.local_addr()?;
        let (tls, ae_title) = (door.tls.is_some(), &acceptor.policy.ae_title);
        tracing::info!(%address, tls, %ae_title, "listening for associations");
        let (acceptor, connections) = (Arc::clone(&acceptor), Arc::clone(&connections));
        open.push(tracker.spawn(attend(door, acceptor, connections)));
    }
    for door in open {
        door.await.map_err(io::Error::other)?;
    }
    Ok(())
}

async fn attend<D: Disk + 'static>(
    door: Door,
    acceptor: Arc<Acceptor<D>>,
    connections: Arc<Semaphore>,
) {
    let Door { listener, tls } = door;
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = acceptor.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(err) => {
                // Out of file descriptors and the like pass; a hot loop does not help them pass.
                tracing::warn!(%err, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Connections are refused with an answer as long as that costs little; then without.
        let connection = Arc::clone(&connections).try_acquire_owned();
        if connection.is_err() && !full {
            tracing::warn!(%peer, "too many connections; further ones are closed unheard");
        }
        full = connection.is_err();
        let Ok(connection) = connection else {
            continue;
        };
        let (visitor, tls) = (Arc::clone(&acceptor), tls.clone());
        acceptor.tracker.spawn(async move {
            visitor.attend(stream, peer, tls).await;
            drop(connection);
        });
    }
}

/// Connections beyond the associations: those that have not asked yet, are being refused, or close.
const UNDECIDED: usize = 256;
