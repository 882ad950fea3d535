//! From the last slice to the SEG on the PACS.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{
    children::{Build, HEPAR_AE, Hepar},
    engine::{Alone, Parts},
    receive::write,
    scanner::Scanner,
    slices::{Kind, Slice, Template},
    table::Table,
};
use crate::commands::pacs::Pacs;

pub const PACS_AE: &str = "BENCH_PACS";
const SLICES: usize = 300;
/// A fast scanner's reconstruction.
const PACE: Duration = Duration::from_millis(100);
/// Slices for the engine alone.
const ALONE: usize = 60;
/// How often it is asked how many slices are encoded.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(5);

/// One series on its way, in seconds since its first slice was sent.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    pub name: &'static str,
    /// When each slice was acknowledged.
    pub kept: Vec<f64>,
    /// How many slices were encoded at which time.
    pub encoded: Vec<(f64, usize)>,
    /// When the PACS had the SEG.
    pub stored: f64,
    /// When it would have had it, had all work begun after the last slice.
    pub wait_then_run: f64,
    /// What Hepar computed for it on all cores.
    pub processor: f64,
}

impl Flow {
    pub fn last_slice(&self) -> f64 {
        self.kept.last().copied().unwrap_or_default()
    }

    pub fn after_last_slice(&self) -> f64 {
        self.stored - self.last_slice()
    }
}

/// A PACS whose objects are stamped as they arrive.
pub struct StampingPacs {
    pub address: std::net::SocketAddr,
    arrivals: mpsc::Receiver<(PathBuf, Instant)>,
    _runtime: tokio::runtime::Runtime,
}

impl StampingPacs {
    pub fn start(dir: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut pacs = runtime.block_on(Pacs::start(dir, PACS_AE))?;
        let address = pacs.address;
        let (stamped, arrivals) = mpsc::channel();
        runtime.spawn(async move {
            while let Some(arrival) = pacs.stored().await {
                if stamped.send(arrival).is_err() {
                    return pacs.stop().await;
                }
            }
        });
        Ok(Self {
            address,
            arrivals,
            _runtime: runtime,
        })
    }

    fn next(&self) -> Result<Instant> {
        let arrival = self.arrivals.recv_timeout(PATIENCE);
        Ok(arrival.context("no SEG came")?.1)
    }
}

/// Sends a series, one slice a `pace`, and follows it until its SEG is on the PACS.
pub fn run(
    name: &'static str,
    hepar: &Hepar,
    pacs: &StampingPacs,
    slices: impl Iterator<Item = Result<Slice>>,
    pace: Duration,
) -> Result<Flow> {
    let mut flow = Flow {
        name,
        ..Flow::default()
    };
    let mut scanner = Scanner::open(hepar.dicom, HEPAR_AE)?;
    let idle = hepar.processor_time()?;
    let begun = Instant::now();
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watching = scope.spawn(move || {
            let mut encoded = Vec::new();
            while ended.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                let count = hepar.status()?["series"][0]["slices_encoded"].as_u64();
                encoded.push((begun.elapsed().as_secs_f64(), count.unwrap_or(0) as usize));
            }
            Ok::<_, anyhow::Error>(encoded)
        });
        for (number, slice) in slices.enumerate() {
            let slice = slice?;
            let due = pace * u32::try_from(number)?;
            thread::sleep(due.saturating_sub(begun.elapsed()));
            scanner.send(&slice)?;
            flow.kept.push(begun.elapsed().as_secs_f64());
        }
        scanner.release()?;
        flow.stored = pacs.next()?.duration_since(begun).as_secs_f64();
        let computed = hepar.processor_time()?.saturating_sub(idle);
        flow.processor = computed.as_secs_f64();
        drop(done);
        flow.encoded = watching.join().expect("no panic while measuring")?;
        Ok(flow)
    })
}

/// 300 slices at a scanner's pace and in a burst, each beside the same parts run afterwards.
///
/// The flows are those of the first of `builds`; the table has all.
pub fn flows(template: &Template, builds: &[Build], dir: &Path) -> Result<(Vec<Flow>, Table)> {
    let pacs = StampingPacs::start(&dir.join("pacs"))?;
    let files = {
        let slices = template.series("flow, wait then run", SLICES, Kind::Eligible);
        write(&slices.collect::<Result<Vec<_>>>()?, &dir.join("files"))?
    };
    let parts = Parts::start()?;
    let alone = parts.engine_alone(&files[..ALONE])?;
    let wait_then_run = parts
        .wait_then_run(&files, &pacs.address.to_string(), dir)?
        .as_secs_f64();
    pacs.next()?;
    drop(parts);

    let paces = [
        ("at a scanner's pace, 10 slices/s", PACE),
        ("in one burst", Duration::ZERO),
    ];
    let mut measured = Vec::new();
    for (number, build) in builds.iter().enumerate() {
        let hepar = Hepar::start(build, &dir.join(number.to_string()), Some(pacs.address))?;
        hepar.wait_for_engine()?;
        let mut flows = Vec::new();
        for (name, pace) in paces {
            // Cut beforehand: the scanner's work is not ours.
            let series = format!("{name} to build {number}");
            let slices = template.series(&series, SLICES, Kind::Eligible);
            let slices: Vec<_> = slices.collect();
            let mut flow = run(name, &hepar, &pacs, slices.into_iter(), pace)?;
            flow.wait_then_run = flow.last_slice() + wait_then_run;
            flows.push(flow);
        }
        measured.push((build.name, flows));
    }
    let table = table(&measured, &alone, wait_then_run);
    let (_, flows) = measured.into_iter().next().context("no build")?;
    Ok((flows, table))
}

fn table(measured: &[(&str, Vec<Flow>)], alone: &Alone, wait_then_run: f64) -> Table {
    let mut table = Table::new(
        "flow",
        &[
            "300 slices of 512×512",
            "sending, s",
            "last slice → SEG on the PACS, s",
            "wait, then run, s",
            "all, s",
            "limit, s",
            "processor time, of which the network alone, s",
        ],
    );
    let network = alone.processor.as_secs_f64() * SLICES as f64;
    let engine = alone.per_slice.as_secs_f64() * SLICES as f64;
    let flows = measured
        .iter()
        .flat_map(|(build, flows)| flows.iter().map(move |flow| (build, flow)));
    for (build, flow) in flows {
        // No slice can be encoded before it is there.
        let limit = engine.max(flow.last_slice());
        table.row([
            format!("{build} {}", flow.name),
            format!("{:.1}", flow.last_slice()),
            format!("**{:.2}**", flow.after_last_slice()),
            format!("{wait_then_run:.2}"),
            format!("{:.2}", flow.stored),
            format!("{limit:.2} ({:.2} ×)", flow.stored / limit),
            format!(
                "{:.1}, {network:.1} ({:.2} ×)",
                flow.processor,
                flow.processor / network
            ),
        ]);
    }
    table.row([
        format!(
            "limit of a burst: {} alone, {} workers",
            alone.name, alone.workers
        ),
        String::new(),
        String::new(),
        String::new(),
        format!("{engine:.2}"),
        format!("{:.1} ms a slice", alone.per_slice.as_secs_f64() * 1e3),
        String::new(),
    ]);
    table
}
