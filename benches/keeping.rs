//! What keeping costs: durable instances a second, and the journal with 10 000 series.
//!
//! `cargo bench --bench keeping` prints a table. Instances are written under `HEPAR_BENCH_DIR`, by
//! default the system's directory for temporary files: it must lie on the disk in question. Beside
//! each rate stands what that disk gives when every file is written, synced and renamed and the
//! directory synced by whoever comes, with nothing of ours around it.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::{
    env,
    fs::File,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use hepar::{
    dicom::{AeTitle, Uid},
    spool::{
        Incoming, RealDisk, Source, Spool,
        journal::{Journal, NewSeries, SeriesState},
    },
};
use jiff::Timestamp;

/// 512 x 512 x 16 bit, in the fragments in which a sender with 16 KiB PDUs sends it.
const FRAGMENT: usize = 16 * 1024;
const FRAGMENTS: usize = 32;
const INSTANCES: usize = 400;
const SERIES: u32 = 10_000;

fn main() -> Result<()> {
    let disk = env::var_os("HEPAR_BENCH_DIR").map_or_else(env::temp_dir, Into::into);
    println!(
        "| durable instances of 512 KiB | a second | the disk alone | share |\n|---|---|---|---|"
    );
    for threads in [1, 2, 4, 8] {
        // By turns, because other users of the disk come and go.
        let mut rates = [0.0_f64; 2];
        for _ in 0..3 {
            let there = tempfile::tempdir_in(&disk)?;
            rates[0] = rates[0].max(committed(there.path(), threads)?);
            let there = tempfile::tempdir_in(&disk)?;
            rates[1] = rates[1].max(written(there.path(), threads)?);
        }
        let [ours, disk] = rates;
        println!(
            "| {threads} at once | {ours:.0} | {disk:.0} | {:.2} |",
            ours / disk
        );
    }
    println!("\n| journal with {SERIES} series | median |\n|---|---|");
    journal(&disk)
}

/// Instances a second through [`Spool::commit`].
fn committed(dir: &Path, threads: usize) -> Result<f64> {
    let spool = Spool::open(dir, RealDisk)?;
    let source = Source {
        calling_ae: AeTitle::parse("BENCH")?,
        called_ae: AeTitle::parse("HEPAR")?,
        peer: "127.0.0.1".parse()?,
        association: 1,
    };
    let data_set: Vec<Bytes> = fragments().into_iter().map(Bytes::from).collect();
    rate(threads, |name| {
        let incoming = Incoming {
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2")?,
            sop_instance: Uid::parse(name)?,
            transfer_syntax: Uid::parse("1.2.840.10008.1.2.1")?,
            data_set: data_set.clone(),
        };
        spool.commit(&incoming, &source)?;
        Ok(())
    })
}

/// The same without us.
fn written(dir: &Path, threads: usize) -> Result<f64> {
    let bytes = fragments().concat();
    rate(threads, |name| {
        let (part, path) = (dir.join(format!("{name}.part")), dir.join(name));
        let mut file = File::create(&part)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(part, path)?;
        Ok(File::open(dir)?.sync_all()?)
    })
}

fn fragments() -> Vec<Vec<u8>> {
    let fragment = |number: usize| {
        (0..FRAGMENT)
            .map(|at| ((at * (number + 7)) >> 5) as u8)
            .collect()
    };
    (0..FRAGMENTS).map(fragment).collect()
}

fn rate(threads: usize, keep: impl Fn(&str) -> Result<()> + Sync) -> Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let keep = &keep;
        let work = move |thread| {
            (0..INSTANCES / threads).try_for_each(|number| keep(&format!("1.2.{thread}.{number}")))
        };
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        running
            .into_iter()
            .try_for_each(|it| it.join().expect("no panic while measuring"))
    })?;
    Ok(INSTANCES as f64 / begun.elapsed().as_secs_f64())
}

fn journal(disk: &Path) -> Result<()> {
    // Filling takes a sync for each series; in memory that costs nothing. Reading is from the cache
    // in any case.
    let memory = Path::new("/dev/shm");
    let there = tempfile::tempdir_in(if memory.is_dir() { memory } else { disk })?;
    let path = there.path().join("journal.db");
    let (journal, _) = Journal::open(&path)?;
    let now = Timestamp::now();
    for number in 0..SERIES {
        let record = journal.open_series(&series(number)?, now)?;
        let state = match number % 100 {
            0 => continue,
            1..4 => SeriesState::Queued,
            4..10 => SeriesState::Failed,
            _ => SeriesState::Ignored,
        };
        journal.advance(&record.series, state, None, now)?;
    }
    report("`recent(50)`", || journal.recent(50, 0).map(drop))?;
    report("`counts()`", || journal.counts().map(drop))?;
    report("`deliveries_due()`", || {
        journal.deliveries_due(now).map(drop)
    })?;
    report("`retention_candidates()`", || {
        journal.retention_candidates().map(drop)
    })?;
    drop(journal);
    report("opening and checking it", || Journal::open(&path).map(drop))?;

    let there = tempfile::tempdir_in(disk)?;
    let (journal, _) = Journal::open(&there.path().join("journal.db"))?;
    let mut number = 0;
    report("a durable step, on the disk", || {
        number += 1;
        journal
            .open_series(&series(number).expect("digits"), now)
            .map(drop)
    })?;
    let first = series(1)?.series;
    report("a count, durable with the next step", || {
        journal.note_received(&first, number, now)
    })
}

fn series(number: u32) -> Result<NewSeries> {
    Ok(NewSeries {
        series: Uid::parse(&format!("1.2.3.{number}"))?,
        study: Uid::parse("1.2.3")?,
        calling_ae: AeTitle::parse("BENCH")?,
        peer: "127.0.0.1".parse()?,
        description: Some("ABDOMEN 5.0".to_owned()),
        modality: "CT".to_owned(),
        accession_number: None,
    })
}

fn report<E>(what: &str, mut work: impl FnMut() -> Result<(), E>) -> Result<()>
where
    Result<(), E>: Context<(), E>,
{
    let mut taken = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        work().context("measuring")?;
        taken.push(begun.elapsed());
    }
    taken.sort();
    let median: Duration = taken[taken.len() / 2];
    println!("| {what} | {:.3} ms |", median.as_secs_f64() * 1e3);
    Ok(())
}
