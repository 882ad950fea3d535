//! What is worth a line in the audit trail, in the appliance's own words.

use std::{net::IpAddr, path::PathBuf};

use crate::dicom::Uid;

/// Something a department may have to answer for.
#[derive(Clone, Debug)]
pub enum Event {
    Started,
    Stopped,
    /// A series is complete and durable here.
    Received(Transfer),
    /// An object is about to be sent.
    Sending(Transfer),
    /// An object was sent and is kept there.
    Sent(Transfer),
    /// An object could not be sent; in words.
    NotSent(Transfer, String),
    /// An association or a connection was refused. The title is as the peer sent it, made printable.
    Refused {
        peer: Peer,
        reason: String,
    },
    Login(Actor),
    /// A wrong password or an unknown user.
    LoginFailed(Actor),
    /// Too many failures: further attempts are not looked at for a while.
    LockedOut(Actor),
    Logout(Actor),
    /// Someone asked for what their role does not allow, or another site asked in the name of
    /// whoever visited it.
    Forbidden {
        by: Actor,
        what: String,
    },
    /// Something in the configuration, or among the users, was changed; what, in words.
    ConfigurationChanged {
        by: Actor,
        what: String,
    },
    /// A result was ordered to be sent again.
    SentAgain(Handled),
    SegmentedAgain(Handled),
    /// A result left by way of the page.
    Downloaded(Handled),
    /// A patient's name or pictures were opened, for the first time in a login.
    Looked(Handled),
    /// Events that came faster than they could be written, or refusals beyond what is written of
    /// them one by one.
    NotRecorded {
        events: u64,
    },
}

/// A person at the page.
#[derive(Clone, Debug)]
pub struct Actor {
    /// As given at the login; nobody needs one on loopback.
    pub user: Option<String>,
    pub from: Option<IpAddr>,
}

/// A series, and the person who did something with it.
#[derive(Clone, Debug)]
pub struct Handled {
    pub by: Actor,
    pub study: Uid,
    pub series: Uid,
    /// As [`Transfer::file`].
    pub file: PathBuf,
}

/// The other side of an association.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its AE title; `None` where it has not given one yet.
    pub ae_title: Option<String>,
    /// Host name or address.
    pub host: String,
}

/// Instances of one series on their way.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub peer: Peer,
    pub study: Uid,
    pub series: Uid,
    pub sop_class: Uid,
    pub instances: u32,
    /// A file of the series or result; the Patient ID is read from it when the event is written.
    pub file: PathBuf,
}

impl Event {
    /// Whether peers can cause it as often as they like, without a login.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::LoginFailed(_) => true,
            Self::Forbidden { by, .. } => by.user.is_none(),
            _ => false,
        }
    }
}
