//! Scores of each case, and what they come to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Case, Options, Structure,
    lesions::Lesion,
    overlap::Counts,
    scores::{CaseReport, Metric, Outcome, Scores},
    statistics::{Better, Summary},
};

/// Everything `hepar evaluate` finds out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub options: Options,
    pub structures: BTreeMap<Structure, StructureReport>,
    /// Only the cases that have a tumour in the truth: the figure usually called per-case Dice.
    pub tumour_dice_per_case: Option<Summary>,
    pub lesion_wise: Vec<LesionWise>,
    pub lesions_by_size: Vec<SizeClass>,
    /// Predicted lesions that are no true one's partner, per case.
    pub false_lesions_per_case: f64,
    pub cases: Vec<CaseReport>,
}

/// One structure over all cases.
#[derive(Clone, Debug, Serialize)]
pub struct StructureReport {
    pub metrics: BTreeMap<Metric, Summary>,
    pub pooled: Pooled,
    /// Cases in which neither mask has the structure.
    pub both_empty: usize,
    /// Cases in which only the truth has it.
    pub missed: usize,
    /// Cases in which only the prediction has it.
    pub invented: usize,
}

/// All voxels of all cases as if they were one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pooled {
    pub dice: Option<f64>,
    /// 95 % interval over resampled patients.
    pub interval: Option<[f64; 2]>,
    pub counts: Counts,
}

/// Detection, with a lesion found where it overlaps its partner by more than the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LesionWise {
    pub iou_above: f64,
    pub true_lesions: usize,
    pub predicted_lesions: usize,
    pub matched: usize,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    /// Mean Dice of the matched pairs.
    pub dice_of_matched: Option<f64>,
}

/// True lesions of one size and how many of them were found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SizeClass {
    pub from_mm: f64,
    pub to_mm: Option<f64>,
    pub lesions: usize,
    /// At an overlap above `FOUND_IOU`.
    pub found: usize,
    /// Mean Dice with the partner, 0 for the missed ones.
    pub mean_dice: Option<f64>,
}

/// Scores every case, one at a time so that only one is in memory, and sums up.
pub fn evaluate<E>(
    cases: impl IntoIterator<Item = Result<Case, E>>,
    options: Options,
) -> Result<Report, E> {
    let cases = cases
        .into_iter()
        .map(|case| case.map(|case| CaseReport::of(&case, options.both_empty)))
        .collect::<Result<Vec<_>, E>>()?;
    Ok(Report::of(cases, options))
}

impl Report {
    fn of(cases: Vec<CaseReport>, options: Options) -> Self {
        let with_tumour: Vec<(&str, f64)> = cases
            .iter()
            .filter_map(|case| Some((case.patient.as_str(), case.tumour.as_ref()?)))
            .filter(|(_, tumour)| tumour.counts.true_total() > 0)
            .filter_map(|(patient, tumour)| Some((patient, *tumour.metrics.get(&Metric::Dice)?)))
            .collect();
        let tumour_dice_per_case = Summary::of(&with_tumour, Better::Higher, options.resampling);
        let invented = cases
            .iter()
            .flat_map(|case| &case.lesions.predicted)
            .filter(|lesion| lesion.iou == 0.0)
            .count();
        Self {
            structures: [Structure::Liver, Structure::Tumour]
                .map(|structure| (structure, StructureReport::of(&cases, structure, options)))
                .into(),
            tumour_dice_per_case,
            lesion_wise: [0.0, FOUND_IOU, 0.5]
                .map(|iou| LesionWise::of(&cases, iou))
                .into(),
            lesions_by_size: SizeClass::all(&cases),
            false_lesions_per_case: invented as f64 / cases.len().max(1) as f64,
            options,
            cases,
        }
    }
}

