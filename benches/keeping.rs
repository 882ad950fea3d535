//! What keeping costs: a durable instance, beside the bare disk, and the journal with 10 000 series.
//!
//! `cargo bench --bench keeping`. Instances are written under `HEPAR_BENCH_DIR`, by default the
//! system's directory for temporary files: it must lie on the disk in question.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use hepar::{
    dicom::{AeTitle, Uid},
    spool::{
        Incoming, RealDisk, Source, Spool,
        journal::{Addressed, Journal, NewSeries, ResultObject, SeriesState},
    },
    status::{Facts, Snapshot},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// 512 x 512 x 16 bit, in the fragments in which a sender with 16 KiB PDUs sends it.
const FRAGMENT: usize = 16 * 1024;
const FRAGMENTS: usize = 32;
const SERIES: u32 = 10_000;

criterion_group!(
    name = keeping;
    config = Criterion::default().sample_size(10);
    targets = instances, journal
);
criterion_main!(keeping);

/// One instance, with as many others on their way at once; and the same file without us: written,
/// synced, renamed, the directory synced by whoever comes.
fn instances(criterion: &mut Criterion) {
    let source = Source {
        calling_ae: title("BENCH"),
        called_ae: title("HEPAR"),
        peer: "127.0.0.1".parse().expect("an address"),
        association: 1,
    };
    let data_set: Vec<Bytes> = fragments().into_iter().map(Bytes::from).collect();
    let whole = fragments().concat();
    let number = AtomicU64::new(0);
    let mut group = criterion.benchmark_group("keep");
    for threads in [1, 8] {
        let there = directory();
        let spool = Spool::open(there.path(), RealDisk).expect("a new spool");
        group.bench_function(format!("{threads} at once"), |b| {
            b.iter_custom(|times| {
                at_once(threads, times, || {
                    let name = format!("1.2.{}", number.fetch_add(1, Ordering::Relaxed));
                    let incoming = Incoming {
                        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
                        sop_instance: uid(&name),
                        transfer_syntax: uid("1.2.840.10008.1.2.1"),
                        data_set: data_set.clone(),
                    };
                    spool.commit(&incoming, &source).expect("room on the disk");
                })
            });
        });
        let there = directory();
        group.bench_function(format!("{threads} at once, the disk alone"), |b| {
            b.iter_custom(|times| {
                at_once(threads, times, || {
                    let name = number.fetch_add(1, Ordering::Relaxed).to_string();
                    write(there.path(), &name, &whole).expect("room on the disk");
                })
            });
        });
    }
    group.finish();
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let (part, path) = (dir.join(format!("{name}.part")), dir.join(name));
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(part, path)?;
    File::open(dir)?.sync_all()
}

/// Time for `times` of `work`, shared by threads.
fn at_once(threads: u64, times: u64, work: impl Fn() + Sync) -> Duration {
    let begun = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (work, share) = (&work, times / threads + u64::from(thread < times % threads));
            scope.spawn(move || (0..share).for_each(|_| work()));
        }
    });
    begun.elapsed()
}

fn journal(criterion: &mut Criterion) {
    // Filling takes a sync for each series; in memory that costs nothing. Reading is from the cache
    // in any case.
    let memory = Path::new("/dev/shm");
    let there = if memory.is_dir() {
        TempDir::new_in(memory).expect("room in memory")
    } else {
        directory()
    };
    let path = there.path().join("journal.db");
    let (journal, _) = Journal::open(&path).expect("a new journal");
    let now = Timestamp::now();
    let findings = findings();
    for number in 0..SERIES {
        let record = journal.open_series(&series(number), now).expect("room");
        let advance = |state| {
            let advanced = journal.advance(&record.series, state, None, now);
            advanced.expect("an allowed step");
        };
        match number % 100 {
            0 => {}
            1..4 => advance(SeriesState::Queued),
            4..10 => advance(SeriesState::Ignored),
            _ => {
                advance(SeriesState::Queued);
                advance(SeriesState::Segmenting);
                deliver(&journal, &record.series, &findings, now);
            }
        }
    }
    let mut group = criterion.benchmark_group("journal of 10 000 series");
    group.bench_function("the page's 50 series", |b| {
        b.iter(|| journal.recent(50, 0).expect("a journal"));
    });
    group.bench_function("/api/status, without HTTP", |b| {
        b.iter(|| {
            let facts = Facts::default();
            let snapshot = Snapshot::take("bench", false, facts, &journal).expect("a journal");
            serde_json::to_vec(&snapshot).expect("JSON")
        });
    });
    group.bench_function("counts", |b| {
        b.iter(|| journal.counts().expect("a journal"));
    });
    group.bench_function("deliveries due", |b| {
        b.iter(|| journal.deliveries_due("pacs", now).expect("a journal"));
    });
    group.bench_function("what retention may remove", |b| {
        b.iter(|| journal.retention_candidates(&[]).expect("a journal"));
    });
    drop(journal);
    group.bench_function("opening and checking", |b| {
        b.iter(|| Journal::open(&path).expect("a journal"));
    });

    let there = directory();
    let (journal, _) = Journal::open(&there.path().join("journal.db")).expect("a new journal");
    let mut number = SERIES;
    group.bench_function("a durable step of a series", |b| {
        b.iter(|| {
            number += 1;
            journal.open_series(&series(number), now).expect("room")
        });
    });
    group.finish();
}

