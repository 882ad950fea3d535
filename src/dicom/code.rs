use serde::{Deserialize, Serialize};

/// A coded concept (PS3.3 §8): value, coding scheme designator and meaning.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    pub value: String,
    pub scheme: String,
    pub meaning: String,
}

impl Code {
    #[must_use]
    pub fn new(value: &str, scheme: &str, meaning: &str) -> Self {
        Self {
            value: value.to_owned(),
            scheme: scheme.to_owned(),
            meaning: meaning.to_owned(),
        }
    }
}

/// The concepts our objects use besides those a model bundle names, as (value, scheme, meaning).
pub mod codes {
    pub const SEGMENTATION: (&str, &str, &str) = ("113076", "DCM", "Segmentation");
    pub const SOURCE_IMAGE: (&str, &str, &str) = (
        "121322",
        "DCM",
        "Source image for image processing operation",
    );
    pub const ARTIFICIAL_INTELLIGENCE: (&str, &str, &str) =
        ("123110", "DCM", "Artificial Intelligence");
    pub const ACQUISITION_EQUIPMENT: (&str, &str, &str) =
        ("109101", "DCM", "Acquisition Equipment");
    pub const PROCESSING_EQUIPMENT: (&str, &str, &str) = ("109102", "DCM", "Processing Equipment");
}
