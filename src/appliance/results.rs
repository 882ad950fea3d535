//! Makes the result of a complete series and makes it durable.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use jiff::{Timestamp, Zoned};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::task::TaskTracker;

use super::{
    dispatcher::Message,
    engine_room::EngineRoom,
    finish::{Complete, EncodedSlice, FinishError, Finished, finish},
    live::Live,
};
use crate::{
    config::Config,
    dicom::{Remedy, Uid},
    encode::{Equipment, ObjectKind},
    engine::Urgency,
    series::InstanceHeader,
    spool::{
        Spool, SpoolError,
        journal::{Addressed, Journal, JournalError, ResultObject, SeriesRecord, SeriesState},
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
    #[error("making the result crashed")]
    Panicked,
}

impl ResultError {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Finish(error) => error.remedy(),
            Self::Spool(error) => error.remedy(),
            Self::Journal(error) => error.remedy(),
            Self::Read(_) | Self::Panicked => Remedy::Service,
        }
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
        } = job;
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
        let name = |extension: &str| format!("{series}.{}.{extension}", record.revision);
        let mut json = serde_json::to_value(&finished.json).unwrap_or_default();
        if let Some(picture) = &finished.picture {
            self.spool
                .write_result(&name("preview.png"), &picture.png)?;
        }
        if let Some(reason) = finished.json.refusal() {
            let file = format!("{json:#}\n");
            self.spool
                .write_result(&name("result.json"), file.as_bytes())?;
            let why = (&*reason, Remedy::Resend);
            self.journal
                .record_refusal(series, &json, why, Timestamp::now())?;
            tracing::info!(%series, status = %SeriesState::Refused, slices = finished.json.n_slices, reason, "refused");
            return Ok(SeriesState::Refused);
        }
        let objects = self.keep(&finished, &record, name)?;
        let waited = last_durable.elapsed();
        json["seconds_to_seg"] = waited.as_secs_f64().into();
        json["made_at"] = Timestamp::now().to_string().into();
        self.spool
            .write_result(&name("result.json"), format!("{json:#}\n").as_bytes())?;
        self.journal
            .record_result(series, &json, &objects, Timestamp::now())?;
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
    /// Makes the objects durable and says where each is to go. The segmentation is kept whoever
    /// wants it, for the page; what else nobody wants is not kept.
    fn keep(
        &self,
        finished: &Finished,
        record: &SeriesRecord,
        name: impl Fn(&str) -> String,
    ) -> Result<Vec<Addressed>, SpoolError> {
        let mut kept = Vec::new();
        for (kind, object) in finished.objects() {
            let destinations = self
                .config
                .destinations_for(&record.calling_ae, record.peer, kind);
            if kind != ObjectKind::Seg && destinations.is_empty() {
                continue;
            }
            let path = self
                .spool
                .write_result(&name(&format!("{}.dcm", kind.as_str())), &object.bytes)?;
            kept.push(Addressed {
                object: ResultObject {
                    sop_instance: object.sop_instance.clone(),
                    sop_class: object.sop_class.clone(),
                    path,
                },
                destinations,
            });
        }
        Ok(kept)
    }
}
