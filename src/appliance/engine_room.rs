//! The engine's workers, and what a slice goes through on one of them.

use std::{
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use tokio::sync::mpsc;

use super::{dispatcher::Message, finish::EncodedSlice, live::Live, waiting::Waiting};
use crate::{
    chain,
    dicom::{Remedy, Trouble, TroubleKind, Uid},
    engine::{Engine, EngineError, EngineOptions, Workers, preprocess},
    mask::{HuHistogram, LogOdds, OrganSample},
    model::{Bundle, Manifest},
    series::{InstanceHeader, is_slice},
    spool::Spool,
    status::{EngineFacts, metric_names},
    volume::{DecodeError, FrameSource},
};

pub(super) struct EngineRoom {
    pub workers: Workers,
    pub bundle: Arc<Bundle>,
    spool: Arc<Spool>,
}

impl fmt::Debug for EngineRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineRoom({})", self.bundle.digest)
    }
}

/// Slices of one instance that have been through the engine.
pub(super) struct SliceOutcome {
    pub series: Uid,
    /// [`Live::number`] of who asked.
    pub number: u64,
    pub sop_instance: Uid,
    /// By frame, or why the instance cannot be used.
    pub slices: Result<Vec<(usize, EncodedSlice)>, Trouble>,
}

#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    #[error("cannot be read back")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("crashed the decoder or the engine")]
    Panicked,
}

impl SliceError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Engine(error) => error.remedy(),
            Self::Decode(error) => error.remedy(),
            Self::Read(_) | Self::Panicked => Remedy::Service,
        }
    }

    #[must_use]
    pub fn kind(&self) -> TroubleKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::Decode(_) => TroubleKind::UnreadableSlices,
            Self::Read(_) => TroubleKind::File,
            Self::Panicked => TroubleKind::Crashed,
        }
    }
}

impl EngineRoom {
    /// Slices of one series at the engine at once: enough to keep every worker busy, few enough
    /// that another series is not kept waiting.
    pub(super) const SHARE: usize = 16;

    /// Frames of a multi-frame instance that make one job.
    pub(super) const FRAMES: usize = 16;

    /// Loads the bundle and starts the workers. Takes seconds; never on the async runtime.
    pub(super) fn open(
        bundle: Bundle,
        options: &EngineOptions,
        spool: Arc<Spool>,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            workers: Workers::start(&bundle, options)?,
            bundle: Arc::new(bundle),
            spool,
        })
    }

    pub(super) fn facts(&self) -> EngineFacts {
        let info = self.workers.info();
        EngineFacts {
            name: info.name.clone(),
            device: info.device.clone(),
            model: self.bundle.manifest.name.clone(),
            version: self.bundle.manifest.version.clone(),
            digest: self.bundle.digest.clone(),
            origin: self.bundle.origin.to_string(),
        }
    }

    /// Queues frames of an instance of a series in work; the outcome comes to `outbox`, and waits
    /// where `waiting` finds room.
    pub(super) fn encode(
        &self,
        live: &Live,
        header: InstanceHeader,
        frames: Range<usize>,
        waiting: &Arc<Waiting>,
        outbox: mpsc::Sender<Message>,
    ) {
        let (number, urgency) = (live.number, live.urgency());
        let (waiting, overflow) = (Arc::clone(waiting), Arc::clone(&live.overflow));
        let spool = Arc::clone(&self.spool);
        let bundle = Arc::clone(&self.bundle);
        let series = header.series.clone();
        let work = move |engine: &mut dyn Engine| {
            let started = Instant::now();
            let slices = catch_unwind(AssertUnwindSafe(|| {
                let file = spool.read(&header.sop_instance)?;
                encode_frames(engine, &file, &header, frames, &bundle.manifest)
            }));
            let slices = slices.unwrap_or(Err(SliceError::Panicked));
            let slices = slices.map(|slices| {
                let kept = slices.into_iter().map(|(frame, slice)| {
                    let log_odds = waiting.keep(slice.log_odds, &overflow);
                    (frame, EncodedSlice { log_odds, ..slice })
                });
                kept.collect::<Vec<_>>()
            });
            let count = slices.as_ref().map_or(0, Vec::len);
            for _ in 0..count {
                metrics::histogram!(metric_names::ENCODE)
                    .record(started.elapsed().as_secs_f64() / count as f64);
            }
            let outcome = SliceOutcome {
                series: header.series.clone(),
                number,
                sop_instance: header.sop_instance.clone(),
                slices: slices.map_err(|error| Trouble::new(error.kind(), chain(&error))),
            };
            // Nobody listens only while stopping.
            let _ = outbox.blocking_send(Message::Slices(outcome));
        };
        // The outcome travels by `outbox`.
        drop(self.workers.submit(&series, urgency, work));
    }
}

/// Decodes, places and encodes those of `frames` that are axial CT slices.
pub fn encode_frames(
    engine: &mut dyn Engine,
    file: &[u8],
    header: &InstanceHeader,
    frames: Range<usize>,
    manifest: &Manifest,
) -> Result<Vec<(usize, EncodedSlice)>, SliceError> {
    let source = FrameSource::open(file, header)?;
    let mut encoded = Vec::with_capacity(frames.len());
    for frame in frames {
        let slice = header.frames.get(frame).filter(|f| is_slice(header, f));
        let Some(plane) = slice.and_then(|slice| slice.plane) else {
            continue;
        };
        let hounsfield = source.frame(frame)?;
        let (image, placement) = preprocess(&hounsfield, &plane, &manifest.input);
        let prediction = engine.predict(&image)?;
        let log_odds = LogOdds::of(&prediction.logits, &manifest.output.temperature);
        let slice = EncodedSlice {
            sample: OrganSample::of(&log_odds, &hounsfield, &placement),
            log_odds: log_odds.into(),
            organ_in_view: prediction.organ_in_view,
            distance: prediction.distance,
            placement,
            histogram: HuHistogram::of(&hounsfield),
        };
        encoded.push((frame, slice));
    }
    Ok(encoded)
}