/// A result of three objects, at its destination.
fn deliver(journal: &Journal, series: &Uid, findings: &Value, now: Timestamp) {
    let objects = ["seg", "report", "preview"].map(|kind| Addressed {
        object: ResultObject {
            sop_instance: Uid::derived(kind, &[series.as_str()]),
            sop_class: uid("1.2.840.10008.5.1.4.1.1.66.4"),
            path: PathBuf::from(format!("{series}.1.{kind}.dcm")),
        },
        destinations: vec!["pacs".to_owned()],
    });
    let recorded = journal.record_result(series, findings, &objects, now);
    recorded.expect("an allowed step");
    for Addressed { object, .. } in objects {
        let sent = journal.delivery_attempted(&object.sop_instance, "pacs", Ok(()), None, now);
        sent.expect("a delivery");
    }
}

/// As long as the `result.json` of a series with some lesions.
fn findings() -> Value {
    let lesion = |number: u32| {
        json!({
            "volume_ml": 12.25, "longest_axial_mm": 31.5, "centroid_lps": [-60.5, 10.25, 4.125],
            "slices": [number, number + 9], "segment": number + 2,
        })
    };
    let gate = |number: u32| {
        json!({
            "code": format!("gate-{number}"), "outcome": "pass", "measured": 1512.5, "unit": "ml",
            "words": "1512 ml of liver, 600 to 3500 ml are usual",
            "accepted": [300.0, 6000.0], "usual": [600.0, 3500.0],
        })
    };
    json!({
        "liver_ml": 1512.5, "tumour_ml": 61.25, "n_slices": 214, "spacing": [3.0, 0.75, 0.75],
        "lesions": (0..5).map(lesion).collect::<Vec<_>>(),
        "verdict": "pass", "gates": (0..18).map(gate).collect::<Vec<_>>(), "geometry": [],
        "unreadable": 0, "seconds_to_seg": 4.25, "made_at": "2026-01-01T00:00:00Z",
        "revision": 1,
        "engine": {"name": "tract", "device": "CPU, 8 workers", "version": "0.23"},
        "model": {"name": "liver-tumour", "version": "1.0.0", "digest": "0".repeat(64)},
    })
}

fn series(number: u32) -> NewSeries {
    NewSeries {
        series: uid(&format!("1.2.3.{number}")),
        study: uid("1.2.3"),
        calling_ae: title("BENCH"),
        peer: "127.0.0.1".parse().expect("an address"),
        description: Some("ABDOMEN 5.0".to_owned()),
        modality: "CT".to_owned(),
        accession_number: None,
    }
}

fn fragments() -> Vec<Vec<u8>> {
    let fragment = |number: usize| {
        (0..FRAGMENT)
            .map(|at| ((at * (number + 7)) >> 5) as u8)
            .collect()
    };
    (0..FRAGMENTS).map(fragment).collect()
}

fn directory() -> TempDir {
    let disk = std::env::var_os("HEPAR_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    TempDir::new_in(disk).expect("room on the disk")
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID")
}

fn title(text: &str) -> AeTitle {
    AeTitle::parse(text).expect("an AE title")
}
