//! From a received instance to the status its sender hears. Blocking: this is where the disk is.

use std::path::PathBuf;

use super::{Event, dimse::StoreStatus};
use crate::{
    chain,
    dicom::Uid,
    spool::{Disk, Incoming, Source, Spool, SpoolError, Spooled},
};

/// What became of an instance.
#[derive(Debug)]
pub enum Kept {
    Stored(Spooled),
    /// The data set contradicts its command: on disk, but not as the instance it was announced as.
    Apart {
        sop_instance: Uid,
        path: PathBuf,
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
    let kept = match contradiction {
        None => spool.commit(&incoming, source).map(Kept::Stored),
        Some(reason) => set_apart(spool, &incoming, reason, source),
    };
    // Gives the receive buffer back before the answer invites the next instance.
    drop(incoming);
    kept.unwrap_or_else(|err| Kept::failed(&err))
}

fn set_apart<D: Disk>(
    spool: &Spool<D>,
    incoming: &Incoming,
    reason: &'static str,
    source: &Source,
) -> Result<Kept, SpoolError> {
    let path = spool.commit_apart(incoming, source, reason)?;
    let sop_instance = incoming.sop_instance.clone();
    tracing::warn!(%sop_instance, reason, "instance refused and set apart");
    Ok(Kept::Apart {
        sop_instance,
        path,
        reason,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::tests::{files, instance, scanner, spool};

    const CONTRADICTION: &str = "SOP Class UID differs between command and data set";

    /// The instance as a sender repeats it that says secondary capture in the command.
    fn contradicting() -> Incoming {
        Incoming {
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.7").unwrap(),
            ..instance("1.2.3", b"slice")
        }
    }

    #[test]
    fn what_contradicts_its_command_leaves_the_instance_of_that_name_alone() {
        let (_dir, spool) = spool();
        let good = instance("1.2.3", b"slice");
        let kept = keep(&spool, good.clone(), None, &scanner(1));
        assert_eq!(kept.status().0.status().0, 0);

        let kept = keep(&spool, contradicting(), Some(CONTRADICTION), &scanner(2));

        assert_eq!(kept.status().0.status().0, 0xA900);
        let Kept::Apart { path, .. } = kept else {
            panic!("{kept:?}");
        };
        assert!(std::fs::read(path).unwrap().ends_with(b"slice"));
        assert!(spool.read(&good.sop_instance).unwrap().ends_with(b"slice"));
    }

    #[test]
    fn a_contradiction_that_is_repeated_is_kept_once() {
        let (dir, spool) = spool();
        for association in 1..=3 {
            let source = scanner(association);
            let kept = keep(&spool, contradicting(), Some(CONTRADICTION), &source);
            assert!(matches!(kept, Kept::Apart { .. }), "{kept:?}");
        }
        // The bytes and the reason.
        assert_eq!(files(&dir.path().join("quarantine")).len(), 2);
    }
}
