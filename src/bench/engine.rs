//! The engine alone, and our own parts run one after the other: the limits of a whole flow.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use dicom_dictionary_std::uids;
use tokio_util::sync::CancellationToken;

use hepar::{
    appliance::{self, Complete, finish},
    deliver::{self, Destination, Outgoing},
    dicom::{AeTitle, Uid},
    engine::{EngineError, EngineOptions, Urgency, Workers, preprocess},
    model::Bundle,
    series::InstanceHeader,
    volume::FrameSource,
};

use super::{children::processor_time, flow::PACS_AE};
use crate::commands::segment::{Files, encode, file_of};

/// Our parts with nobody else around them.
pub struct Parts {
    bundle: Arc<Bundle>,
    workers: Workers,
}

/// What the engine does when nothing else runs.
#[derive(Clone, Debug)]
pub struct Alone {
    pub name: String,
    pub workers: usize,
    /// From slice to slice with all workers busy: encoder and head, nothing else.
    pub per_slice: Duration,
    /// What a slice takes of all cores together.
    pub processor: Duration,
}

impl Parts {
    pub fn start() -> Result<Self> {
        let bundle = Arc::new(Bundle::embedded()?);
        let workers = Workers::start(&bundle, &EngineOptions::default())?;
        Ok(Self { bundle, workers })
    }

    /// Encoder and head over the slices in `files`, laid out beforehand.
    pub fn engine_alone(&self, files: &[PathBuf]) -> Result<Alone> {
        let images = files.iter().map(|path| {
            let file = std::fs::read(path)?;
            let header = InstanceHeader::read(&file)?;
            let plane = header.frames.first().and_then(|frame| frame.plane);
            let plane = plane.context("a slice without a position")?;
            let slice = FrameSource::open(&file, &header)?.frame(0)?;
            Ok(preprocess(&slice, &plane, &self.bundle.manifest.input).0)
        });
        let images = images.collect::<Result<Vec<_>>>()?;
        let series = Uid::derived("benchmark", &["engine alone"]);
        let count = u32::try_from(images.len().max(1))?;
        let (begun, idle) = (Instant::now(), processor_time("self")?);
        let jobs: Vec<_> = images
            .into_iter()
            .map(|image| {
                self.workers.submit(&series, Urgency::Live, move |engine| {
                    engine.predict(&image)?;
                    Ok::<_, EngineError>(())
                })
            })
            .collect();
        for job in jobs {
            job.blocking_recv()??;
        }
        let per_slice = begun.elapsed() / count;
        let processor = processor_time("self")?.saturating_sub(idle) / count;
        let info = self.workers.info();
        Ok(Alone {
            name: format!("{} {} on {}", info.name, info.version, info.device),
            workers: self.workers.count(),
            per_slice,
            processor,
        })
    }

    /// What others do: wait until the series is there, then read, decode, encode, segment and send.
    /// Returns the time from the first read until the PACS has it, without any wait.
    pub fn wait_then_run(&self, files: &[PathBuf], pacs: &str, dir: &Path) -> Result<Duration> {
        let begun = Instant::now();
        let instances = files.iter().map(|path| {
            let file = std::fs::read(path)?;
            Ok((InstanceHeader::read(&file)?, Arc::new(file)))
        });
        let instances = instances.collect::<Result<Files>>()?;
        let encoded = encode(&instances, &self.workers, &self.bundle)
            .map_err(|failure| failure.error().context("the engine failed"))?;
        let headers: Vec<InstanceHeader> = instances.iter().map(|(h, _)| h.clone()).collect();
        let (_, template) = instances.first().context("an empty series")?;
        let finished = finish(&Complete {
            headers: &headers,
            encoded: &encoded,
            template,
            bundle: &self.bundle,
            workers: &self.workers,
            urgency: Urgency::Live,
            equipment: &appliance::equipment(dir),
            file: &|instance| file_of(&instances, instance),
            revision: 1,
            now: jiff::Zoned::now(),
        })?;
        let path = dir.join("wait-then-run.dcm");
        std::fs::write(&path, &finished.seg.bytes)?;
        let pacs = Destination::new(
            "PACS",
            AeTitle::parse(PACS_AE)?,
            pacs,
            AeTitle::parse("BENCH")?,
        );
        let seg = Outgoing {
            sop_class: Uid::parse(uids::SEGMENTATION_STORAGE)?,
            sop_instance: finished.seg.sop_instance,
            path,
        };
        for outcome in deliver::store(&pacs, &[seg], &CancellationToken::new()) {
            outcome?;
        }
        Ok(begun.elapsed())
    }
}
