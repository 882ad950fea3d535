use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Problem;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Series {
    /// How long a series must be quiet before it counts as complete without better evidence.
    #[serde(with = "humantime_serde")]
    pub quiet_period: Duration,
    /// What encoded slices that wait for the rest of their series may take in memory, all series
    /// together, MB; beyond it they wait on disk.
    pub waiting_memory_mb: u16,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            quiet_period: Duration::from_secs(5),
            // With the bundle that comes along 4096 slices: two of the longest series at once, or
            // thirteen ordinary ones.
            waiting_memory_mb: 512,
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
