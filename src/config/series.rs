use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Problem;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Series {
    /// How long a series must be quiet before it counts as complete without better evidence.
    #[serde(with = "humantime_serde")]
    pub quiet_period: Duration,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            quiet_period: Duration::from_secs(5),
        }
    }
}

impl Series {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.quiet_period.is_zero() {
            return Err(Problem::QuietPeriodZero);
        }
        Ok(())
    }
}
