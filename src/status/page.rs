//! The templates and the words in them.

use askama::Template;
use jiff::{Timestamp, tz::TimeZone};

use super::snapshot::{SeriesView, Snapshot};
use crate::spool::journal::{DeliveryState, SeriesState};

#[derive(Template)]
#[template(path = "status.html", config = ".askama.toml")]
pub(super) struct StatusPage<'a> {
    pub snapshot: &'a Snapshot,
}

#[derive(Template)]
#[template(path = "series.html", config = ".askama.toml")]
pub(super) struct SeriesPage<'a> {
    pub name: &'a str,
    pub series: &'a SeriesView,
    pub findings: &'a str,
}

/// `14:05:31` today or not: the page is for the last hours, the date stands in the series' own page.
fn clock(time: &Timestamp) -> String {
    let local = time.to_zoned(TimeZone::system());
    local.strftime("%H:%M:%S").to_string()
}

fn date_and_clock(time: &Timestamp) -> String {
    let local = time.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What came out, in one phrase; empty while nothing has.
fn outcome(series: &SeriesView) -> String {
    match (series.liver_ml, series.lesions, series.tumour_ml) {
        (Some(liver), Some(0), _) => format!("liver {liver:.0} ml, no lesion found"),
        (Some(liver), Some(1), Some(tumour)) => {
            format!("liver {liver:.0} ml, 1 lesion, {tumour:.1} ml")
        }
        (Some(liver), Some(n), Some(tumour)) => {
            format!("liver {liver:.0} ml, {n} lesions, {tumour:.1} ml")
        }
        _ => String::new(),
    }
}

/// Where the series is, as a technician would say it.
fn progress(series: &SeriesView) -> String {
    let received = series.instances_received;
    let sent = |state| {
        series
            .destinations
            .iter()
            .filter(|d| d.state == state)
            .count()
    };
    match series.state {
        SeriesState::Receiving => format!("receiving, {received} so far"),
        SeriesState::Queued => format!("{received} received, waiting for the engine"),
        SeriesState::Segmenting => {
            format!("segmenting {}/{received}", series.slices_encoded)
        }
        SeriesState::Delivering => {
            let waiting = sent(DeliveryState::Waiting);
            format!("result waits for {waiting} destination(s)")
        }
        SeriesState::Delivered if series.destinations.is_empty() => {
            "finished, kept here".to_owned()
        }
        SeriesState::Delivered => "sent".to_owned(),
        SeriesState::Ignored => "ignored".to_owned(),
        SeriesState::Refused => "refused".to_owned(),
        SeriesState::Failed => "failed".to_owned(),
    }
}
