use std::collections::BTreeMap;

use serde::Deserialize;

use super::{CLASSES, GateThresholds, LESION, ORGAN};
use crate::dicom::{Code, Remedy};

/// `bundle.toml`, parsed and found consistent. Unknown keys are refused: a promise this version
/// does not know is a promise it cannot keep.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    pub schema: u32,
    pub name: String,
    /// Copied verbatim into the SEG's Segmentation Algorithm Identification.
    pub version: String,
    pub licence: String,
    pub attribution: String,
    pub intended_use: String,
    pub architecture: String,
    pub input: InputContract,
    pub output: OutputContract,
    /// The organ, then its lesions.
    #[serde(rename = "segment")]
    pub segments: Vec<SegmentSpec>,
    #[serde(default)]
    pub postprocess: Postprocess,
    #[serde(default)]
    pub gates: GateThresholds,
    pub quantisation: Quantisation,
    #[serde(default)]
    pub golden: GoldenTolerance,
    /// File name to SHA-256, lower-case hexadecimal.
    pub files: BTreeMap<String, String>,
    pub provenance: Provenance,
    #[serde(rename = "metric", default)]
    pub metrics: Vec<Metric>,
}

/// How a slice must look when it enters the encoder.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InputContract {
    /// S: the encoder takes `[1, 3, S, S]`.
    pub size: usize,
    /// Patient directions in which columns and rows of the input increase. Only "LP", a supine
    /// patient as a radiologist sees one: columns to the patient's left, rows to the back.
    pub orientation: String,
    /// The square field of view is the image's own, clamped to this range, mm.
    pub field_mm: [f64; 2],
    /// One channel per window: `[lowest, highest]` HU become 0 and 1, clipped.
    pub windows: [[f32; 2]; 3],
}

/// What the head gives back.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputContract {
    /// Logits come at size / stride.
    pub stride: usize,
    /// Logits are divided by this, per class, before they are probabilities.
    #[serde(default = "OutputContract::uncalibrated")]
    pub temperature: [f32; CLASSES],
}

impl OutputContract {
    fn uncalibrated() -> [f32; CLASSES] {
        [1.0; CLASSES]
    }
}

/// One segment as the SEG describes it (PS3.3 C.8.20.4).
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SegmentSpec {
    pub label_value: u8,
    pub label: String,
    pub category: Code,
    #[serde(rename = "type")]
    pub property_type: Code,
    pub anatomic_region: Option<Code>,
    /// RecommendedDisplayCIELabValue as stored.
    pub cielab: [u16; 3],
}

/// What is done to the labels before they are measured. Zero switches a step off.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Postprocess {
    /// Probabilities of slices within this distance are averaged, mm.
    pub z_smoothing_mm: f64,
    /// Nothing is organ in slices that show it with less probability than this, by the encoder's
    /// judgement averaged over a centimetre.
    pub minimum_view: f64,
    /// Organ components smaller than this share of the largest are dropped; 1 keeps the largest.
    pub keep_share_of_largest: f64,
    /// An organ smaller than this in the whole series is none, ml.
    pub minimum_organ_ml: f64,
    /// Holes in one slice of the organ below this area are filled, cm2.
    pub fill_holes_cm2: f64,
    /// Lesions outside the organ closed in plane by a disc of this radius are dropped, mm.
    pub closing_mm: f64,
    /// Lesions with less than this share of their surface against healthy organ are dropped.
    pub lesion_border: f64,
    /// Smaller lesions become organ, ml.
    pub minimum_lesion_ml: f64,
    /// Lesions whose voxels are, on average, lesion with less probability than this become organ.
    pub minimum_lesion_certainty: f64,
}

impl Default for Postprocess {
    fn default() -> Self {
        Self {
            z_smoothing_mm: 3.0,
            minimum_view: 0.1,
            keep_share_of_largest: 0.05,
            minimum_organ_ml: 50.0,
            fill_holes_cm2: 1.0,
            closing_mm: 5.0,
            lesion_border: 0.0,
            minimum_lesion_ml: 0.03,
            minimum_lesion_certainty: 0.0,
        }
    }
}

/// How the weights were made small; words for the model card and the page.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quantisation {
    pub weights: String,
    pub activations: String,
    #[serde(default)]
    pub calibration: String,
}

/// How far an engine may be from the golden output and still be trusted with a patient.
///
/// One tolerance for every engine: an int8 graph and the same graph with its activation
/// quantisation taken out differ by rounding, and both must stay within it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GoldenTolerance {
    /// Largest difference of any logit.
    pub max_abs_error: f32,
    /// Share of network pixels whose label may differ.
    pub label_disagreement: f64,
}

impl Default for GoldenTolerance {
    fn default() -> Self {
        Self {
            max_abs_error: 0.5,
            label_disagreement: 0.002,
        }
    }
}

/// Where the weights come from; words for the model card and the SEG's provenance.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provenance {
    pub data: String,
    pub split: String,
    pub seed: u64,
    /// Of the training script.
    pub revision: String,
    pub date: String,
}