impl StructureReport {
    fn of(cases: &[CaseReport], structure: Structure, options: Options) -> Self {
        let (patients, scores): (Vec<&str>, Vec<&Scores>) = cases
            .iter()
            .filter_map(|case| Some((case.patient.as_str(), case.scores(structure)?)))
            .unzip();
        let mut values: BTreeMap<Metric, Vec<(&str, f64)>> = BTreeMap::new();
        for (patient, scores) in patients.iter().zip(&scores) {
            for (metric, value) in &scores.metrics {
                values.entry(*metric).or_default().push((patient, *value));
            }
        }
        let metrics = values
            .into_iter()
            .filter_map(|(metric, values)| {
                Summary::of(&values, metric.better(), options.resampling)
                    .map(|summary| (metric, summary))
            })
            .collect();
        let sum = |picked: &mut dyn Iterator<Item = usize>| {
            picked.fold(Counts::default(), |sum, case| sum.plus(scores[case].counts))
        };
        let counts = sum(&mut (0..scores.len()));
        let interval = counts.dice().map(|_| {
            options.resampling.interval(&patients, |picked| {
                // A sample without the structure has nothing to disagree about.
                sum(&mut picked.iter().copied()).dice().unwrap_or(1.0)
            })
        });
        let how_many = |outcome| {
            scores
                .iter()
                .filter(|scores| scores.outcome == outcome)
                .count()
        };
        Self {
            metrics,
            pooled: Pooled {
                dice: counts.dice(),
                interval,
                counts,
            },
            both_empty: how_many(Outcome::BothEmpty),
            missed: how_many(Outcome::Missed),
            invented: how_many(Outcome::Invented),
        }
    }
}

impl LesionWise {
    fn of(cases: &[CaseReport], iou_above: f64) -> Self {
        let all = || cases.iter().map(|case| &case.lesions);
        let found = |lesion: &&Lesion| lesion.iou > iou_above;
        let truth: Vec<&Lesion> = all().flat_map(|lesions| &lesions.truth).collect();
        let predicted = all().map(|lesions| lesions.predicted.len()).sum();
        let matched: Vec<f64> = truth
            .iter()
            .copied()
            .filter(found)
            .map(|lesion| lesion.dice)
            .collect();
        let share = |whole: usize| (whole > 0).then(|| matched.len() as f64 / whole as f64);
        Self {
            iou_above,
            true_lesions: truth.len(),
            predicted_lesions: predicted,
            matched: matched.len(),
            precision: share(predicted),
            recall: share(truth.len()),
            // 2 TP / (2 TP + FP + FN), where every lesion is in one of the two lists.
            f1: share(truth.len() + predicted).map(|half| 2.0 * half),
            dice_of_matched: mean(&matched),
        }
    }
}

