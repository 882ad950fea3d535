use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Problem;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retention {
    /// How long instances and results are kept once nothing remains to be done with them; four times
    /// as long where they were refused or failed.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// Below this share of free disk space finished series go earlier, the oldest delivered and
    /// ignored ones first, percent.
    pub min_free_percent: u8,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep: Duration::from_hours(7 * 24),
            min_free_percent: 10,
        }
    }
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.min_free_percent > 90 {
            return Err(Problem::Percent(self.min_free_percent));
        }
        Ok(())
    }
}
