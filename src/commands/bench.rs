use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::Failure;
use crate::bench::{self, Table, Template};

/// Prints Markdown. Nothing else should run on the machine meanwhile.
#[derive(Args, Debug)]
pub struct Bench {
    /// What to measure; everything by default.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Where the servers under test keep their files: on the disk in question. By default the
    /// system's directory for temporary files.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also write each table as NAME.md, and timeline.svg.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Another build of Hepar, to be measured beside this one.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// A Python that has pynetdicom, to measure it as well.
    #[arg(long, value_name = "FILE", requires = "pynetdicom_receiver")]
    python: Option<PathBuf>,
    /// Its receiver: benches/peers/receiver.py.
    #[arg(long, value_name = "FILE", requires = "python")]
    pynetdicom_receiver: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum What {
    /// Instances a second, beside other receivers and the disk alone.
    Receive,
    /// From the last slice to the SEG, at a scanner's pace and in a burst.
    Flow,
    /// Series of 60 to 2000 slices.
    Cost,
    /// Start, memory at rest, size.
    Footprint,
}

impl Bench {
    pub fn run(self) -> Result<(), Failure> {
        self.measure()
            .map_err(|error| Failure::new(Failure::INTERNAL, error))
    }

    fn measure(self) -> anyhow::Result<()> {
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = parent.join(format!("hepar-bench-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let measured = self.measure_in(&dir);
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        measured
    }

    fn measure_in(&self, dir: &Path) -> anyhow::Result<()> {
        self.report(&bench::machine())?;
        let wanted = |what| self.what.is_empty() || self.what.contains(&what);
        let template = Template::synthesise()?;
        let builds = bench::Build::this_and(self.before.as_deref())?;
        if wanted(What::Footprint) {
            self.report(&bench::footprint(&builds[0], dir)?)?;
        }
        if wanted(What::Receive) {
            let script = self.pynetdicom_receiver.clone().unwrap_or_default();
            let peers = bench::Peer::installed(self.python.as_deref(), &script);
            for table in bench::receive(&template, &builds, &peers, dir)? {
                self.report(&table)?;
            }
        }
        if wanted(What::Flow) {
            let (flows, table) = bench::flows(&template, &builds, &dir.join("flow"))?;
            self.report(&table)?;
            if let Some(out) = &self.out {
                fs::write(out.join("timeline.svg"), bench::draw(&flows))?;
            }
        }
        if wanted(What::Cost) {
            self.report(&bench::cost(&template, &builds[0], dir)?)?;
        }
        Ok(())
    }

    fn report(&self, table: &Table) -> anyhow::Result<()> {
        println!("{table}");
        if let Some(out) = &self.out {
            fs::create_dir_all(out)?;
            fs::write(out.join(table.name).with_extension("md"), table.to_string())?;
        }
        Ok(())
    }
}
