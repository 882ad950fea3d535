use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::engine::EngineChoice;
use crate::model::{Trust, TrustedKey};

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Model {
    /// A bundle directory; `None`: the bundle inside the binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<PathBuf>,
    pub engine: EngineChoice,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onnxruntime_library: Option<PathBuf>,
    /// Public keys (minisign) whose bundles may be loaded from disk.
    pub trusted_keys: Vec<TrustedKey>,
    /// Loads bundles that none of these keys has signed. For development.
    pub allow_unsigned: bool,
}

impl Model {
    /// Whose bundles are loaded from disk.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust {
            keys: self.trusted_keys.clone(),
            allow_unsigned: self.allow_unsigned,
        }
    }
}
