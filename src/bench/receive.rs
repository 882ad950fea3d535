//! How fast instances are taken and made durable.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use dicom_dictionary_std::uids;
use dicom_object::FileMetaTableBuilder;

use super::{
    children::{Build, HEPAR_AE, Hepar},
    disk::{Promise, files_a_second},
    peers::{PEER_AE, Peer, on_path},
    scanner::Scanner,
    slices::{Kind, PIXEL_BYTES, Slice, Template},
    table::Table,
};

const SLICES: usize = 300;
/// Fewer, because some receivers take 50 ms for each from a sender with Nagle's algorithm on.
const NAGLE_SLICES: usize = 100;
const SENDERS: usize = 8;
const SLICES_EACH: usize = 60;
/// By turns, the best of each counts: other users of disk and cores come and go.
const ROUNDS: usize = 3;

/// Rates of ours and of the `peers` that are installed, with files under `dir`.
pub fn receive(
    template: &Template,
    builds: &[Build],
    peers: &[Peer],
    dir: &Path,
) -> Result<[Table; 2]> {
    let slices = series(template, "one", SLICES)?;
    let nagle = dir.join("nagle");
    write(&series(template, "nagle", NAGLE_SLICES)?, &nagle)?;

    let mut ours = vec![Rates::default(); builds.len()];
    let mut theirs = vec![Rates::default(); peers.len()];
    let [mut content, mut name] = [0.0_f64; 2];
    let mut shared = vec![Shared::default(); builds.len()];
    let bytes = vec![7; PIXEL_BYTES];
    for round in 0..ROUNDS {
        let there = dir.join(format!("disk-{round}"));
        content = content.max(files_a_second(
            &there.join("c"),
            SLICES,
            &bytes,
            Promise::Content,
        )?);
        name = name.max(files_a_second(
            &there.join("n"),
            SLICES,
            &bytes,
            Promise::Name,
        )?);
        fs::remove_dir_all(there)?;

        let mut turns: Vec<_> = builds.iter().zip(&mut ours).zip(&mut shared).collect();
        // Who comes first after the disk was written to its limit comes off worse.
        if round % 2 == 1 {
            turns.reverse();
        }
        for ((build, rates), shared) in turns {
            rustix::fs::sync();
            let there = dir.join(format!("hepar-{round}"));
            let hepar = Hepar::start(build, &there, None)?;
            rates.add(hepar.dicom, HEPAR_AE, &slices, &nagle)?;
            rustix::fs::sync();
            shared.add(template, round, hepar.dicom)?;
            drop(hepar);
            fs::remove_dir_all(there)?;
        }

        for (peer, rates) in peers.iter().zip(&mut theirs) {
            // Slow ones are asked once where a round costs seconds.
            if round > 0 && !matches!(peer, Peer::Storescp { no_delay: true } | Peer::DicomRs(_)) {
                continue;
            }
            rustix::fs::sync();
            let there = dir.join(format!("peer-{round}"));
            let (running, address) = peer.start(&there)?;
            rates.add(address, PEER_AE, &slices, &nagle)?;
            drop(running);
            fs::remove_dir_all(there)?;
        }
    }

    let mut table = Table::new(
        "receive",
        &[
            "receiver of 512×512×16 bit",
            "sure after a power cut",
            "sender without Nagle, a second",
            "default `storescu` (Nagle on), a second",
        ],
    );
    let row = |who: &str, promise: &str, rates: &Rates| {
        let number = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |r| format!("{r:.0}"));
        [
            who.to_owned(),
            promise.to_owned(),
            number(rates.quick),
            number(rates.nagle),
        ]
    };
    for (build, rates) in builds.iter().zip(&ours) {
        table.row(row(build.name, "content and name", rates));
    }
    for (peer, rates) in peers.iter().zip(&theirs) {
        table.row(row(peer.name(), peer.promise(), rates));
    }
    let limit = |rate| Rates {
        quick: Some(rate),
        nagle: None,
    };
    table.row(row(
        "limit: the disk alone, write and sync, 1 thread",
        "content",
        &limit(content),
    ));
    table.row(row(
        "limit: the same, renamed, directory synced",
        "content and name",
        &limit(name),
    ));
    Ok([table, senders(builds, &ours, &shared)])
}

