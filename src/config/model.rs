use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::engine::EngineChoice;

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Model {
    /// A bundle directory; `None`: the bundle inside the binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<PathBuf>,
    pub engine: EngineChoice,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onnxruntime_library: Option<PathBuf>,
}
