//! How the box is, pinned up every few seconds.
//!
//! Two threads of their own: a sensor on a slow bus must hold up neither an association nor the page,
//! and one that hangs must not leave those who watch many boxes with the last good figures.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::{
    device::{Board, DiskTrend},
    spool::{
        Spool,
        journal::{Journal, SeriesState},
    },
    status::{FactsBoard, MetricsHandle, metric_names},
};

/// How often the box is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What the board's sensors say.
pub(super) struct Sensors {
    pub board: Box<dyn Board>,
    pub facts: Arc<FactsBoard>,
}

/// What the program knows by itself.
pub(super) struct Vitals {
    pub spool: Arc<Spool>,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
    pub metrics: Option<MetricsHandle>,
}

/// Looks until the other end of `stop` is dropped.
fn look_until(stop: &Receiver<()>, mut look: impl FnMut()) {
    loop {
        look();
        match stop.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Sensors {
    /// Runs until the other end of `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        look_until(stop, || self.look());
    }

    fn look(&mut self) {
        let reading = self.board.look();
        measured(metric_names::CPU_LOAD, reading.cpu_load);
        measured(metric_names::GPU_LOAD, reading.gpu_load);
        let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
        measured(metric_names::PROCESS_MEMORY, bytes(reading.process_bytes));
        let available = bytes(reading.memory_available_bytes);
        measured(metric_names::MEMORY_AVAILABLE, available);
        let hottest = reading.hottest().map(|(_, celsius)| celsius);
        measured(metric_names::HOTTEST, hottest);
        flag(metric_names::SLOWED, Some(!reading.slowed.is_empty()));
        flag(metric_names::CLOCK_SYNCHRONISED, reading.clock_synchronised);
        self.facts.pin(|facts| facts.board = reading);
    }
}

impl Vitals {
    /// Runs until the other end of `stop` is dropped.
    pub(super) fn run(self, stop: &Receiver<()>) {
        let mut trend = DiskTrend::default();
        look_until(stop, || self.look(&mut trend));
    }

    fn look(&self, trend: &mut DiskTrend) {
        self.count_facts();
        self.count_queues();
        let hours = self.count_space(trend);
        self.facts.pin(|facts| facts.disk_hours_left = hours);
        if let Some(metrics) = &self.metrics {
            // What was measured is kept one by one until it is put into its bucket.
            metrics.run_upkeep();
        }
    }

    /// Returns for how many hours it lasts.
    fn count_space(&self, trend: &mut DiskTrend) -> Option<f64> {
        let space = self.spool.free_space().ok();
        let hours = space.and_then(|space| trend.hours_left(Instant::now(), space.available));
        // A disk that does not fill lasts for ever.
        let lasts = space.map(|_| hours.map_or(f64::INFINITY, |hours| hours * 3600.0));
        measured(metric_names::DISK_LASTS, lasts);
        measured(metric_names::DISK_FREE, space.map(|it| it.available as f64));
        measured(metric_names::DISK_TOTAL, space.map(|it| it.total as f64));
        hours
    }

    /// What the other parts pinned up, for those who watch many boxes.
    fn count_facts(&self) {
        let facts = self.facts.read();
        flag(metric_names::RECEIVING, Some(facts.not_receiving.is_none()));
        let usable = facts.journal_unusable.is_none();
        flag(metric_names::JOURNAL_USABLE, Some(usable));
        let ready = facts.engine.as_ref().map(Result::is_ok);
        flag(metric_names::ENGINE_READY, ready);
        let passed = facts.self_test.as_ref().map(|test| test.passed);
        flag(metric_names::SELF_TEST_PASSED, passed);
        for (name, destination) in facts.destinations {
            let failing = f64::from(u8::from(destination.failing.is_some()));
            metrics::gauge!(metric_names::DESTINATION_FAILING, "destination" => name).set(failing);
        }
    }

    /// How much waits at each stage.
    fn count_queues(&self) {
        let Ok(counts) = self.journal.counts() else {
            // Whoever needs the journal says that it is not usable.
            return;
        };
        for state in SeriesState::ALL {
            if !state.is_settled() {
                let waiting = counts.get(&state).copied().unwrap_or(0);
                metrics::gauge!(metric_names::QUEUE, "stage" => state.as_str()).set(waiting as f64);
            }
        }
    }
}

fn measured(name: &'static str, value: Option<f64>) {
    metrics::gauge!(name).set(value.unwrap_or(f64::NAN));
}

fn flag(name: &'static str, holds: Option<bool>) {
    measured(name, holds.map(|holds| f64::from(u8::from(holds))));
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::bounded;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::{device::Reading, spool::RealDisk, status::NotReceiving};

    /// A board whose sensor answers when the other end is dropped.
    struct Hung(Receiver<()>);

    impl Board for Hung {
        fn look(&mut self) -> Reading {
            let _ = self.0.recv();
            Reading::default()
        }
    }

    #[test]
    fn a_sensor_that_hangs_does_not_leave_the_last_good_figures_standing() {
        let state = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(&state.path().join("journal.db")).unwrap();
        let facts = Arc::new(FactsBoard::default());
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let vitals = Vitals {
            spool: Arc::new(Spool::open(state.path(), RealDisk).unwrap()),
            journal: Arc::new(journal),
            facts: Arc::clone(&facts),
            metrics: Some(handle.clone()),
        };
        let (release, hung) = bounded(0);
        let sensors = Sensors {
            board: Box::new(Hung(hung)),
            facts: Arc::clone(&facts),
        };
        facts.pin(|facts| facts.not_receiving = Some(NotReceiving::DiskFull { free_bytes: 0 }));
        let (stop, stopped) = bounded(0);
        let told = thread::scope(|scope| {
            scope.spawn(|| sensors.run(&stopped));
            scope.spawn(|| metrics::with_local_recorder(&recorder, || vitals.run(&stopped)));
            let told = (0..1000).any(|_| {
                thread::sleep(Duration::from_millis(10));
                handle.render().contains("hepar_receiving 0")
            });
            drop((stop, release));
            told
        });
        assert!(told, "{}", handle.render());
    }
}
