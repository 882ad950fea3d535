//! What to synthesise: every choice a test, the demo or a training run may want to make.

use std::str::FromStr;

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::dicom::Remedy;

/// A phantom in full. Equal specifications give equal bytes, UIDs included.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PhantomSpec {
    /// Which patient: outline, organs and vessels vary with it.
    pub seed: u64,
    pub region: Region,
    pub phase: Phase,
    pub tumours: Vec<Tumour>,
    /// Simple cysts in the liver: dark and sharp like some tumours, but labelled liver.
    pub cysts: usize,
    /// Liver at -10..40 HU, darker than spleen and vessels.
    pub fatty_liver: bool,

    pub slices: usize,
    pub rows: usize,
    pub columns: usize,
    /// Millimetres between rows, then between columns; `None` fits the body.
    pub pixel_spacing: Option<[f64; 2]>,
    /// Millimetres from one slice to the next, along the table.
    pub slice_spacing: f64,
    pub slice_thickness: f64,
    pub orientation: Orientation,
    pub patient_position: PatientPosition,
    /// Rotation of every plane about the patient's left-right axis, degrees.
    pub inclination: f64,
    pub stacking: Stacking,
    /// Slices that never arrive, by place among all slices in ascending order along the normal.
    pub missing: Vec<usize>,

    /// Standard deviation of the noise in HU.
    pub noise_hu: f64,
    pub rescale: Rescale,
    pub encoding: Encoding,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    Abdomen,
    Head,
    Chest,
    Pelvis,
    Limb,
    /// A uniform water cylinder, as used for quality assurance.
    Cylinder,
}

/// When the scan was taken relative to the contrast injection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Native,
    LateArterial,
    PortalVenous,
    Delayed,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tumour {
    pub diameter_mm: f64,
    pub kind: TumourKind,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TumourKind {
    Hypodense,
    /// Brighter than the liver, as in the arterial phase.
    Hyperdense,
    RimEnhancing,
    NecroticCore,
    LowContrast,
}

/// The patient axes along which columns and rows are counted: `Lp` has column indices growing to
/// the left and row indices to the posterior, the usual view. All eight axial views.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Orientation {
    Lp,
    La,
    Rp,
    Ra,
    Pl,
    Pr,
    Al,
    Ar,
}

/// PatientPosition (0018,5100). Decides the order in which the scanner numbers the slices and
/// where the table is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PatientPosition {
    Hfs,
    Ffs,
    Hfp,
    Ffp,
}

/// How inclined planes follow each other.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stacking {
    /// The table moves while the gantry is tilted: planes are sheared against their normal.
    AlongTable,
    /// An oblique volume: each plane lies straight above the one before.
    AlongNormal,
}

/// How Hounsfield units become stored values.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rescale {
    pub slope: f64,
    pub intercept: f64,
    pub stored: Stored,
    /// Stored value outside the round field of view, announced as PixelPaddingValue.
    pub padding: Option<i32>,
    pub honesty: Honesty,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stored {
    Unsigned,
    Signed,
}

/// Whether the data set tells the truth about its rescaling.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Honesty {
    Declared,
    /// RescaleIntercept says 0 whatever it was: a broken sender, for the gates.
    InterceptLost,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    ExplicitLittleEndian,
    ImplicitLittleEndian,
    ExplicitBigEndian,
    Deflated,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SpecError {
    #[error("a phantom needs {0} between {1} and {2}, not {3}")]
    OutOfRange(&'static str, f64, f64, f64),
    #[error("slice {slice} cannot be missing: the stack has slices 0 to {last}")]
    NoSuchSlice { slice: usize, last: usize },
    #[error("all slices are missing")]
    NothingLeft,
    #[error("{0} voxels are more than the {MOST_VOXELS} a phantom may have")]
    TooLarge(usize),
    #[error("stored values from {low} to {high} do not fit 16 bits {stored:?}")]
    DoesNotFit { low: f64, high: f64, stored: Stored },
    #[error("only the abdomen has a liver: {0:?} cannot have tumours or cysts")]
    NoLiver(Region),
    #[error("no room in the liver for a lesion of {0} mm (too many, too large, or too few slices)")]
    NoRoom(f64),
    #[error("{0:?} is none of LP, LA, RP, RA, PL, PR, AL, AR")]
    Orientation(String),
}

impl SpecError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Resend
    }
}

