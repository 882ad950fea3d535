use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;

use hepar::{
    appliance::{self, Appliance},
    config::{self, Config},
    deliver::{self, Destination, Outgoing},
    dicom::AeTitle,
    encode::Segmentation,
    phantom::{self, Phantom, PhantomSpec},
    series::InstanceHeader,
    spool::journal::{SeriesRecord, SeriesState},
    status,
};

use super::{Failure, OrFail, files_below, pacs::Pacs, start_logging};

#[derive(Args, Debug)]
pub struct Demo {
    /// Push this series instead of a synthetic one; nothing is known of its truth.
    #[arg(long, value_name = "DIR")]
    series: Option<PathBuf>,
    /// Leave page and listener up until interrupted.
    #[arg(long)]
    keep_running: bool,
    /// Slices of the synthetic abdomen.
    #[arg(long, default_value_t = 60)]
    slices: usize,
    /// Which synthetic patient.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the state and the received SEG go; a new temporary directory by default.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const PACS_TITLE: &str = "DEMO_PACS";

/// Series looked at, of those that one directory may hold.
const SERIES: u32 = 64;

/// How long a result may take before the demo gives up.
const PATIENCE: Duration = Duration::from_mins(10);

impl Demo {
    pub fn run(self) -> Result<(), Failure> {
        start_logging("warn");
        let runtime = tokio::runtime::Runtime::new()
            .or_fail(Failure::INTERNAL, "cannot start the async runtime")?;
        runtime
            .block_on(self.demonstrate())
            .map_err(|error| Failure::new(Failure::INTERNAL, error))
    }

    async fn demonstrate(self) -> anyhow::Result<()> {
        let out = self.out.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("hepar-demo-{}", std::process::id()))
        });
        let mut pacs = Pacs::start(&out.join("pacs"), PACS_TITLE).await?;
        let appliance = Appliance::start(
            Self::configuration(&out, &pacs)?,
            status::install_metrics().ok(),
        )
        .await?;
        println!("page        http://{}/", appliance.page_address);
        println!("listener    HEPAR@{}", appliance.dicom_address);

        let (files, truth) = self.series(&out.join("scanner"))?;
        appliance.engine_ready().await.map_err(anyhow::Error::msg)?;
        let last_slice = push(&files, appliance.dicom_address.to_string()).await?;
        println!("scanner     {} slices sent by C-STORE", files.len());

        let seg = await_seg(&mut pacs, &appliance).await?;
        let waited = last_slice.elapsed();
        println!(
            "PACS        SEG stored {:.2} s after the last slice",
            waited.as_secs_f64()
        );
        println!("SEG         {}", seg.display());
        report(&appliance, &seg, truth.as_ref())?;
        if self.keep_running {
            println!("running until interrupted (Ctrl-C)");
            tokio::signal::ctrl_c().await?;
        }
        appliance.stop().await;
        pacs.stop().await;
        Ok(())
    }

    fn configuration(out: &Path, pacs: &Pacs) -> anyhow::Result<Config> {
        let mut config = Config::default();
        "Hepar demo".clone_into(&mut config.device.name);
        config.device.state_dir = Some(out.join("state"));
        config.listener.address = "127.0.0.1:0".parse()?;
        config.status.address = "127.0.0.1:0".parse()?;
        config.destinations.push(config::Destination::new(
            "demo PACS",
            AeTitle::parse(PACS_TITLE)?,
            &pacs.address.to_string(),
        ));
        Ok(config)
    }

    /// The series to push, and what is truly in it where that is known.
    fn series(&self, scanner: &Path) -> anyhow::Result<(Vec<Outgoing>, Option<Phantom>)> {
        let (directory, truth) = if let Some(directory) = &self.series {
            (directory.clone(), None)
        } else {
            let spec = PhantomSpec {
                slices: self.slices,
                seed: self.seed,
                ..PhantomSpec::default()
            };
            (scanner.to_owned(), Some(phantom::write(&spec, scanner)?))
        };
        let mut files = Vec::new();
        for path in files_below(&directory)? {
            let Ok(header) = InstanceHeader::read(&std::fs::read(&path)?) else {
                continue;
            };
            files.push(Outgoing {
                sop_class: header.sop_class,
                sop_instance: header.sop_instance,
                path,
            });
        }
        if files.is_empty() {
            bail!("{} holds no DICOM images", directory.display());
        }
        Ok((files, truth))
    }
}

