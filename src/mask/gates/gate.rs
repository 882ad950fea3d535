//! One gate: what was asked, what was measured, and against which limits.

use serde::Serialize;

/// Lowest and highest value, inclusive; `None` is an open end.
type Range = [Option<f64>; 2];

/// How a gate was passed; ordered by severity.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Pass,
    Warn,
    Refuse,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    pub code: &'static str,
    pub outcome: Outcome,
    pub measured: f64,
    pub unit: &'static str,
    pub words: String,
    /// Outside this range it refuses, outside this one it warns; `None` is an open end.
    #[serde(skip_serializing_if = "is_open")]
    pub accepted: Range,
    #[serde(skip_serializing_if = "is_open")]
    pub usual: Range,
}

impl Gate {
    pub(super) fn accepting(mut self, range: [f64; 2]) -> Self {
        self.accepted = open_ended(range);
        self
    }

    pub(super) fn usually(mut self, range: [f64; 2]) -> Self {
        self.usual = open_ended(range);
        self
    }
}

fn is_open(range: &Range) -> bool {
    *range == [None; 2]
}

fn open_ended(range: [f64; 2]) -> Range {
    range.map(|end| end.is_finite().then_some(end))
}

pub(super) fn at_least(lowest: f64) -> [f64; 2] {
    [lowest, f64::INFINITY]
}

pub(super) fn at_most(highest: f64) -> [f64; 2] {
    [f64::NEG_INFINITY, highest]
}

pub(super) fn gate(
    code: &'static str,
    outcome: Outcome,
    measured: f64,
    unit: &'static str,
    words: &str,
) -> Gate {
    Gate {
        code,
        outcome,
        measured,
        unit,
        words: words.to_owned(),
        accepted: [None; 2],
        usual: [None; 2],
    }
}

pub(super) fn warn_if(suspicious: bool) -> Outcome {
    worst(false, suspicious)
}

pub(super) fn refuse_if(wrong: bool) -> Outcome {
    worst(wrong, false)
}

pub(super) fn worst(wrong: bool, suspicious: bool) -> Outcome {
    match (wrong, suspicious) {
        (true, _) => Outcome::Refuse,
        (false, true) => Outcome::Warn,
        (false, false) => Outcome::Pass,
    }
}
