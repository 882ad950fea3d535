//! Everything that is known of one series, for whoever asks why.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fluent_bundle::FluentValue;
use serde::Deserialize;

use super::{
    access::Patient,
    clock,
    frame::Frame,
    language::Language,
    series_findings::{GateRow, LesionRow, Result as Outcome},
    series_row::Row,
    series_slices::Slices,
    server::{PageError, Pages, off_runtime},
    snapshot::{QuarantineView, SeriesView, quarantine_view},
    trouble::Told,
};
use crate::{
    dicom::{Trouble, Uid, sop_class},
    encode::{ObjectKind, Window},
    spool::journal::{CommitmentState, DeliveryRecord, DeliveryState, SeriesRecord, SeriesState},
};

/// One thing that happened, and when.
struct Moment {
    time: String,
    /// `done`, `now` or `bad`.
    class: &'static str,
    words: String,
}

/// The picture that is shown and those it can be exchanged for. Slices count from 1.
struct Viewer {
    slice: usize,
    slices: usize,
    window: &'static str,
    windows: [&'static str; 4],
    /// Changes with what the pictures show.
    version: String,
}

#[derive(Template)]
#[template(path = "series.html", config = ".askama.toml")]
struct SeriesPage<'a> {
    row: Row<'a>,
    series: &'a SeriesView,
    record: &'a SeriesRecord,
    timeline: Vec<Moment>,
    viewer: Option<Viewer>,
    result: Option<&'a Outcome>,
    gates: Vec<GateRow>,
    lesions: Vec<LesionRow>,
    has_seg: bool,
    /// `None` for whoever may not see patients.
    patient: Option<Patient>,
    quarantined: Vec<QuarantineView>,
    /// Instances that came again with other content, and how often.
    contradicted: Vec<(Uid, u32)>,
    frame: Frame,
}

impl SeriesPage<'_> {
    fn may_send_again(&self) -> bool {
        let settled = self.record.state.is_settled() || self.waits_for_destination();
        settled && !self.record.destinations.is_empty() && self.record.purged_at.is_none()
    }

    fn may_segment_again(&self) -> bool {
        self.record.state.is_settled() && self.record.purged_at.is_none()
    }

    fn told(&self, trouble: &Trouble) -> Told {
        Told::new(trouble, self.frame.language)
    }

    fn delivery_words(&self, delivery: &DeliveryRecord) -> String {
        let delivered = self.frame.say(&format!("delivery-{}", delivery.state));
        match &delivery.commitment {
            Some(commitment) if delivery.state == DeliveryState::Delivered => {
                let key = format!("commitment-{}", commitment.state);
                format!("{delivered}, {}", self.frame.say(&key))
            }
            _ => delivered,
        }
    }

    /// The last answer: about storing, else about keeping.
    fn last_error(delivery: &DeliveryRecord) -> Option<&Trouble> {
        let about_keeping = || delivery.commitment.as_ref()?.trouble.as_ref();
        delivery.last_error.as_ref().or_else(about_keeping)
    }

    fn object_words(&self, delivery: &DeliveryRecord) -> String {
        object_words(delivery, self.frame.language)
    }

    fn waits_for_destination(&self) -> bool {
        self.record.state == SeriesState::Delivering
    }
}

impl Viewer {
    fn previous(&self) -> Option<usize> {
        self.slice.checked_sub(1).filter(|slice| *slice > 0)
    }

    fn next(&self) -> Option<usize> {
        Some(self.slice + 1).filter(|slice| *slice <= self.slices)
    }
}

/// Which picture the reader wants to see.
#[derive(Deserialize)]
pub(super) struct Look {
    slice: Option<usize>,
    window: Option<String>,
}

pub(super) async fn series_page(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    Query(look): Query<Look>,
    frame: Frame,
) -> Result<Html<String>, PageError> {
    off_runtime(move || {
        let series = Uid::parse(&id).map_err(|_| PageError::NoSuchSeries)?;
        let record = pages.journal.series(&series)?;
        let record = record.ok_or(PageError::NoSuchSeries)?;
        let view = SeriesView::new(record.clone(), &pages.facts.read());
        let findings = pages.journal.findings(&series)?;
        let result = findings.as_ref().map(Outcome::of);
        let language = frame.language;
        let seg = pages.result_path(&record, "seg.dcm");
        let patient = Patient::for_viewer(&frame.viewer, &seg);
        let viewer = viewer(&pages, &record, &look)?;
        if patient.is_some() || viewer.is_some() {
            pages.note_look(&frame.viewer, &record)?;
        }
        let page = SeriesPage {
            row: Row::new(&view, language),
            timeline: timeline(&record, result.as_ref(), language),
            viewer,
            gates: result
                .as_ref()
                .map_or(Vec::new(), |result| result.gate_rows(language)),
            lesions: result.as_ref().map_or(Vec::new(), Outcome::lesion_rows),
            has_seg: seg.is_file(),
            patient,
            quarantined: set_apart_meanwhile(&pages, &record)?,
            contradicted: pages.journal.contradicted(&series, LISTED)?,
            result: result.as_ref(),
            series: &view,
            record: &record,
            frame,
        };
        Ok(Html(page.render()?))
    })
    .await
}