impl Default for PhantomSpec {
    /// A portal-venous abdomen with a large, a medium and a small tumour, as a scanner sends it.
    fn default() -> Self {
        let tumour = |diameter_mm| Tumour {
            diameter_mm,
            kind: TumourKind::Hypodense,
        };
        Self {
            seed: 1,
            region: Region::Abdomen,
            phase: Phase::PortalVenous,
            tumours: vec![tumour(34.0), tumour(18.0), tumour(12.0)],
            cysts: 0,
            fatty_liver: false,
            slices: 60,
            rows: 512,
            columns: 512,
            pixel_spacing: None,
            slice_spacing: 3.0,
            slice_thickness: 3.0,
            orientation: Orientation::Lp,
            patient_position: PatientPosition::Hfs,
            inclination: 0.0,
            stacking: Stacking::AlongTable,
            missing: Vec::new(),
            noise_hu: 12.0,
            rescale: Rescale::default(),
            encoding: Encoding::ExplicitLittleEndian,
        }
    }
}

impl Default for Rescale {
    /// What most scanners store: 12-bit unsigned values, air at 0.
    fn default() -> Self {
        Self {
            slope: 1.0,
            intercept: -1024.0,
            stored: Stored::Unsigned,
            padding: None,
            honesty: Honesty::Declared,
        }
    }
}

impl PhantomSpec {
    /// A region other than the abdomen, which has no liver to put anything into.
    #[must_use]
    pub fn of_region(region: Region) -> Self {
        Self {
            region,
            tumours: Vec::new(),
            ..Self::default()
        }
    }

    /// Millimetres between rows and between columns.
    #[must_use]
    pub fn pixel_spacing(&self) -> [f64; 2] {
        self.pixel_spacing
            .unwrap_or_else(|| [FIELD_MM / self.rows.min(self.columns).max(1) as f64; 2])
    }

    pub fn validate(&self) -> Result<(), SpecError> {
        let within = |what, low: f64, high: f64, value: f64| {
            // Written so that NaN fails.
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(SpecError::OutOfRange(what, low, high, value))
            }
        };
        within("slices", 1.0, 2000.0, self.slices as f64)?;
        within("rows", 1.0, 2048.0, self.rows as f64)?;
        within("columns", 1.0, 2048.0, self.columns as f64)?;
        for spacing in self.pixel_spacing() {
            within("pixel spacing in mm", 0.05, 1000.0, spacing)?;
        }
        within("slice spacing in mm", 0.1, 50.0, self.slice_spacing)?;
        within("slice thickness in mm", 0.1, 50.0, self.slice_thickness)?;
        within("inclination in degrees", -45.0, 45.0, self.inclination)?;
        within("noise in HU", 0.0, 200.0, self.noise_hu)?;
        within("tumours", 0.0, 64.0, self.tumours.len() as f64)?;
        within("cysts", 0.0, 64.0, self.cysts as f64)?;
        for tumour in &self.tumours {
            within("tumour diameter in mm", 1.0, 120.0, tumour.diameter_mm)?;
        }
        within("rescale slope", 0.05, 100.0, self.rescale.slope)?;
        within(
            "rescale intercept",
            -10_000.0,
            10_000.0,
            self.rescale.intercept,
        )?;

        let voxels = self.slices * self.rows * self.columns;
        if voxels > MOST_VOXELS {
            return Err(SpecError::TooLarge(voxels));
        }
        let last = self.slices - 1;
        if let Some(&slice) = self.missing.iter().find(|slice| **slice > last) {
            return Err(SpecError::NoSuchSlice { slice, last });
        }
        if self.kept_slices().next().is_none() {
            return Err(SpecError::NothingLeft);
        }
        if self.region != Region::Abdomen && (!self.tumours.is_empty() || self.cysts > 0) {
            return Err(SpecError::NoLiver(self.region));
        }
        self.rescale.validate()
    }

    /// The slices that exist, ascending along the normal.
    pub fn kept_slices(&self) -> impl Iterator<Item = usize> {
        (0..self.slices).filter(|slice| !self.missing.contains(slice))
    }
}

impl Rescale {
    fn validate(&self) -> Result<(), SpecError> {
        let stored = |hu: f64| (hu - self.intercept) / self.slope;
        let padding = self.padding.map(f64::from);
        let low = stored(f64::from(LOWEST_HU)).min(padding.unwrap_or(f64::MAX));
        let high = stored(f64::from(HIGHEST_HU)).max(padding.unwrap_or(f64::MIN));
        let (least, most) = match self.stored {
            Stored::Unsigned => (0.0, 65535.0),
            Stored::Signed => (-32768.0, 32767.0),
        };
        if low < least || high > most {
            let stored = self.stored;
            return Err(SpecError::DoesNotFit { low, high, stored });
        }
        Ok(())
    }
}

