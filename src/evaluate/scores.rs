//! What one case scores.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};

use super::{
    BothEmpty, Case, Labelled, Structure,
    fourier::{BoundaryOrder, boundary_order},
    lesions::Lesions,
    overlap::Counts,
    statistics::Better,
    surface::{Cropped, Directed},
    surfel::Surfels,
};

#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    pub name: String,
    pub patient: String,
    pub spacing_mm: Option<[f64; 3]>,
    pub liver: Scores,
    /// `None` where the truth does not tell tumours from liver.
    pub tumour: Option<Scores>,
    pub lesions: Lesions,
    /// Of the true liver in its largest slice.
    pub boundary: Option<BoundaryOrder>,
}

/// One structure in one case.
#[derive(Clone, Debug, Serialize)]
pub struct Scores {
    pub outcome: Outcome,
    pub counts: Counts,
    pub true_ml: Option<f64>,
    pub predicted_ml: Option<f64>,
    pub metrics: BTreeMap<Metric, f64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Both,
    /// Only the truth has a voxel.
    Missed,
    /// Only the prediction has a voxel.
    Invented,
    BothEmpty,
}

/// A number a case has. Distances in mm, volume errors in percent of the true volume.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Metric {
    Dice,
    Iou,
    Sensitivity,
    Specificity,
    Precision,
    Accuracy,
    F1,
    VolumeError,
    AbsoluteVolumeError,
    Hausdorff,
    Hausdorff95,
    Hausdorff95Pooled,
    Hausdorff95Surfel,
    Assd,
    Masd,
    /// At a tolerance in mm.
    Nsd(u8),
    NsdSurfel(u8),
}