/// Sends the files over one association as a scanner would. Returns when the last was stored.
async fn push(files: &[Outgoing], address: String) -> anyhow::Result<Instant> {
    let scanner = Destination::new(
        "Hepar",
        AeTitle::parse("HEPAR")?,
        &address,
        AeTitle::parse("DEMO_CT")?,
    );
    let (files, never) = (files.to_vec(), CancellationToken::new());
    tokio::task::spawn_blocking(move || {
        for (file, outcome) in files.iter().zip(deliver::store(&scanner, &files, &never)) {
            outcome.with_context(|| format!("{} was not accepted", file.path.display()))?;
        }
        Ok(Instant::now())
    })
    .await?
}

/// Waits for the SEG, or for the reason why there is none.
async fn await_seg(pacs: &mut Pacs, appliance: &Appliance) -> anyhow::Result<PathBuf> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match tokio::time::timeout(Duration::from_millis(500), pacs.stored()).await {
            Ok(Some((path, _))) => return Ok(path),
            Ok(None) => bail!("the demo PACS stopped"),
            Err(_) => {
                let series = appliance.journal.recent(SERIES, 0)?;
                let reasons: Vec<String> = series.iter().filter_map(why_not).collect();
                // The directory may hold more than the one that is segmented.
                if !reasons.is_empty() && reasons.len() == series.len() {
                    bail!("no series was segmented: {}", reasons.join("; "));
                }
            }
        }
    }
    bail!("no SEG came within {} s", PATIENCE.as_secs())
}

/// Why no SEG of a series will come; `None` if one did or may.
fn why_not(series: &SeriesRecord) -> Option<String> {
    let ended = series.state.is_settled() && series.state != SeriesState::Delivered;
    let reason = series.reason.as_ref();
    let reason = reason.map_or("no reason was given", |it| &it.words);
    ended.then(|| format!("{} ({reason})", series.state))
}

/// What the SEG that arrived says, beside the truth.
fn report(appliance: &Appliance, seg: &Path, truth: Option<&Phantom>) -> anyhow::Result<()> {
    let segmentation = Segmentation::read(&std::fs::read(seg)?)?;
    let series = appliance.journal.recent(SERIES, 0)?;
    let mut segmented = series.iter().filter(|series| why_not(series).is_none());
    let measured = segmented.find_map(|series| series.summary.liver_ml.map(|_| &series.summary));
    let liver_ml = measured.and_then(|m| m.liver_ml).unwrap_or(f64::NAN);
    let tumour_ml = measured.and_then(|m| m.tumour_ml).unwrap_or(f64::NAN);
    println!();
    match truth {
        Some(phantom) => {
            println!("{:10}{:>12}{:>12}{:>8}", "", "measured", "truth", "Dice");
            let row = |name: &str, ml: f64, truth_ml: f64, segment: u16| {
                let dice = appliance::dice(&segmentation, phantom, segment);
                println!("{name:10}{ml:>9.1} ml{truth_ml:>9.1} ml{dice:>8.3}");
            };
            row("liver", liver_ml, phantom.liver_ml(), 1);
            row("tumour", tumour_ml, phantom.tumour_ml(), 2);
            println!("\nA synthetic patient: these figures say nothing about real ones.");
        }
        None => println!("liver {liver_ml:.0} ml, tumour {tumour_ml:.1} ml"),
    }
    println!("Made by software, not verified by a physician, not for diagnosis.");
    Ok(())
}
