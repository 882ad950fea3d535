//! Keeps the disk from filling up, and the door shut while nothing can be kept.
//!
//! That bytes are free does not mean that they can be written: a file system becomes read-only, runs
//! out of inodes, or is not there any more. So it is tried, now and then. A journal that cannot be written
//! shuts no door, because the files are the truth about instances; the dispatcher hears of it, as it
//! would with the next series, and puts its work down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::dispatcher::Message;
use crate::{
    association::Admission,
    chain, config,
    spool::{
        DiskSpace, Room, Spool, SpoolError, Sweep, Watermarks,
        journal::{Journal, JournalError},
        retention, sweep,
    },
    status::{FactsBoard, NotReceiving},
};

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How often it is tried whether something can be written; at every look while it cannot. Flash wears
/// out by being written to.
const TRY: Duration = Duration::from_secs(20);

/// How often old series are looked for; at every look while space is short.
const SWEEP: Duration = Duration::from_mins(10);

/// Refused and failed series are kept this many times longer than delivered ones: somebody may
/// still want to look.
const FAILED_LONGER: u32 = 4;

pub(super) struct Upkeep {
    pub spool: Arc<Spool>,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
    pub retention: config::Retention,
    /// Destinations whose commitment is waited for, by name.
    pub committing: Vec<String>,
    /// The dispatcher's.
    pub inbox: mpsc::Sender<Message>,
}

/// How the disk was found.
#[derive(Clone, Debug)]
struct Found {
    room: Room,
    not_receiving: Option<NotReceiving>,
}