fn viewer(pages: &Pages, record: &SeriesRecord, look: &Look) -> Result<Option<Viewer>, PageError> {
    if record.purged_at.is_some() || record.state == SeriesState::Receiving {
        return Ok(None);
    }
    let slices = Slices::of(pages, record)?;
    let count = slices.order.len();
    if count == 0 {
        return Ok(None);
    }
    let window = look.window.as_deref().and_then(Window::named);
    Ok(Some(Viewer {
        slice: look.slice.unwrap_or(slices.shown_first + 1).clamp(1, count),
        slices: count,
        window: window.unwrap_or(Window::Liver).as_str(),
        windows: Window::ALL.map(Window::as_str),
        version: format!("{}-{}", record.revision, record.finished_at.is_some()),
    }))
}

/// How many quarantined objects are looked through for those that came with a series, and how many
/// contradicted instances are shown.
const LISTED: u32 = 100;

/// Objects of the same sender that were set apart while the series arrived: what is missing from it
/// may be among them. They could not be read far enough to say which series they belong to.
fn set_apart_meanwhile(
    pages: &Pages,
    record: &SeriesRecord,
) -> Result<Vec<QuarantineView>, PageError> {
    let meanwhile = record.first_received_at..=record.last_received_at;
    let quarantined = pages.journal.quarantined(LISTED)?;
    Ok(quarantined
        .into_iter()
        .filter(|instance| instance.source.calling_ae == record.calling_ae)
        .filter(|instance| meanwhile.contains(&instance.received_at))
        .filter_map(quarantine_view)
        .collect())
}

/// What is on its way, in words; a class of another version by its name.
fn object_words(delivery: &DeliveryRecord, language: &Language) -> String {
    match ObjectKind::of(&delivery.object_sop_class) {
        Some(kind) => language.say(&format!("object-{}", kind.as_str())),
        None => sop_class::name(&delivery.object_sop_class),
    }
}

fn timeline(record: &SeriesRecord, result: Option<&Outcome>, language: &Language) -> Vec<Moment> {
    let at = |time, class, words| Moment {
        time: clock::date_and_time(time),
        class,
        words,
    };
    let say = |key| language.say(key);
    let instances = FluentValue::from(record.instances_received);
    let mut moments = vec![at(
        &record.first_received_at,
        "done",
        language.tell(
            "moment-first",
            &[
                ("scanner", record.calling_ae.as_str().into()),
                ("address", record.peer.to_string().into()),
            ],
        ),
    )];
    let receiving = record.state == SeriesState::Receiving;
    let last = if receiving {
        "moment-latest"
    } else {
        "moment-last"
    };
    moments.push(at(
        &record.last_received_at,
        if receiving { "now" } else { "done" },
        language.tell(last, &[("n", instances)]),
    ));
    if let Some(time) = &record.queued_at {
        moments.push(at(time, "done", say("moment-complete")));
    }
    if let Some(time) = result.and_then(|result| result.made_at.as_ref()) {
        moments.push(at(time, "done", say("moment-result")));
    }
    for delivery in &record.destinations {
        let named = [
            (
                "destination",
                FluentValue::from(delivery.destination.as_str()),
            ),
            ("object", object_words(delivery, language).into()),
        ];
        let tell = |key| language.tell(key, &named);
        match (delivery.state, &delivery.delivered_at) {
            (DeliveryState::Waiting, _) => moments.push(at(
                &delivery.next_attempt_at,
                "now",
                tell("moment-next-attempt"),
            )),
            (_, Some(time)) => moments.push(at(time, "done", tell("moment-delivered"))),
            _ => {}
        }
        if let Some(commitment) = &delivery.commitment {
            let (class, key) = match commitment.state {
                CommitmentState::Due => ("bad", "moment-commitment-due"),
                CommitmentState::Asked => ("now", "moment-commitment-asked"),
                CommitmentState::Committed => ("done", "moment-committed"),
                CommitmentState::Refused => ("bad", "moment-commitment-refused"),
            };
            moments.push(at(&commitment.since, class, tell(key)));
        }
    }
    if let (Some(time), SeriesState::Ignored | SeriesState::Refused | SeriesState::Failed) =
        (&record.finished_at, record.state)
    {
        let state = say(&format!("state-{}", record.state));
        moments.push(at(time, "bad", state));
    }
    moments.sort_by(|a, b| a.time.cmp(&b.time));
    moments
}
