use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// Shown on the page, so that a technician knows which box this is.
    pub name: String,
    /// Where instances, results and the journal live. `None`: `$STATE_DIRECTORY`, else `./hepar-state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// How often the box tries itself on a synthetic patient; `None`: when somebody asks.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub self_test_every: Option<Duration>,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            name: "Hepar".to_owned(),
            state_dir: None,
            self_test_every: None,
        }
    }
}