#[derive(Clone, Default)]
struct Rates {
    quick: Option<f64>,
    nagle: Option<f64>,
}

impl Rates {
    fn add(&mut self, address: SocketAddr, ae: &str, slices: &[Slice], nagle: &Path) -> Result<()> {
        let best =
            |rate: &mut Option<f64>, new: f64| *rate = Some(rate.map_or(new, |r| r.max(new)));
        if on_path("storescu").is_some() {
            best(&mut self.nagle, storescu(address, ae, nagle)?);
        }
        let begun = Instant::now();
        let mut scanner = Scanner::open(address, ae)?;
        slices.iter().try_for_each(|slice| scanner.send(slice))?;
        let rate = slices.len() as f64 / begun.elapsed().as_secs_f64();
        scanner.release()?;
        best(&mut self.quick, rate);
        Ok(())
    }
}

/// Several senders at once: the rate of all, and how far the slowest fell behind the fastest.
#[derive(Clone, Default)]
struct Shared {
    all: f64,
    evenness: f64,
}

impl Shared {
    fn add(&mut self, template: &Template, round: usize, address: SocketAddr) -> Result<()> {
        let series = (0..SENDERS)
            .map(|sender| series(template, &format!("{round} of {sender}"), SLICES_EACH))
            .collect::<Result<Vec<_>>>()?;
        let begun = Instant::now();
        let seconds = thread::scope(|scope| {
            let running: Vec<_> = series
                .iter()
                .map(|slices| {
                    scope.spawn(move || -> Result<f64> {
                        let mut scanner = Scanner::open(address, HEPAR_AE)?;
                        slices.iter().try_for_each(|slice| scanner.send(slice))?;
                        let taken = begun.elapsed().as_secs_f64();
                        scanner.release()?;
                        Ok(taken)
                    })
                })
                .collect();
            let joined = running
                .into_iter()
                .map(|it| it.join().expect("no panic while measuring"));
            joined.collect::<Result<Vec<f64>>>()
        })?;
        let last = seconds.iter().copied().fold(0.0, f64::max);
        let first = seconds.iter().copied().fold(f64::MAX, f64::min);
        let rate = (SENDERS * SLICES_EACH) as f64 / last;
        if rate > self.all {
            self.all = rate;
            self.evenness = first / last;
        }
        Ok(())
    }
}

fn senders(builds: &[Build], alone: &[Rates], shared: &[Shared]) -> Table {
    let mut table = Table::new(
        "senders",
        &[
            "senders at once",
            "1, a second",
            "8, a second all together",
            "ratio",
            "first done after this share of the last one's time",
        ],
    );
    for ((build, alone), shared) in builds.iter().zip(alone).zip(shared) {
        let one = alone.quick.unwrap_or(f64::NAN);
        table.row([
            build.name.to_owned(),
            format!("{one:.0}"),
            format!("{:.0}", shared.all),
            format!("{:.2}", shared.all / one),
            format!("{:.2}", shared.evenness),
        ]);
    }
    table
}

fn series(template: &Template, name: &str, count: usize) -> Result<Vec<Slice>> {
    template.series(name, count, Kind::Ignored).collect()
}

/// DCMTK's sender as it comes; the rate includes its start.
fn storescu(address: SocketAddr, ae: &str, files: &Path) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new("storescu")
        .args(["-R", "-xe", "+sd", "-aec", ae, "-aet", "BENCH_NAGLE"])
        .arg(address.ip().to_string())
        .arg(address.port().to_string())
        .arg(files)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("storescu does not start")?;
    ensure!(
        status.success(),
        "storescu could not send to {ae}: {status}"
    );
    Ok(NAGLE_SLICES as f64 / begun.elapsed().as_secs_f64())
}

/// Part 10 files in `dir`.
pub fn write(slices: &[Slice], dir: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(dir)?;
    let written = slices.iter().map(|slice| {
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(slice.sop_instance.as_str())
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .build()?;
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM");
        meta.write(&mut file)?;
        file.extend_from_slice(&slice.data_set);
        let path = dir.join(format!("{}.dcm", slice.sop_instance));
        fs::write(&path, file)?;
        Ok(path)
    });
    written.collect()
}
