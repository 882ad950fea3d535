//! One series as a line of the first page: the words and bars, in the reader's language.

use fluent_bundle::FluentValue;

use super::{
    clock,
    language::Language,
    series_findings::gate_words,
    snapshot::{CommitmentView, SeriesView},
    trouble::Told,
};
use crate::{
    dicom::{Remedy, Trouble},
    spool::journal::{CommitmentState, DeliveryState, SeriesState},
};

/// One of the three things that happen to a series: it is received, segmented, sent.
pub(super) struct Step {
    /// `todo`, `now`, `done` or `bad`.
    pub class: &'static str,
    pub words: String,
    pub value: usize,
    /// 0: nobody knows yet how many there will be.
    pub max: usize,
}

pub(super) struct Row<'a> {
    pub series: &'a SeriesView,
    pub time: String,
    pub date: String,
    /// What the scanner calls it.
    pub title: String,
    pub state: String,
    pub steps: Vec<Step>,
    /// Liver and lesions; empty while there is no result.
    pub result: String,
    /// How long the result took; empty while there is none.
    pub after: String,
    /// Why there is no result, or not yet at the destination; empty if all is well.
    pub reason: Told,
    /// Who has to do what about it; empty if nobody has to.
    pub advice: String,
}

impl<'a> Row<'a> {
    pub(super) fn new(series: &'a SeriesView, language: &Language) -> Self {
        let title = series.description.clone().filter(|text| !text.is_empty());
        let seconds = series.seconds_to_seg.map(|seconds| format!("{seconds:.1}"));
        Self {
            time: clock::time_of_day(&series.received_at),
            date: clock::date(&series.received_at),
            title: title.unwrap_or_else(|| language.say("series-untitled")),
            state: language.say(&format!("state-{}", series.state)),
            steps: steps(series, language),
            result: result(series, language),
            after: seconds.map_or(String::new(), |seconds| {
                language.tell("row-after", &[("seconds", seconds.into())])
            }),
            reason: reason(series, language),
            advice: advice(series, language),
            series,
        }
    }

    /// `ok`, `busy`, `warn`, `bad` or `off`: the shape and colour at the line's start.
    pub(super) fn mark(&self) -> &'static str {
        match self.series.state {
            SeriesState::Receiving | SeriesState::Queued | SeriesState::Segmenting => "busy",
            SeriesState::Delivering if self.reason.is_empty() => "busy",
            SeriesState::Delivering => "warn",
            SeriesState::Delivered if self.reason.is_empty() => "ok",
            SeriesState::Delivered => "warn",
            SeriesState::Ignored => "off",
            SeriesState::Refused => "warn",
            SeriesState::Failed => "bad",
        }
    }
}

/// `Liver 1 512 ml, 2 lesions, 14.2 ml`. What was measured of a refused series is no result.
fn result(series: &SeriesView, language: &Language) -> String {
    if series.state == SeriesState::Refused {
        return String::new();
    }
    let (Some(liver), Some(lesions), Some(tumour)) =
        (series.liver_ml, series.lesions, series.tumour_ml)
    else {
        return String::new();
    };
    language.tell(
        "row-result",
        &[
            ("liver", grouped(liver).into()),
            ("lesions", FluentValue::from(lesions)),
            ("tumour", format!("{tumour:.1}").into()),
        ],
    )
}

/// A whole number in groups of three, as ISO 80000 writes them.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut words = String::new();
    if number < 0.0 && digits != "0" {
        words.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            words.push('\u{202f}');
        }
        words.push(digit);
    }
    words
}

fn steps(series: &SeriesView, language: &Language) -> Vec<Step> {
    use SeriesState::{Delivered, Delivering, Failed, Ignored, Queued, Receiving, Refused};
    let state = series.state;
    let received = series.instances_received as usize;
    let encoded = (series.slices_encoded as usize).min(received);
    let receiving = receiving(series, language);
    let segmenting = |class, encoded| Step {
        class,
        words: language.tell(
            "step-segmented",
            &[
                ("n", FluentValue::from(encoded)),
                ("of", FluentValue::from(received)),
            ],
        ),
        value: encoded,
        max: received.max(1),
    };
    match state {
        Ignored => return vec![receiving],
        Refused | Failed if series.liver_ml.is_none() => {
            return vec![receiving, segmenting("bad", encoded)];
        }
        Refused => return vec![receiving, segmenting("bad", received)],
        Receiving if encoded == 0 => {
            return vec![receiving, segmenting("todo", 0), sending(series, language)];
        }
        _ => {}
    }
    let has_result = matches!(state, Delivering | Delivered | Failed);
    let segmenting = match state {
        Queued if encoded == 0 => segmenting("todo", 0),
        _ if has_result => segmenting("done", received),
        _ => segmenting("now", encoded),
    };
    vec![receiving, segmenting, sending(series, language)]
}

/// Of how many, as far as the sender said so: what it announced and did not send, or exceeded, is
/// its word against what is here, and a count of an acquisition need not be a series'.
fn receiving(series: &SeriesView, language: &Language) -> Step {
    let n = FluentValue::from(series.instances_received);
    let received = series.instances_received as usize;
    let announced = series.instances_announced;
    let announced = announced.filter(|of| *of >= series.instances_received);
    let still = series.state == SeriesState::Receiving;
    let words = match announced {
        Some(of) if still || of == series.instances_received => {
            language.tell("step-received-of", &[("n", n), ("of", of.into())])
        }
        Some(of) => language.tell("step-received-announced", &[("n", n), ("of", of.into())]),
        None => language.tell("step-received", &[("n", n)]),
    };
    Step {
        class: if still { "now" } else { "done" },
        words,
        value: received,
        max: match announced {
            Some(of) if still => of as usize,
            None if still => 0,
            _ => received,
        },
    }
}

