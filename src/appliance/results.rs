//! Makes the result of a complete series and makes it durable.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use jiff::Zoned;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::task::TaskTracker;

use super::{
    dispatcher::Message,
    engine_room::EngineRoom,
    finish::{Complete, EncodedSlice, FinishError, Finished, finish},
    keeping_results::{For, Shelf},
    live::Live,
};
use crate::{
    chain,
    config::Config,
    dicom::{Remedy, Trouble, TroubleKind, Uid},
    encode::{Equipment, ObjectKind},
    engine::Urgency,
    series::InstanceHeader,
    spool::{
        Spool, SpoolError,
        journal::{Journal, JournalError, SeriesRecord, SeriesState},
    },
    status::metric_names,
};

pub(super) struct Results {
    pub spool: Arc<Spool>,
    pub journal: Arc<Journal>,
    pub config: Arc<Config>,
    pub equipment: Equipment,
    pub tracker: TaskTracker,
    pub runtime: Handle,
}

/// Why a complete series has no durable result.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResultError {
    #[error(transparent)]
    Finish(#[from] FinishError),
    #[error("a source instance cannot be read back")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the network gave no numbers for one of its images: {0}")]
    NotComputed(Trouble),
    #[error("making the result crashed")]
    Panicked,
}

impl ResultError {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Finish(error) => error.remedy(),
            Self::Spool(error) => error.remedy(),
            Self::Journal(error) => error.remedy(),
            Self::NotComputed(_) | Self::Read(_) | Self::Panicked => Remedy::Service,
        }
    }

    pub(super) fn trouble(&self) -> Trouble {
        let kind = match self {
            Self::Finish(error) => error.kind(),
            Self::Spool(error) if error.is_out_of_space() => TroubleKind::DiskFull,
            Self::Spool(_) | Self::Read(_) => TroubleKind::File,
            Self::Journal(_) => TroubleKind::Journal,
            Self::NotComputed(_) => TroubleKind::Engine,
            Self::Panicked => TroubleKind::Crashed,
        };
        Trouble::new(kind, chain(self))
    }
}

/// A snapshot of one series in work.
struct Job {
    engine: Arc<EngineRoom>,
    series: Uid,
    headers: Vec<InstanceHeader>,
    encoded: HashMap<(Uid, usize), Arc<EncodedSlice>>,
    urgency: Urgency,
    last_durable: Instant,
    not_computed: Option<Trouble>,
}

impl Results {
    /// Starts making the result; the outcome comes to `outbox`.
    pub(super) fn make(
        self: &Arc<Self>,
        engine: &Arc<EngineRoom>,
        series: &Uid,
        live: &Live,
        outbox: mpsc::Sender<Message>,
    ) {
        let job = Job {
            engine: Arc::clone(engine),
            series: series.clone(),
            headers: live.headers.values().cloned().collect(),
            encoded: live.encoded.clone(),
            urgency: live.urgency(),
            last_durable: live.last_durable,
            not_computed: live.not_computed().cloned(),
        };
        let results = Arc::clone(self);
        let task = move || {
            let series = job.series.clone();
            let instances = job.headers.len();
            let outcome = catch_unwind(AssertUnwindSafe(|| results.run(&job)));
            let outcome = outcome.unwrap_or(Err(ResultError::Panicked));
            // Nobody listens only while stopping.
            let _ = outbox.blocking_send(Message::Result {
                series,
                instances,
                outcome,
            });
        };
        self.tracker.spawn_blocking_on(task, &self.runtime);
    }

    /// Returns the state that the journal gave the series.
    fn run(&self, job: &Job) -> Result<SeriesState, ResultError> {
        let Job {
            engine,
            series,
            headers,
            encoded,
            urgency,
            last_durable,
            not_computed,
        } = job;
        if let Some(trouble) = not_computed {
            return Err(ResultError::NotComputed(trouble.clone()));
        }
        let record = self.journal.series(series)?;
        let record = record.ok_or_else(|| JournalError::UnknownSeries(series.clone()))?;
        let template = match headers.first() {
            Some(header) => self.spool.read(&header.sop_instance)?,
            None => Vec::new(),
        };
        let finished = finish(&Complete {
            headers,
            encoded,
            template: &template,
            bundle: &engine.bundle,
            workers: &engine.workers,
            urgency: *urgency,
            equipment: &self.equipment,
            file: &|instance| self.spool.read(instance).map(Arc::new),
            revision: record.revision,
            now: Zoned::now(),
        })?;
        let shelf = Shelf {
            spool: &*self.spool,
            journal: &self.journal,
            series,
            revision: record.revision,
        };
        let json = serde_json::to_value(&finished.json).unwrap_or_default();
        if let Some(picture) = &finished.picture {
            shelf.put("preview.png", &picture.png)?;
        }
        if let Some(reason) = finished.json.refusal() {
            shelf.refuse(&json, &reason)?;
            tracing::info!(%series, status = %SeriesState::Refused, slices = finished.json.n_slices, reason, "refused");
            return Ok(SeriesState::Refused);
        }
        let waited = shelf.keep(self.addressed(&finished, &record), json, *last_durable)?;
        metrics::histogram!(metric_names::LAST_SLICE_TO_SEG).record(waited);
        tracing::info!(
            %series,
            status = %SeriesState::Delivering,
            slices = finished.json.n_slices,
            liver_ml = finished.json.findings.liver_ml,
            lesions = finished.json.findings.lesions.len(),
            tumour_ml = finished.json.findings.tumour_ml,
            after_last_slice = ?waited,
            seg = %finished.seg.sop_instance,
            "segmented"
        );
        Ok(SeriesState::Delivering)
    }
}

impl Results {
    /// What is kept, and where each is to go. The segmentation is kept whoever wants it, for the page;
    /// what else nobody wants is not.
    fn addressed<'a>(&self, finished: &'a Finished, record: &SeriesRecord) -> Vec<For<'a>> {
        let addressed = finished.objects().map(|(kind, object)| {
            let (caller, peer) = (&record.calling_ae, record.peer);
            (
                kind,
                object,
                self.config.destinations_for(caller, peer, kind),
            )
        });
        addressed
            .filter(|(kind, _, destinations)| *kind == ObjectKind::Seg || !destinations.is_empty())
            .collect()
    }
}
