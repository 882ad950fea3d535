//! What can come between an object and a PACS, and who must act.

use std::{io, path::PathBuf, sync::Arc};

use crate::{
    dicom::{DimseStatus, Remedy, Trouble, TroubleKind},
    tls::Problem,
};

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
    #[error("sending {} to {name} crashed", path.display())]
    Crashed { name: String, path: PathBuf },
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
            | Self::Broken { .. }
            | Self::Stopped { .. } => Remedy::Wait,
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
            | Self::Violation { .. }
            | Self::Crashed { .. } => Remedy::Service,
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
            Self::Crashed { .. } => TroubleKind::SendingCrashed,
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
                | Self::Crashed { .. }
        )
    }
}
