//! What a series costs as it grows, and what the box costs at rest.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::Result;

use super::{
    children::{Build, Hepar},
    flow::{StampingPacs, run},
    slices::{Kind, Template},
    table::Table,
};

const LENGTHS: [usize; 4] = [60, 300, 1000, 2000];
/// After it, what starting needed has been given back.
const REST: Duration = Duration::from_secs(2);
const STARTS: usize = 5;

/// Bursts of growing length, each to a fresh process.
pub fn cost(template: &Template, build: &Build, dir: &Path) -> Result<Table> {
    let mut table = Table::new(
        "cost",
        &[
            "slices in one burst",
            "first slice → SEG, s",
            "a slice, ms",
            "memory at most, MB",
        ],
    );
    for length in LENGTHS {
        let there = dir.join(format!("cost-{length}"));
        let pacs = StampingPacs::start(&there.join("pacs"))?;
        let hepar = Hepar::start(build, &there, Some(pacs.address))?;
        hepar.wait_for_engine()?;
        let name = length.to_string();
        let slices = template.series(&name, length, Kind::Eligible);
        let flow = run("cost", &hepar, &pacs, slices, Duration::ZERO)?;
        table.row([
            length.to_string(),
            format!("{:.1}", flow.stored),
            format!("{:.1}", flow.stored * 1e3 / length as f64),
            megabytes(hepar.peak_resident()?),
        ]);
        drop(hepar);
        fs::remove_dir_all(there)?;
    }
    Ok(table)
}

/// Start, memory at rest and size of the program.
pub fn footprint(build: &Build, dir: &Path) -> Result<Table> {
    let mut starts = Vec::new();
    let mut resident = 0;
    for start in 0..STARTS {
        let there = dir.join(format!("start-{start}"));
        let hepar = Hepar::start(build, &there, None)?;
        starts.push(hepar.start_to_ready);
        if start + 1 == STARTS {
            hepar.wait_for_engine()?;
            thread::sleep(REST);
            resident = hepar.resident()?;
        }
        drop(hepar);
        fs::remove_dir_all(there)?;
    }
    starts.sort();
    let mut table = Table::new("footprint", &["", "measured", "may be"]);
    let mut row = |what: &str, measured: String, most: &str| {
        table.row([what.to_owned(), measured, most.to_owned()]);
    };
    row(
        &format!("start to ready for associations, median of {STARTS}"),
        format!("{:.0} ms", starts[STARTS / 2].as_secs_f64() * 1e3),
        "1 s",
    );
    row(
        "memory at rest, engine loaded",
        megabytes(resident) + " MB",
        "150 MB",
    );
    let program = fs::metadata(&build.program)?.len();
    row("program, model inside", megabytes(program) + " MB", "40 MB");
    Ok(table)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
