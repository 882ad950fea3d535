use serde::Deserialize;

use super::manifest::{ManifestError, expect};

/// Beyond what an input or a result is suspicious, or no answer at all. Part of the bundle because
/// what is normal depends on what the network was trained on.
///
/// Each range is `[lowest, highest]`, inclusive. A `-refuse` value refuses, the others warn.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GateThresholds {
    /// Slices needed for a volume to mean anything.
    pub slices_refuse: usize,
    /// Angle between the slices and the axial plane, degrees.
    pub tilt_degrees_refuse: f64,
    pub tilt_degrees: f64,
    /// Distance between neighbouring slices, mm.
    pub step_mm_refuse: f64,
    pub step_mm: f64,
    /// Where the darkest peak of the histogram (air) must lie, HU.
    pub air_peak_hu_refuse: [f64; 2],
    /// Where a peak of fat must lie, HU.
    pub fat_peak_hu: [f64; 2],
    /// Where the peak of soft tissue must lie, HU.
    pub soft_tissue_peak_hu_refuse: [f64; 2],
    /// How far slices that show the organ must reach without a break, mm.
    pub organ_view_mm: f64,
    pub organ_view_mm_refuse: f64,
    /// The organ with its lesions, ml.
    pub organ_ml: [f64; 2],
    pub organ_ml_refuse: f64,
    /// The largest component's share of the organ.
    pub organ_largest_share: f64,
    /// How far the organ must reach from its lowest to its highest slice, mm.
    pub organ_extent_mm: f64,
    /// The organ's median brightness from which it counts as enhanced, HU.
    pub organ_enhanced_hu: f64,
    /// The mean entropy of the calibrated probabilities over the organ, nats.
    pub organ_entropy: f64,
    pub organ_entropy_refuse: f64,
    /// How far slices that show the organ may lie from those of training, by the encoder's
    /// `distance`. A bundle without it does not ask.
    pub embedding_distance: Option<Limits>,
    /// How much of the organ must be found again when slices are moved, as Dice. A bundle without
    /// it does not ask.
    pub organ_agreement: Option<Limits>,
    /// Lesions' share of the organ.
    pub lesion_share: f64,
    pub lesions: usize,
    /// A lesion below this is listed as uncertain, ml.
    pub lesion_ml: f64,
}

/// Where a gate begins to warn, and where it refuses.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub warn: f64,
    pub refuse: f64,
}

impl GateThresholds {
    /// Finds limits that no value could pass, or that refuse before they warn.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        let ordered = |key, limits: Option<Limits>, fits: fn(f64, f64) -> bool| {
            let fitting = limits.is_none_or(|limits| fits(limits.warn, limits.refuse));
            expect(fitting, key, || {
                format!("{limits:?} are no limits that warn before they refuse")
            })
        };
        ordered(
            "gates.embedding-distance",
            self.embedding_distance,
            |warn, refuse| 0.0 < warn && warn <= refuse && refuse.is_finite(),
        )?;
        ordered(
            "gates.organ-agreement",
            self.organ_agreement,
            |warn, refuse| 0.0 <= refuse && refuse <= warn && warn < 1.0,
        )
    }
}

impl Default for GateThresholds {
    /// Healthy adult livers hold 600 to 3500 ml; a native air peak lies within 50 HU of -1000; an
    /// adult abdomen shows subcutaneous fat near -100 and soft tissue between water and 120 HU. A liver
    /// has 45 to 65 HU before contrast and above 90 HU in the portal venous phase; a third of what
    /// three classes can be uncertain by is much, and near half of it is a guess.
    fn default() -> Self {
        Self {
            slices_refuse: 8,
            tilt_degrees_refuse: 30.0,
            tilt_degrees: 5.0,
            step_mm_refuse: 8.0,
            step_mm: 5.0,
            air_peak_hu_refuse: [-1100.0, -900.0],
            fat_peak_hu: [-140.0, -50.0],
            soft_tissue_peak_hu_refuse: [0.0, 120.0],
            organ_view_mm: 40.0,
            organ_view_mm_refuse: 10.0,
            organ_ml: [600.0, 3500.0],
            organ_ml_refuse: 150.0,
            organ_largest_share: 0.95,
            organ_extent_mm: 80.0,
            organ_enhanced_hu: 80.0,
            organ_entropy: 0.35,
            organ_entropy_refuse: 0.5,
            embedding_distance: None,
            organ_agreement: None,
            lesion_share: 0.5,
            lesions: 40,
            lesion_ml: 0.01,
        }
    }
}
