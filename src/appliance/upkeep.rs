//! Keeps the disk from filling up, and the door shut while it is full.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    association::Admission,
    chain, config,
    spool::{Room, Spool, Sweep, Watermarks, journal::Journal, retention, sweep},
    status::{FactsBoard, NotReceiving},
};

/// How often free disk space is looked at.
const LOOK: Duration = Duration::from_secs(5);

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
}

impl Upkeep {
    /// Runs until `stop`, and recovers by itself once there is space again.
    pub(super) async fn run(self, admit: watch::Sender<Admission>, stop: CancellationToken) {
        let upkeep = Arc::new(self);
        let mut room = Room::Enough;
        let mut swept_at: Option<Instant> = None;
        loop {
            let since_sweep = swept_at.map(|at| at.elapsed());
            let due = since_sweep.is_none_or(|since| since >= SWEEP) || room != Room::Enough;
            if due {
                swept_at = Some(Instant::now());
            }
            let keeping = Arc::clone(&upkeep);
            let looked = tokio::task::spawn_blocking(move || {
                if due {
                    keeping.sweep(since_sweep.unwrap_or_default());
                }
                keeping.look(room)
            });
            if let Ok(seen) = looked.await {
                room = seen;
            }
            admit.send_replace(match room {
                Room::Enough => Admission::Open,
                Room::Short => Admission::NoSpace,
                Room::Reserve => Admission::ReserveTouched,
            });
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn look(&self, before: Room) -> Room {
        let space = self.spool.free_space();
        let room = Watermarks::of(space.total).room(space, before);
        if room != before {
            tracing::warn!(
                ?room,
                free_bytes = space.available,
                "room on the disk changed"
            );
        }
        self.facts.pin(|facts| {
            facts.disk_free_bytes = space.available;
            facts.disk_total_bytes = space.total;
            facts.not_receiving = (room != Room::Enough).then_some(NotReceiving::DiskFull {
                free_bytes: space.available,
            });
        });
        room
    }

    /// `running`: how long the process ran since the last sweep.
    fn sweep(&self, running: Duration) {
        let total = self.spool.free_space().total;
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
            Ok(Sweep { swept, left }) => {
                for series in swept {
                    let (series, because, instances) =
                        (series.series, series.because, series.instances);
                    tracing::info!(%series, ?because, instances, "removed by retention");
                }
                for error in left {
                    tracing::error!(error = chain(&error), "not removed by retention");
                }
            }
            Err(error) => tracing::error!(error = chain(&error), "retention did not finish"),
        }
    }
}
