//! Half an hour, or a quarter of a minute, of good and bad traffic: memory and open files stay flat.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::bad_neighbours::misbehave;
use crate::harness::{
    appliance::Hepar, figures, modality::Modality, pacs::Pacs, phantoms::Series, wait_for,
};

/// How often the figures are read in one run.
const SAMPLES: u32 = 15;

struct Sample {
    seconds: u64,
    resident_mb: u64,
    open_files: usize,
    threads: u64,
    delivered: u32,
}

impl Sample {
    fn of(hepar: &Hepar, start: Instant, delivered: &AtomicU32) -> Self {
        Self {
            seconds: start.elapsed().as_secs(),
            resident_mb: hepar.process_figure("VmRSS:") / 1024,
            open_files: hepar.open_files(),
            threads: hepar.process_figure("Threads:"),
            delivered: delivered.load(Ordering::Relaxed),
        }
    }

    fn row(&self) -> String {
        let Self {
            seconds,
            resident_mb,
            open_files,
            threads,
            delivered,
        } = self;
        format!("| {seconds} | {resident_mb} | {open_files} | {threads} | {delivered} |")
    }
}

/// A scanner that sends one series after the other and sees each delivered.
fn scan(hepar: &Hepar, scanner: u64, stop: &AtomicBool, delivered: &AtomicU32) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let series = Series::small_abdomen(1_000_000 * (scanner + 1) + number);
        Modality::dcmsend(&[])
            .named(&format!("CT{scanner}"))
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        hepar.wait_for_state(&series.uid, "delivered");
        delivered.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn under_mixed_traffic_memory_and_open_files_stay_flat() {
    // At zero: long enough to see that nothing is leaked at once.
    let minutes = figures::asked_for("HEPAR_TEST_SOAK_MINUTES", 0);
    let lasts = Duration::from_secs(if minutes == 0 { 15 } else { 60 * minutes });
    let pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).start();
    let (stop, delivered) = (AtomicBool::new(false), AtomicU32::new(0));
    let quiet = hepar.open_files();
    let start = Instant::now();
    let samples: Vec<Sample> = thread::scope(|threads| {
        let (hepar, stop, delivered) = (&hepar, &stop, &delivered);
        for scanner in 0..2 {
            threads.spawn(move || scan(hepar, scanner, stop, delivered));
        }
        for kind in ["IDLE", "TRICKLING", "GARBAGE", "HUGE", "ENDLESS"] {
            threads.spawn(move || {
                // Each comes back when it has been thrown out.
                while !stop.load(Ordering::Relaxed) {
                    let round = AtomicBool::new(false);
                    thread::scope(|rounds| {
                        rounds.spawn(|| misbehave(hepar.address(), kind, &round));
                        wait_out(Duration::from_secs(90), stop);
                        round.store(true, Ordering::Relaxed);
                    });
                }
            });
        }
        let samples = (1..=SAMPLES).map(|n| {
            thread::sleep((start + lasts * n / SAMPLES).saturating_duration_since(Instant::now()));
            Sample::of(hepar, start, delivered)
        });
        let samples = samples.collect();
        stop.store(true, Ordering::Relaxed);
        samples
    });
    for sample in &samples {
        figures::report("soak", &sample.row());
    }
    // The page's own connections and a delivery in hand come and go.
    wait_for("the files of bad senders to be closed", || {
        (hepar.open_files() <= quiet + 10).then_some(())
    });
    assert!(delivered.load(Ordering::Relaxed) >= 1, "nobody was served");
    if minutes >= 10 {
        let peak = |samples: &[Sample]| samples.iter().map(|s| s.resident_mb).max().unwrap();
        let (early, late) = samples.split_at(samples.len() / 2);
        assert!(peak(late) * 100 <= peak(early) * 115, "memory grows");
    }
}

/// Returns after `time`, or soon after `stop`.
fn wait_out(time: Duration, stop: &AtomicBool) {
    let end = Instant::now() + time;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
}
