//! The templates and what they are made from.

use askama::Template;

use super::{frame::Frame, light::Light, series_row::Row, snapshot::Snapshot};

#[derive(Template)]
#[template(path = "status.html", config = ".askama.toml")]
pub(super) struct StatusPage<'a> {
    frame: Frame,
    headline: String,
    notices: Vec<String>,
    rows: Vec<Row<'a>>,
    snapshot: &'a Snapshot,
}

impl<'a> StatusPage<'a> {
    pub(super) fn new(frame: Frame, snapshot: &'a Snapshot) -> Self {
        let series = snapshot.series.iter();
        let notices = snapshot.notices.iter();
        Self {
            notices: notices.map(|notice| notice.words(frame.language)).collect(),
            headline: snapshot.cause.words(frame.language),
            rows: series
                .map(|series| Row::new(series, frame.language))
                .collect(),
            frame,
            snapshot,
        }
    }

    /// The light's shape: colour alone is not seen by everybody.
    fn lamp(&self) -> &'static str {
        match self.snapshot.light {
            Light::Green => "ok",
            Light::Amber => "warn",
            Light::Red => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use jiff::Timestamp;

    use super::*;
    use crate::dicom::{Trouble, TroubleKind};
    use crate::{
        dicom::{AeTitle, Remedy, Uid},
        spool::{
            Source,
            journal::{InstanceRecord, InstanceState, Journal, NewSeries, SeriesState},
        },
        status::{Facts, language::Language},
    };

    fn frame() -> Frame {
        Frame::for_tests(Language::english())
    }

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
        let trouble = Trouble::new(TroubleKind::NotSegmentable, "a localizer");
        let reason = Some((&trouble, Remedy::Resend));
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
        let page = StatusPage::new(frame(), &snapshot);
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