impl Tumour {
    /// `count` tumours of mixed size and kind, as models are tested on: the size classes are
    /// below 10 mm, 10 to 20 mm and above.
    #[must_use]
    pub fn assorted(count: usize, seed: u64) -> Vec<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(u32::MAX));
        (0..count)
            .map(|index| {
                let diameter_mm = match index % 3 {
                    0 => rng.random_range(20.0..45.0),
                    1 => rng.random_range(10.0..20.0),
                    _ => rng.random_range(6.0..10.0),
                };
                let kind = match rng.random_range(0..100) {
                    0..60 => TumourKind::Hypodense,
                    60..72 => TumourKind::Hyperdense,
                    72..84 => TumourKind::RimEnhancing,
                    84..92 => TumourKind::NecroticCore,
                    _ => TumourKind::LowContrast,
                };
                Self { diameter_mm, kind }
            })
            .collect()
    }
}

impl Orientation {
    pub const ALL: [Self; 8] = [
        Self::Lp,
        Self::La,
        Self::Rp,
        Self::Ra,
        Self::Pl,
        Self::Pr,
        Self::Al,
        Self::Ar,
    ];

    /// LPS directions of growing column and row index.
    #[must_use]
    pub fn cosines(self) -> [[f64; 3]; 2] {
        let (left, right) = ([1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]);
        let (posterior, anterior) = ([0.0, 1.0, 0.0], [0.0, -1.0, 0.0]);
        match self {
            Self::Lp => [left, posterior],
            Self::La => [left, anterior],
            Self::Rp => [right, posterior],
            Self::Ra => [right, anterior],
            Self::Pl => [posterior, left],
            Self::Pr => [posterior, right],
            Self::Al => [anterior, left],
            Self::Ar => [anterior, right],
        }
    }
}

impl FromStr for Orientation {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::ALL
            .into_iter()
            .find(|view| format!("{view:?}").eq_ignore_ascii_case(text))
            .ok_or_else(|| SpecError::Orientation(text.to_owned()))
    }
}

impl PatientPosition {
    #[must_use]
    pub fn head_first(self) -> bool {
        matches!(self, Self::Hfs | Self::Hfp)
    }

    #[must_use]
    pub fn supine(self) -> bool {
        matches!(self, Self::Hfs | Self::Ffs)
    }

    /// The defined term of (0018,5100).
    #[must_use]
    pub fn term(self) -> &'static str {
        match self {
            Self::Hfs => "HFS",
            Self::Ffs => "FFS",
            Self::Hfp => "HFP",
            Self::Ffp => "FFP",
        }
    }
}

/// Width of the default field of view: fits the largest body.
const FIELD_MM: f64 = 400.0;
/// The range of a 12-bit scanner with air at the bottom.
pub(super) const LOWEST_HU: i16 = -1024;
pub(super) const HIGHEST_HU: i16 = 3071;
/// 1000 slices of 512x512: half a gigabyte of Hounsfield units.
const MOST_VOXELS: usize = 1000 * 512 * 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_absurd_values_are_named() {
        assert_eq!(PhantomSpec::default().validate(), Ok(()));
        let with = |change: fn(&mut PhantomSpec)| {
            let mut spec = PhantomSpec::default();
            change(&mut spec);
            spec.validate().map_err(|error| error.to_string())
        };
        let refused = |change, words: &str| {
            let message = with(change).expect_err(words);
            assert!(message.contains(words), "{message}");
        };
        refused(|s| s.slices = 0, "slices between 1 and 2000, not 0");
        refused(|s| s.rows = 100_000, "rows");
        refused(|s| s.slice_spacing = f64::NAN, "slice spacing");
        refused(|s| s.pixel_spacing = Some([1.0, -1.0]), "pixel spacing");
        refused(|s| s.missing = vec![60], "slice 60 cannot be missing");
        refused(|s| s.missing = (0..60).collect(), "all slices");
        refused(|s| s.region = Region::Head, "only the abdomen");
        refused(|s| s.rescale.intercept = 0.0, "do not fit");
        refused(|s| s.rescale.padding = Some(-2000), "do not fit");
        refused(
            |s| (s.slices, s.rows, s.columns) = (1500, 512, 512),
            "voxels",
        );
    }

    #[test]
    fn orientations_are_named_by_where_columns_and_rows_grow() {
        let [row, column] = "RA".parse::<Orientation>().unwrap().cosines();
        assert_eq!((row, column), ([-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]));
        assert!("LR".parse::<Orientation>().is_err());
    }
}