impl SizeClass {
    fn all(cases: &[CaseReport]) -> Vec<Self> {
        let edges = [(0.0, Some(10.0)), (10.0, Some(20.0)), (20.0, None)];
        edges
            .map(|(from_mm, to_mm)| {
                let lesions: Vec<&Lesion> = cases
                    .iter()
                    .flat_map(|case| &case.lesions.truth)
                    .filter(|lesion| {
                        lesion
                            .diameter_mm
                            .is_some_and(|mm| mm >= from_mm && to_mm.is_none_or(|to| mm < to))
                    })
                    .collect();
                let dice: Vec<f64> = lesions.iter().map(|lesion| lesion.dice).collect();
                Self {
                    from_mm,
                    to_mm,
                    lesions: lesions.len(),
                    found: lesions
                        .iter()
                        .filter(|lesion| lesion.iou > FOUND_IOU)
                        .count(),
                    mean_dice: mean(&dice),
                }
            })
            .into()
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The overlap from which a lesion counts as found in [`SizeClass`].
const FOUND_IOU: f64 = 0.1;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ndarray::{Array3, s};

    use super::*;
    use crate::evaluate::{BothEmpty, Labelled};

    fn case(name: &str, paint: impl Fn(&mut Array3<u8>, &mut Array3<u8>)) -> Case {
        let (mut prediction, mut truth) = (Array3::zeros((8, 20, 20)), Array3::zeros((8, 20, 20)));
        paint(&mut prediction, &mut truth);
        Case {
            name: name.to_owned(),
            patient: name.to_owned(),
            prediction,
            truth,
            spacing_mm: Some([5.0, 1.0, 2.0]),
            labelled: Labelled::LiverAndTumour,
            image: None,
        }
    }

    fn report(cases: Vec<Case>, both_empty: BothEmpty) -> Report {
        let options = Options {
            both_empty,
            ..Options::default()
        };
        let cases = cases.into_iter().map(Ok::<_, Infallible>);
        let Ok(report) = evaluate(cases, options);
        report
    }

    /// Perfect liver and tumour; a missed tumour; an invented one; no liver anywhere.
    fn four_cases() -> Vec<Case> {
        let liver = |labels: &mut Array3<u8>| labels.slice_mut(s![2..6, 4..16, 4..16]).fill(1);
        let tumour = |labels: &mut Array3<u8>| labels.slice_mut(s![3..5, 6..10, 6..10]).fill(2);
        vec![
            case("good", |p, t| {
                for labels in [p, t] {
                    liver(labels);
                    tumour(labels);
                }
            }),
            case("missed", |p, t| {
                liver(p);
                liver(t);
                tumour(t);
            }),
            case("invented", |p, t| {
                liver(p);
                liver(t);
                tumour(p);
            }),
            case("empty", |_, _| {}),
        ]
    }

    #[test]
    fn empty_masks_follow_the_rules_and_are_counted() {
        let report = report(four_cases(), BothEmpty::Exclude);
        let [liver, tumour] =
            [Structure::Liver, Structure::Tumour].map(|which| &report.structures[&which]);
        assert_eq!((liver.both_empty, liver.missed, liver.invented), (1, 0, 0));
        assert_eq!(
            (tumour.both_empty, tumour.missed, tumour.invented),
            (1, 1, 1)
        );
        assert_eq!(liver.metrics[&Metric::Dice].cases, 3);
        let dice = tumour.metrics[&Metric::Dice];
        assert_eq!(dice.cases, 3);
        assert!((dice.mean - 1.0 / 3.0).abs() < 1e-12);
        // The diagonal of 8 x 5 mm, 20 x 1 mm, 20 x 2 mm.
        assert!((tumour.metrics[&Metric::Hausdorff95].worst - 60.0).abs() < 1e-9);
        assert!(tumour.metrics[&Metric::Nsd(3)].worst.abs() < 1e-12);
    }

    #[test]
    fn both_empty_can_be_scored_as_perfect_instead() {
        let report = report(four_cases(), BothEmpty::ScorePerfect);
        let dice = report.structures[&Structure::Tumour].metrics[&Metric::Dice];
        assert_eq!(dice.cases, 4);
        assert!((dice.mean - 0.5).abs() < 1e-12);
    }

    #[test]
    fn tumour_dice_comes_three_ways() {
        let report = report(four_cases(), BothEmpty::Exclude);
        let per_case = report.tumour_dice_per_case.unwrap();
        assert_eq!(per_case.cases, 2, "only cases with a tumour");
        assert!((per_case.mean - 0.5).abs() < 1e-12);
        // 32 voxels found, 32 missed, 32 invented.
        let pooled = report.structures[&Structure::Tumour].pooled;
        assert!((pooled.dice.unwrap() - 0.5).abs() < 1e-12);
        let [low, high] = pooled.interval.unwrap();
        assert!(low < 0.5 && 0.5 < high);
        let found = report.lesion_wise[2];
        assert_eq!(
            (found.true_lesions, found.predicted_lesions, found.matched),
            (2, 2, 1)
        );
        assert_eq!(
            (found.precision, found.recall, found.f1),
            (Some(0.5), Some(0.5), Some(0.5))
        );
        assert_eq!(found.dice_of_matched, Some(1.0));
        assert!((report.false_lesions_per_case - 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_lesion_on_the_edge_of_two_sizes_is_counted_once() {
        let report = report(four_cases(), BothEmpty::Exclude);
        let lesions: usize = report
            .lesions_by_size
            .iter()
            .map(|class| class.lesions)
            .sum();
        assert_eq!(lesions, 2);
    }

    #[test]
    fn without_tumour_labels_and_spacing_only_the_liver_overlap_is_scored() {
        let mut cases = four_cases();
        for case in &mut cases {
            case.labelled = Labelled::LiverOnly;
            case.spacing_mm = None;
        }
        let report = report(cases, BothEmpty::Exclude);
        let liver = &report.structures[&Structure::Liver];
        assert_eq!(liver.metrics[&Metric::Dice].cases, 3);
        assert!(!liver.metrics.contains_key(&Metric::Hausdorff95));
        assert!(report.structures[&Structure::Tumour].metrics.is_empty());
        assert_eq!(report.lesion_wise[0].predicted_lesions, 0);
        assert_eq!(report.cases[0].liver.true_ml, None);
        assert!(!report.to_string().contains("Tumour"));
    }

    #[test]
    fn the_report_is_json_and_text_with_every_case() {
        let report = report(four_cases(), BothEmpty::Exclude);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["structures"]["liver"]["metrics"]["dice"]["mean"], 1.0);
        assert_eq!(json["cases"][1]["tumour"]["outcome"], "missed");
        assert_eq!(json["cases"][0]["liver"]["metrics"]["nsd_3mm"], 1.0);
        let text = report.to_string();
        for name in ["good", "missed", "invented", "empty"] {
            assert!(text.contains(name), "{text}");
        }
    }
}