fn sending(series: &SeriesView, language: &Language) -> Step {
    let in_state = |state| series.destinations.iter().filter(move |d| d.state == state);
    let delivered = in_state(DeliveryState::Delivered).count();
    let failed = in_state(DeliveryState::Failed).count();
    let all = delivered + failed + in_state(DeliveryState::Waiting).count();
    let (class, key) = match series.state {
        SeriesState::Delivering => ("now", "step-sending"),
        SeriesState::Delivered if all == 0 => ("done", "step-kept"),
        // A destination did not keep what it had stored, and gets it again.
        SeriesState::Delivered if delivered < all => ("now", "step-sending"),
        SeriesState::Delivered if is_committed(series) => ("done", "step-committed"),
        SeriesState::Delivered => ("done", "step-sent"),
        SeriesState::Failed => ("bad", "step-sending"),
        _ => ("todo", "step-not-sent"),
    };
    Step {
        class,
        words: language.tell(
            key,
            &[
                ("n", FluentValue::from(delivered)),
                ("of", FluentValue::from(all)),
            ],
        ),
        value: if class == "done" {
            all.max(1)
        } else {
            delivered
        },
        max: all.max(1),
    }
}

/// What the refusing gates say, else what the journal has.
fn reason(series: &SeriesView, language: &Language) -> Told {
    if let Some(error) = undelivered(series) {
        return Told::new(error, language);
    }
    if let (SeriesState::Delivered, Some((error, _))) = (series.state, uncommitted(series)) {
        return Told::new(error, language);
    }
    let refused_by = series.refused_by.iter();
    let of_gates: Option<Vec<String>> = refused_by
        .map(|gate| gate_words(language, &gate.code, "refuse", gate.measured))
        .collect();
    match (of_gates, &series.reason) {
        (Some(gates), _) if !gates.is_empty() => Told::only(gates.join("; ")),
        (_, Some(reason)) => Told::new(reason, language),
        (_, None) => Told::default(),
    }
}

/// The last error of a delivery that is still tried.
fn undelivered(series: &SeriesView) -> Option<&Trouble> {
    let waiting = |state| state == DeliveryState::Waiting;
    let mut waiting = series.destinations.iter().filter(|d| waiting(d.state));
    waiting.find_map(|delivery| delivery.last_error.as_ref())
}

/// Whether every destination that was asked answers for keeping what it has.
fn is_committed(series: &SeriesView) -> bool {
    let mut asked = series
        .destinations
        .iter()
        .filter_map(|it| it.commitment.as_ref());
    let Some(first) = asked.next() else {
        return false;
    };
    let committed = |it: &CommitmentView| it.state == CommitmentState::Committed;
    committed(first) && asked.all(committed)
}

/// Why a destination does not answer for what it has, and who has to act; the worst first.
fn uncommitted(series: &SeriesView) -> Option<(&Trouble, Remedy)> {
    let commitments = series
        .destinations
        .iter()
        .filter_map(|it| it.commitment.as_ref());
    let troubles = commitments.filter_map(|it| Some((it.last_error.as_ref()?, it.remedy?)));
    troubles.max_by_key(|(_, remedy)| *remedy == Remedy::Service)
}

fn advice(series: &SeriesView, language: &Language) -> String {
    let key = match (series.state, series.remedy) {
        (SeriesState::Delivered, _) if undelivered(series).is_some() => "todo-undelivered",
        (SeriesState::Delivered, _) => match uncommitted(series) {
            Some((_, Remedy::Service)) => "todo-commitment",
            Some(_) => "todo-commitment-wait",
            None => return String::new(),
        },
        (SeriesState::Delivering, _) if undelivered(series).is_some() => "todo-undelivered",
        (SeriesState::Failed, _) if !series.destinations.is_empty() => "todo-send-again",
        (SeriesState::Refused, _) => "todo-refused",
        (SeriesState::Failed, Some(Remedy::Resend)) => "todo-resend",
        (SeriesState::Failed, _) => "todo-service",
        (SeriesState::Queued | SeriesState::Segmenting, Some(Remedy::Wait)) => "todo-wait",
        _ => return String::new(),
    };
    language.say(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(state: SeriesState, n: u32, announced: Option<u32>) -> Step {
        let series = SeriesView {
            instances_received: n,
            instances_announced: announced,
            ..SeriesView::for_tests(state)
        };
        receiving(&series, Language::english())
    }

    #[test]
    fn how_many_are_to_come_is_said_only_where_the_sender_said_it() {
        use SeriesState::{Delivered, Receiving};
        let cases = [
            (Receiving, 60, Some(214), "Received 60/214", 214),
            (Receiving, 60, None, "Received 60", 0),
            (Receiving, 60, Some(59), "Received 60", 0),
            (Delivered, 214, Some(214), "Received 214/214", 214),
            (Delivered, 58, Some(60), "Received 58, 60 announced", 58),
            (Delivered, 58, None, "Received 58", 58),
        ];
        for (state, n, announced, words, max) in cases {
            let step = received(state, n, announced);
            assert_eq!((step.words.as_str(), step.max), (words, max));
        }
    }

    #[test]
    fn millilitres_are_grouped_by_three() {
        let groups = [
            (0.0, "0"),
            (14.2, "14"),
            (999.6, "1\u{202f}000"),
            (-998.4, "-998"),
            (1512.0, "1\u{202f}512"),
            (1_234_567.0, "1\u{202f}234\u{202f}567"),
        ];
        for (ml, words) in groups {
            assert_eq!(grouped(ml), words);
        }
    }
}
