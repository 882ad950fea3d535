//! From a received instance to the status its sender hears. Blocking: this is where the disk is.

use std::path::PathBuf;

use super::{Event, dimse::StoreStatus};
use crate::{
    chain,
    dicom::Uid,
    spool::{Arrival, Disk, Incoming, Source, Spool, SpoolError, Spooled},
};

/// What became of an instance.
#[derive(Debug)]
pub enum Kept {
    Stored(Spooled),
    /// The data set contradicts its command: on disk, but not as the instance it was announced as.
    Apart {
        sop_instance: Uid,
        path: Option<PathBuf>,
        reason: &'static str,
    },
    NoSpace,
    Failed,
}

/// Makes `incoming` durable. Bytes that contradict their command are kept too, in quarantine: they
/// are refused, but the vendor will ask for them.
pub fn keep<D: Disk>(
    spool: &Spool<D>,
    incoming: Incoming,
    contradiction: Option<&'static str>,
    source: &Source,
) -> Kept {
    let receipt = match spool.commit(&incoming, source) {
        Ok(receipt) => receipt,
        Err(err) => return Kept::failed(&err),
    };
    // Gives the receive buffer back before the answer invites the next instance.
    drop(incoming);
    let Some(reason) = contradiction else {
        return Kept::Stored(receipt);
    };
    let sop_instance = receipt.sop_instance().clone();
    let path = match receipt.arrival() {
        // Never under the name of an instance that came in order.
        Arrival::Different { kept_as } => Some(kept_as.clone()),
        Arrival::New | Arrival::Again => spool
            .quarantine(&sop_instance, reason)
            .inspect_err(|err| tracing::error!(%sop_instance, %err, "could not be set apart"))
            .ok(),
    };
    tracing::warn!(%sop_instance, reason, "instance refused and set apart");
    Kept::Apart {
        sop_instance,
        path,
        reason,
    }
}

impl Kept {
    fn failed(err: &SpoolError) -> Self {
        if err.is_out_of_space() {
            tracing::warn!(err = chain(err), "no space for an instance");
            Self::NoSpace
        } else {
            tracing::error!(err = chain(err), "an instance could not be kept");
            Self::Failed
        }
    }

    /// Status and Error Comment.
    pub fn status(&self) -> (StoreStatus, Option<&'static str>) {
        match self {
            Self::Stored(receipt) => (StoreStatus::success(receipt), None),
            Self::Apart { reason, .. } => (StoreStatus::DATA_SET_DOES_NOT_MATCH, Some(reason)),
            Self::NoSpace => (StoreStatus::OUT_OF_RESOURCES, Some("storage is full")),
            Self::Failed => (
                StoreStatus::PROCESSING_FAILURE,
                Some("the instance could not be made durable"),
            ),
        }
    }

    /// What the appliance must hear of it.
    pub fn event(self, source: &Source) -> Option<Event> {
        let source = source.clone();
        match self {
            Self::Stored(receipt) => Some(Event::Stored { receipt, source }),
            Self::Apart {
                sop_instance,
                path,
                reason,
            } => Some(Event::SetApart {
                sop_instance,
                path,
                reason,
                source,
            }),
            Self::NoSpace | Self::Failed => None,
        }
    }
}
