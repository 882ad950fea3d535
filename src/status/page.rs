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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::{
        dicom::{AeTitle, Remedy, Uid},
        spool::{
            Source,
            journal::{InstanceRecord, InstanceState, Journal, NewSeries},
        },
        status::Facts,
    };

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    /// The page of a journal with one ignored series and one unreadable instance.
    #[test]
    fn what_has_no_result_is_on_the_page_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(&directory.path().join("journal.db")).unwrap();
        let calling_ae = AeTitle::parse("CT1").unwrap();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let now = Timestamp::UNIX_EPOCH;
        let series = NewSeries {
            series: uid("1.2.3"),
            study: uid("1.2"),
            calling_ae: calling_ae.clone(),
            peer,
            description: Some("Scout <b>".to_owned()),
            modality: "CT".to_owned(),
            accession_number: None,
        };
        journal.open_series(&series, now).unwrap();
        let reason = Some(("a localizer", Remedy::Resend));
        journal
            .advance(&series.series, SeriesState::Ignored, reason, now)
            .unwrap();
        journal
            .record_instance(&InstanceRecord {
                sop_instance: uid("1.2.3.4"),
                sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
                series: None,
                state: InstanceState::Quarantined {
                    reason: "the data set ends too early".to_owned(),
                },
                received_at: now,
                bytes: 1,
                source: Source {
                    called_ae: calling_ae.clone(),
                    calling_ae,
                    peer,
                    association: 1,
                },
                header: None,
            })
            .unwrap();
        let snapshot = Snapshot::take("box", true, Facts::default(), &journal).unwrap();
        let page = StatusPage {
            snapshot: &snapshot,
        };
        let html = page.render().unwrap();
        for words in [
            "a localizer",
            "the data set ends too early",
            "Anyone on the network may send",
            "the model is being loaded",
        ] {
            assert!(html.contains(words), "{words:?} is not on the page");
        }
        assert!(!html.contains("<b>"), "peers' text is escaped");
    }
}