impl Metric {
    pub(super) fn better(self) -> Better {
        match self {
            Self::VolumeError => Better::NearZero,
            Self::AbsoluteVolumeError
            | Self::Hausdorff
            | Self::Hausdorff95
            | Self::Hausdorff95Pooled
            | Self::Hausdorff95Surfel
            | Self::Assd
            | Self::Masd => Better::Lower,
            _ => Better::Higher,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Dice => "dice".to_owned(),
            Self::Iou => "iou".to_owned(),
            Self::Sensitivity => "sensitivity".to_owned(),
            Self::Specificity => "specificity".to_owned(),
            Self::Precision => "precision".to_owned(),
            Self::Accuracy => "accuracy".to_owned(),
            Self::F1 => "f1".to_owned(),
            Self::VolumeError => "volume_error_percent".to_owned(),
            Self::AbsoluteVolumeError => "absolute_volume_error_percent".to_owned(),
            Self::Hausdorff => "hd_mm".to_owned(),
            Self::Hausdorff95 => "hd95_mm".to_owned(),
            Self::Hausdorff95Pooled => "hd95_pooled_mm".to_owned(),
            Self::Hausdorff95Surfel => "hd95_surfel_mm".to_owned(),
            Self::Assd => "assd_mm".to_owned(),
            Self::Masd => "masd_mm".to_owned(),
            Self::Nsd(mm) => format!("nsd_{mm}mm"),
            Self::NsdSurfel(mm) => format!("nsd_surfel_{mm}mm"),
        })
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl CaseReport {
    pub(super) fn of(case: &Case, both_empty: BothEmpty) -> Self {
        let (prediction, truth) = (case.prediction.view(), case.truth.view());
        let scored = |structure| Scores::of(case, structure, both_empty);
        let tumours = case.labelled == Labelled::LiverAndTumour;
        let largest = truth
            .outer_iter()
            .max_by_key(|slice| slice.iter().filter(|label| **label >= 1).count());
        Self {
            name: case.name.clone(),
            patient: case.patient.clone(),
            spacing_mm: case.spacing_mm,
            liver: scored(Structure::Liver),
            tumour: tumours.then(|| scored(Structure::Tumour)),
            lesions: if tumours {
                Lesions::of(prediction, truth, voxel_ml(case), |label| {
                    Structure::Tumour.holds(label)
                })
            } else {
                Lesions::default()
            },
            boundary: largest.and_then(|slice| {
                boundary_order(slice.mapv(|label| Structure::Liver.holds(label)).view())
            }),
        }
    }

    #[must_use]
    pub fn scores(&self, structure: Structure) -> Option<&Scores> {
        match structure {
            Structure::Liver => Some(&self.liver),
            Structure::Tumour => self.tumour.as_ref(),
        }
    }
}

impl Scores {
    fn of(case: &Case, structure: Structure, both_empty: BothEmpty) -> Self {
        let is = |label| structure.holds(label);
        let (prediction, truth) = (case.prediction.view(), case.truth.view());
        let counts = Counts::of(prediction, truth, is);
        let outcome = match (counts.predicted() > 0, counts.true_total() > 0) {
            (true, true) => Outcome::Both,
            (false, true) => Outcome::Missed,
            (true, false) => Outcome::Invented,
            (false, false) => Outcome::BothEmpty,
        };
        let mut metrics = BTreeMap::new();
        match outcome {
            Outcome::Both => {
                if let Some(spacing_mm) = case.spacing_mm {
                    let masks = Cropped::of(prediction, truth, is);
                    distances(&mut metrics, &masks, spacing_mm);
                }
            }
            Outcome::Missed | Outcome::Invented => {
                if let Some(spacing_mm) = case.spacing_mm {
                    let size = case.truth.shape().iter().zip(spacing_mm);
                    let squared: f64 = size.map(|(n, mm)| (*n as f64 * mm).powi(2)).sum();
                    constant_distances(&mut metrics, squared.sqrt(), 0.0);
                }
            }
            Outcome::BothEmpty if both_empty == BothEmpty::ScorePerfect => {
                constant_distances(&mut metrics, 0.0, 1.0);
                metrics.extend([Metric::Dice, Metric::Iou, Metric::F1].map(|metric| (metric, 1.0)));
            }
            Outcome::BothEmpty => {}
        }
        if outcome != Outcome::BothEmpty {
            overlaps(&mut metrics, counts);
        }
        Self {
            outcome,
            counts,
            true_ml: voxel_ml(case).map(|ml| counts.true_total() as f64 * ml),
            predicted_ml: voxel_ml(case).map(|ml| counts.predicted() as f64 * ml),
            metrics,
        }
    }
}

fn overlaps(metrics: &mut BTreeMap<Metric, f64>, counts: Counts) {
    let all = [
        (Metric::Dice, counts.dice()),
        (Metric::Iou, counts.iou()),
        (Metric::Sensitivity, counts.sensitivity()),
        (Metric::Specificity, counts.specificity()),
        (Metric::Precision, counts.precision()),
        (Metric::Accuracy, counts.accuracy()),
        (Metric::F1, counts.dice()),
        (Metric::VolumeError, counts.volume_error_percent()),
        (
            Metric::AbsoluteVolumeError,
            counts.volume_error_percent().map(f64::abs),
        ),
    ];
    metrics.extend(
        all.into_iter()
            .filter_map(|(metric, value)| Some((metric, value?))),
    );
}

fn distances(metrics: &mut BTreeMap<Metric, f64>, masks: &Cropped, spacing_mm: [f64; 3]) {
    if let Some(surfaces) = Directed::between(masks, spacing_mm) {
        metrics.extend([
            (Metric::Hausdorff, surfaces.hausdorff(100.0)),
            (Metric::Hausdorff95, surfaces.hausdorff(95.0)),
            (Metric::Hausdorff95Pooled, surfaces.hausdorff_pooled(95.0)),
            (Metric::Assd, surfaces.average_symmetric()),
            (Metric::Masd, surfaces.mean_average()),
        ]);
        metrics.extend(TOLERANCES_MM.map(|mm| (Metric::Nsd(mm), surfaces.within(f64::from(mm)))));
    }
    if let Some(surfels) = Surfels::between(masks, spacing_mm) {
        metrics.insert(Metric::Hausdorff95Surfel, surfels.hausdorff(95.0));
        metrics
            .extend(TOLERANCES_MM.map(|mm| (Metric::NsdSurfel(mm), surfels.within(f64::from(mm)))));
    }
}

fn constant_distances(metrics: &mut BTreeMap<Metric, f64>, mm: f64, share: f64) {
    metrics.extend(
        [
            Metric::Hausdorff,
            Metric::Hausdorff95,
            Metric::Hausdorff95Pooled,
            Metric::Hausdorff95Surfel,
            Metric::Assd,
            Metric::Masd,
        ]
        .map(|metric| (metric, mm)),
    );
    for tolerance in TOLERANCES_MM {
        metrics.insert(Metric::Nsd(tolerance), share);
        metrics.insert(Metric::NsdSurfel(tolerance), share);
    }
}

fn voxel_ml(case: &Case) -> Option<f64> {
    let spacing_mm = case.spacing_mm?;
    Some(spacing_mm.iter().product::<f64>() / 1000.0)
}

/// 3 mm is the headline for the liver, 2 mm for tumours; the others are what challenges use.
const TOLERANCES_MM: [u8; 5] = [1, 2, 3, 5, 7];