/// A figure that was measured on the shipped files, with the number of cases behind it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Metric {
    pub name: String,
    pub value: f64,
    pub cases: u32,
    #[serde(default)]
    pub split: String,
    #[serde(default)]
    pub note: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("is not a bundle manifest of a kind this version reads")]
    Syntax(#[from] Box<toml::de::Error>),
    #[error("{key}: {problem}")]
    Value { key: &'static str, problem: String },
}

impl ManifestError {
    /// The bundle has to be replaced.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The only schema there is.
const SCHEMA: u32 = 1;
/// Each is in every bundle, and in no other place.
pub(super) const FILES: [&str; 3] = ["encoder.onnx", "golden.npz", "head.onnx"];
/// Bounds what one slice may allocate; SAM's own encoders take 1024.
const SIZES: std::ops::RangeInclusive<usize> = 32..=1024;
/// Value representations SH (code values) and LO (meanings, labels, version), PS3.5 §6.2.
const SHORT_STRING: usize = 16;
const LONG_STRING: usize = 64;

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(Box::new)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        expect(self.schema == SCHEMA, "schema", || {
            format!(
                "{} is not {SCHEMA}, the one this version reads",
                self.schema
            )
        })?;
        text("name", &self.name, LONG_STRING)?;
        text("version", &self.version, LONG_STRING)?;
        text("licence", &self.licence, LONG_STRING)?;
        self.input.check()?;
        self.output.check(&self.input)?;
        self.check_segments()?;
        self.postprocess.check()?;
        self.gates.check()?;
        self.check_files()?;
        let golden = &self.golden;
        expect(
            golden.max_abs_error > 0.0 && (0.0..1.0).contains(&golden.label_disagreement),
            "golden",
            || "max-abs-error must be positive and label-disagreement a share below 1".into(),
        )
    }

    fn check_segments(&self) -> Result<(), ManifestError> {
        let values: Vec<u8> = self.segments.iter().map(|s| s.label_value).collect();
        expect(values == [ORGAN, LESION], "segment.label-value", || {
            format!("{values:?} is not [{ORGAN}, {LESION}]: the organ, then its lesions")
        })?;
        for segment in &self.segments {
            text("segment.label", &segment.label, LONG_STRING)?;
            let codes = [&segment.category, &segment.property_type];
            for code in codes.into_iter().chain(&segment.anatomic_region) {
                text("segment code value", &code.value, SHORT_STRING)?;
                text("segment code scheme", &code.scheme, SHORT_STRING)?;
                text("segment code meaning", &code.meaning, LONG_STRING)?;
            }
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), ManifestError> {
        let named: Vec<&str> = self.files.keys().map(String::as_str).collect();
        expect(named == FILES, "files", || {
            format!("names {named:?}, a bundle has exactly {FILES:?}")
        })?;
        let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let malformed = self
            .files
            .iter()
            .find(|(_, hash)| hash.len() != 64 || !hash.chars().all(hexadecimal));
        expect(malformed.is_none(), "files", || {
            "a hash is 64 lower-case hexadecimal digits".into()
        })
    }
}

impl InputContract {
    fn check(&self) -> Result<(), ManifestError> {
        expect(
            SIZES.contains(&self.size) && self.size.is_multiple_of(32),
            "input.size",
            || format!("{} is not a multiple of 32 in {SIZES:?}", self.size),
        )?;
        expect(self.orientation == "LP", "input.orientation", || {
            format!("{:?} is not \"LP\"", self.orientation)
        })?;
        let [shortest, longest] = self.field_mm;
        expect(
            (50.0..=1000.0).contains(&shortest) && (shortest..=1000.0).contains(&longest),
            "input.field-mm",
            || format!("{:?} is not a range within 50 to 1000 mm", self.field_mm),
        )?;
        // The slices are i16: a window outside that range would never be reached.
        let sensible = |[low, high]: [f32; 2]| low < high && low >= -32768.0 && high <= 32767.0;
        expect(
            self.windows.iter().all(|w| sensible(*w)),
            "input.windows",
            || format!("{:?} are not rising HU ranges", self.windows),
        )
    }
}

impl OutputContract {
    fn check(&self, input: &InputContract) -> Result<(), ManifestError> {
        expect(
            [1, 2, 4, 8].contains(&self.stride) && input.size.is_multiple_of(self.stride),
            "output.stride",
            || format!("{} is none of 1, 2, 4, 8", self.stride),
        )?;
        expect(
            self.temperature.iter().all(|t| (0.05..=20.0).contains(t)),
            "output.temperature",
            || format!("{:?} is not within 0.05 to 20", self.temperature),
        )
    }
}

impl Postprocess {
    fn check(&self) -> Result<(), ManifestError> {
        expect(
            (0.0..=1.0).contains(&self.keep_share_of_largest),
            "postprocess.keep-share-of-largest",
            || format!("{} is not a share", self.keep_share_of_largest),
        )?;
        let bounded = [
            ("postprocess.minimum-view", self.minimum_view, 1.0),
            ("postprocess.z-smoothing-mm", self.z_smoothing_mm, 20.0),
            ("postprocess.minimum-organ-ml", self.minimum_organ_ml, 500.0),
            ("postprocess.fill-holes-cm2", self.fill_holes_cm2, 100.0),
            ("postprocess.closing-mm", self.closing_mm, 50.0),
            ("postprocess.lesion-border", self.lesion_border, 1.0),
            (
                "postprocess.minimum-lesion-ml",
                self.minimum_lesion_ml,
                10.0,
            ),
            (
                "postprocess.minimum-lesion-certainty",
                self.minimum_lesion_certainty,
                1.0,
            ),
        ];
        for (key, value, highest) in bounded {
            expect((0.0..=highest).contains(&value), key, || {
                format!("{value} is not within 0 to {highest}")
            })?;
        }
        Ok(())
    }
}

pub(super) fn expect(
    holds: bool,
    key: &'static str,
    problem: impl FnOnce() -> String,
) -> Result<(), ManifestError> {
    if holds {
        return Ok(());
    }
    let problem = problem();
    Err(ManifestError::Value { key, problem })
}

/// Goes into DICOM attributes, so it has their limits.
fn text(key: &'static str, value: &str, longest: usize) -> Result<(), ManifestError> {
    let fits = (1..=longest).contains(&value.chars().count());
    let plain = !value.contains(|c: char| c.is_control() || c == '\\');
    expect(fits && plain && value.trim() == value, key, || {
        format!("{value:?} is not 1 to {longest} plain characters")
    })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("example.toml");

    /// The error for the example with one piece of text replaced.
    fn refusal(from: &str, to: &str) -> String {
        assert!(EXAMPLE.contains(from), "{from} is not in the example");
        let error = Manifest::parse(&EXAMPLE.replacen(from, to, 1)).unwrap_err();
        match error {
            ManifestError::Syntax(source) => source.to_string(),
            value @ ManifestError::Value { .. } => value.to_string(),
        }
    }

    #[test]
    fn a_manifest_says_how_slices_enter_and_what_the_segments_mean() {
        let manifest = Manifest::parse(EXAMPLE).unwrap();
        assert_eq!(manifest.input.size, 256);
        assert_eq!(manifest.input.windows[1], [40.0, 180.0]);
        assert_eq!(manifest.output.temperature, [1.0, 1.25, 0.75]);
        let [liver, tumour] = manifest.segments.as_slice() else {
            panic!("two segments");
        };
        assert_eq!(liver.property_type.meaning, "Liver");
        assert_eq!(tumour.anatomic_region.as_ref(), Some(&liver.property_type));
        assert_eq!(tumour.cielab, [37677, 56356, 24077]);
        assert_eq!(manifest.postprocess.closing_mm, 5.0);
        assert_eq!(manifest.gates, GateThresholds::default());
    }

    #[test]
    fn a_promise_this_version_does_not_know_is_refused_by_name() {
        let error = refusal("size = 256", "size = 256\nmirror = true");
        assert!(error.contains("mirror"), "{error}");
        let error = refusal("schema = 1", "schema = 2");
        assert!(error.contains("schema: 2 is not 1"), "{error}");
    }

    #[test]
    fn values_that_make_no_sense_together_are_refused_by_name() {
        for (from, to, key) in [
            ("size = 256", "size = 250", "input.size"),
            ("size = 256", "size = 1000000", "input.size"),
            ("\"LP\"", "\"RA\"", "input.orientation"),
            ("[300.0, 500.0]", "[500.0, 300.0]", "input.field-mm"),
            ("[300.0, 500.0]", "[nan, 500.0]", "input.field-mm"),
            ("[40.0, 180.0]", "[180.0, 40.0]", "input.windows"),
            ("stride = 2", "stride = 3", "output.stride"),
            ("[1.0, 1.25, 0.75]", "[1.0, 0.0, 1.0]", "output.temperature"),
            ("label-value = 2", "label-value = 3", "segment.label-value"),
            ("\"Liver tumour\"", "\"Liver\\\\tumour\"", "segment.label"),
            (
                "closing-mm = 5.0",
                "closing-mm = -1.0",
                "postprocess.closing-mm",
            ),
            (
                "[quantisation]",
                "[gates]\norgan-agreement = { warn = 0.6, refuse = 0.9 }\n[quantisation]",
                "gates.organ-agreement",
            ),
            (
                "[quantisation]",
                "[gates]\nembedding-distance = { warn = nan, refuse = 2.0 }\n[quantisation]",
                "gates.embedding-distance",
            ),
            ("\"head.onnx\"", "\"../head.onnx\"", "files"),
            ("\"1.0.0\"", "\"\"", "version"),
        ] {
            let error = refusal(from, to);
            assert!(error.starts_with(key), "{from} -> {to}: {error}");
        }
    }
}
