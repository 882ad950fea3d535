//! `result.json`, as the page of a series shows it.
//!
//! Read tolerantly: what an older version did not write is left out, never guessed.

use fluent_bundle::FluentValue;
use jiff::Timestamp;
use serde::Deserialize;

use super::{language::Language, series_row::grouped};

/// What `result.json` says, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Result {
    pub made_at: Option<Timestamp>,
    pub n_slices: usize,
    /// Between slices, rows and columns, mm.
    pub spacing: [f64; 3],
    /// What is unusual about the geometry, in words.
    pub geometry: Vec<String>,
    pub unreadable: usize,
    pub engine: Engine,
    pub model: Model,
    gates: Vec<Gate>,
    /// Codes of gates that the model has no limits for.
    pub gates_not_asked: Vec<String>,
    lesions: Vec<Lesion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Engine {
    pub name: String,
    pub device: String,
    pub version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Model {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Deserialize)]
struct Gate {
    code: String,
    outcome: String,
    measured: f64,
    unit: String,
    words: String,
    /// Outside this range is refused, and outside this one warned of; an open end is `null`.
    #[serde(default)]
    accepted: [Option<f64>; 2],
    #[serde(default)]
    usual: [Option<f64>; 2],
}

#[derive(Debug, Deserialize)]
struct Lesion {
    volume_ml: f64,
    longest_axial_mm: f64,
    centroid_lps: [f64; 3],
    /// First and last slice, from 0.
    slices: [usize; 2],
}

/// One gate as a line of a table.
pub(super) struct GateRow {
    pub code: String,
    /// `pass`, `warn` or `refuse`.
    pub outcome: String,
    pub words: String,
    pub measured: String,
    /// Empty where there is none.
    pub usual: String,
    pub accepted: String,
}

/// One lesion as a line of a table; slices count from 1.
pub(super) struct LesionRow {
    pub volume_ml: String,
    pub longest_mm: String,
    pub centroid_lps: String,
    pub first: usize,
    pub last: usize,
    pub middle: usize,
}

impl Result {
    pub(super) fn of(json: &serde_json::Value) -> Self {
        Self::deserialize(json).unwrap_or_default()
    }

    pub(super) fn spacing_words(&self) -> String {
        let [slices, rows, columns] = self.spacing;
        format!("{slices:.2} × {rows:.3} × {columns:.3} mm")
    }

    pub(super) fn gate_rows(&self, language: &Language) -> Vec<GateRow> {
        let gates = self.gates.iter();
        gates.map(|gate| gate.row(language)).collect()
    }

    pub(super) fn lesion_rows(&self) -> Vec<LesionRow> {
        let lesions = self.lesions.iter();
        lesions
            .map(|lesion| {
                let [first, last] = lesion.slices.map(|slice| slice.saturating_add(1));
                let [x, y, z] = lesion.centroid_lps;
                LesionRow {
                    volume_ml: format!("{:.2}", lesion.volume_ml),
                    longest_mm: format!("{:.1}", lesion.longest_axial_mm),
                    centroid_lps: format!("{x:.0}, {y:.0}, {z:.0}"),
                    first,
                    last,
                    middle: first.midpoint(last),
                }
            })
            .collect()
    }
}

impl Gate {
    fn row(&self, language: &Language) -> GateRow {
        let words = gate_words(language, &self.code, &self.outcome, self.measured);
        GateRow {
            words: words.unwrap_or_else(|| self.words.clone()),
            measured: self.quantity(self.measured),
            usual: self.range(self.usual),
            accepted: self.range(self.accepted),
            code: self.code.clone(),
            outcome: self.outcome.clone(),
        }
    }
}

impl Gate {
    /// With its unit; a share in percent, as people say it.
    fn quantity(&self, value: f64) -> String {
        match &*self.unit {
            "share" => format!("{} %", number(value * 100.0)),
            "" => number(value),
            unit => format!("{} {unit}", number(value)),
        }
    }

    fn range(&self, [low, high]: [Option<f64>; 2]) -> String {
        match (low, high) {
            (None, None) => String::new(),
            (Some(low), None) => format!("≥ {}", self.quantity(low)),
            (None, Some(high)) => format!("≤ {}", self.quantity(high)),
            (Some(low), Some(high)) => {
                format!("{} … {}", self.quantity(low), self.quantity(high))
            }
        }
    }
}

/// A gate's sentence in the reader's language; `None` for a code that no language knows.
pub(super) fn gate_words(
    language: &Language,
    code: &str,
    outcome: &str,
    measured: f64,
) -> Option<String> {
    let variables = [
        ("outcome", outcome.into()),
        ("measured", number(measured).into()),
        ("percent", format!("{:.0}", measured * 100.0).into()),
        ("value", FluentValue::from(measured)),
    ];
    language.tell_if_known(&format!("gate-{code}"), &variables)
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 || size >= 100.0 {
        grouped(value)
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_older_version_wrote_is_shown_as_far_as_it_goes() {
        let old = json!({
            "n_slices": 24,
            "gates": [
                {"code": "body-region", "outcome": "pass", "measured": 138.0, "unit": "mm",
                 "words": "138 mm of the series show the liver"},
                {"code": "of-another-version", "outcome": "warn", "measured": 0.25,
                 "unit": "share", "words": "as it was written"},
            ],
        });
        let result = Result::of(&old);
        let rows = result.gate_rows(Language::named("zh-CN").unwrap());
        assert_eq!(result.n_slices, 24);
        assert!(rows[0].words.contains("肝"), "{}", rows[0].words);
        assert_eq!(rows[0].measured, "138 mm");
        assert_eq!(rows[1].words, "as it was written");
        assert_eq!(rows[1].usual, "");
        assert_eq!(Result::of(&json!("nonsense")).n_slices, 0);
    }

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let words = [
            (0.0, "0"),
            (0.25, "0.250"),
            (14.23, "14.2"),
            (-998.4, "-998"),
            (1512.4, "1\u{202f}512"),
        ];
        for (value, expected) in words {
            assert_eq!(number(value), expected);
        }
        let share = Gate {
            code: String::new(),
            outcome: String::new(),
            measured: 0.97,
            unit: "share".to_owned(),
            words: String::new(),
            accepted: [None; 2],
            usual: [Some(0.95), None],
        };
        assert_eq!(share.quantity(share.measured), "97 %");
        assert_eq!(share.range(share.usual), "≥ 95 %");
        assert_eq!(share.range(share.accepted), "");
    }
}