impl Upkeep {
    /// Runs until `stop`, and recovers by itself once instances can be kept again.
    pub(super) async fn run(self, admit: watch::Sender<Admission>, stop: CancellationToken) {
        let upkeep = Arc::new(self);
        let mut found = Found {
            room: Room::Enough,
            not_receiving: None,
        };
        let (mut swept_at, mut tried_at) = (None::<Instant>, None::<Instant>);
        loop {
            let since_sweep = swept_at.map(|at| at.elapsed());
            let due = since_sweep.is_none_or(|since| since >= SWEEP) || found.room != Room::Enough;
            if due {
                swept_at = Some(Instant::now());
            }
            let trying =
                tried_at.is_none_or(|at| at.elapsed() >= TRY) || found.unwritable().is_some();
            if trying {
                tried_at = Some(Instant::now());
            }
            let (keeping, before) = (Arc::clone(&upkeep), found.clone());
            let looked = tokio::task::spawn_blocking(move || {
                if due {
                    keeping.sweep(since_sweep.unwrap_or_default());
                }
                let found = keeping.look(&before, trying);
                let journal = if trying {
                    keeping.try_journal(&found)
                } else {
                    Ok(())
                };
                (found, journal)
            });
            if let Ok((seen, journal)) = looked.await {
                found = seen;
                if let Err(error) = journal {
                    // Without a dispatcher there is no work to put down either.
                    let _ = upkeep.inbox.send(Message::JournalUnusable(error)).await;
                }
            }
            admit.send_replace(found.admission());
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn look(&self, before: &Found, trying: bool) -> Found {
        let known = self.spool.free_space();
        let space = known.as_ref().copied().unwrap_or_default();
        let room = known.as_ref().map_or(before.room, |space| {
            Watermarks::of(space.total).room(*space, before.room)
        });
        let tried = known.and_then(|_| {
            if trying {
                self.spool.check_writable()
            } else {
                Ok(())
            }
        });
        let found = Found {
            room,
            not_receiving: not_receiving(room, space.available, tried),
        };
        if trying
            && found.admission() == Admission::Open
            && let Err(error) = self.spool.put_space_by(space)
        {
            tracing::warn!(error = chain(&error), "no space could be put by");
        }
        found.tell_what_changed(before, space);
        self.facts.pin(|facts| {
            facts.disk_free_bytes = space.available;
            facts.disk_total_bytes = space.total;
            facts.not_receiving.clone_from(&found.not_receiving);
        });
        found
    }

    /// Not while nothing can be written anyway, nor while the dispatcher tries it by itself.
    fn try_journal(&self, found: &Found) -> Result<(), JournalError> {
        if found.not_receiving.is_some() || self.facts.read().journal_unusable.is_some() {
            return Ok(());
        }
        self.journal.check_writable()
    }

    /// `running`: how long the process ran since the last sweep.
    fn sweep(&self, running: Duration) {
        // Where that is not known, the sweep says so.
        let total = self.spool.free_space().map_or(0, |space| space.total);
        let marks = Watermarks::of(total);
        let policy = retention::Policy {
            keep_delivered: self.retention.keep,
            keep_failed: self.retention.keep * FAILED_LONGER,
            // Enough for the door to open again, whatever is configured.
            keep_free: (total / 100 * u64::from(self.retention.min_free_percent))
                .max(marks.short + marks.margin),
        };
        match sweep(
            &self.spool,
            &self.journal,
            &policy,
            &self.committing,
            running,
            Timestamp::now(),
        ) {
            Ok(Sweep {
                swept,
                set_apart_early,
                left,
            }) => {
                for series in swept {
                    let (series, because, instances) =
                        (series.series, series.because, series.instances);
                    tracing::info!(%series, ?because, instances, "removed by retention");
                }
                if set_apart_early > 0 {
                    let objects = set_apart_early;
                    tracing::warn!(
                        objects,
                        "set apart, and removed before their time for want of space"
                    );
                }
                for error in left {
                    tracing::error!(error = chain(&error), "not removed by retention");
                }
            }
            Err(error) => tracing::error!(error = chain(&error), "retention did not finish"),
        }
    }
}

impl Found {
    fn admission(&self) -> Admission {
        match (&self.not_receiving, self.room) {
            (Some(NotReceiving::CannotWrite { .. }), _) => Admission::CannotWrite,
            (_, Room::Enough) => Admission::Open,
            (_, Room::Short) => Admission::NoSpace,
            (_, Room::Reserve) => Admission::ReserveTouched,
        }
    }

    fn unwritable(&self) -> Option<&str> {
        match &self.not_receiving {
            Some(NotReceiving::CannotWrite { why }) => Some(why),
            Some(NotReceiving::DiskFull { .. }) | None => None,
        }
    }

    fn tell_what_changed(&self, before: &Self, space: DiskSpace) {
        if self.room != before.room {
            let (room, free_bytes) = (self.room, space.available);
            tracing::warn!(?room, free_bytes, "room on the disk changed");
        }
        match (before.unwritable(), self.unwritable()) {
            (None, Some(why)) => tracing::error!(why, "nothing can be kept"),
            (Some(_), None) => tracing::info!("the disk can be written again"),
            _ => {}
        }
    }
}

/// Why instances cannot be kept, after one was `tried`. A full disk takes nothing either; that it is
/// full then says more.
fn not_receiving(
    room: Room,
    free_bytes: u64,
    tried: Result<(), SpoolError>,
) -> Option<NotReceiving> {
    match tried {
        Err(error) if room == Room::Enough || !error.is_out_of_space() => {
            Some(NotReceiving::CannotWrite { why: chain(&error) })
        }
        _ => (room != Room::Enough).then_some(NotReceiving::DiskFull { free_bytes }),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn failing(kind: io::ErrorKind) -> Result<(), SpoolError> {
        Err(SpoolError::Write {
            step: "write",
            path: "/state/instances/probe.part".into(),
            source: kind.into(),
        })
    }

    fn found(room: Room, tried: Result<(), SpoolError>) -> Found {
        Found {
            room,
            not_receiving: not_receiving(room, 7, tried),
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_shuts_the_door_whatever_is_free() {
        use io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
        let full = Some(NotReceiving::DiskFull { free_bytes: 7 });
        for (room, tried, admission, unwritable) in [
            (Room::Enough, Ok(()), Admission::Open, false),
            (Room::Short, Ok(()), Admission::NoSpace, false),
            (Room::Reserve, Ok(()), Admission::ReserveTouched, false),
            (
                Room::Enough,
                failing(ReadOnlyFilesystem),
                Admission::CannotWrite,
                true,
            ),
            (
                Room::Short,
                failing(ReadOnlyFilesystem),
                Admission::CannotWrite,
                true,
            ),
            // Bytes are free and inodes are not.
            (
                Room::Enough,
                failing(StorageFull),
                Admission::CannotWrite,
                true,
            ),
            (
                Room::Reserve,
                failing(StorageFull),
                Admission::ReserveTouched,
                false,
            ),
        ] {
            let found = found(room, tried);
            assert_eq!(found.admission(), admission, "{found:?}");
            assert_eq!(found.unwritable().is_some(), unwritable, "{found:?}");
            let expected_full = room != Room::Enough && !unwritable;
            assert_eq!(found.not_receiving == full, expected_full, "{found:?}");
        }
    }
}
