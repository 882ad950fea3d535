//! What a list of series shows of their results.

use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ValueRef},
};
use serde::{Deserialize, Serialize};

/// The figures of a `result.json`, in columns of their own: the schema's triggers copy them
/// whenever `findings` is written. All are absent while there is no result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub liver_ml: Option<f64>,
    pub lesions: Option<u32>,
    pub tumour_ml: Option<f64>,
    /// Last slice durable to SEG durable.
    pub seconds_to_seg: Option<f64>,
    /// In the order in which they were asked.
    pub gates: Vec<GateSummary>,
}

/// A gate: its code, what it says, and what it measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct GateSummary {
    pub code: String,
    pub outcome: GateOutcome,
    pub measured: f64,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateOutcome {
    Pass,
    Warn,
    Refuse,
}

impl Summary {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let gates: Option<Gates> = row.get("gates")?;
        Ok(Self {
            liver_ml: row.get("liver_ml")?,
            lesions: row.get("lesions")?,
            tumour_ml: row.get("tumour_ml")?,
            seconds_to_seg: row.get("seconds_to_seg")?,
            gates: gates.map_or(Vec::new(), |gates| gates.0),
        })
    }
}

struct Gates(Vec<GateSummary>);

impl FromSql for Gates {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(|err| FromSqlError::Other(Box::new(err)))
    }
}
