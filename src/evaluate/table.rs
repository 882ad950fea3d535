//! The report as text: what fits a terminal and a model card.

use std::fmt::{self, Display, Formatter};

use super::{
    Structure,
    overlap::Counts,
    report::Report,
    scores::{Metric, Outcome},
    statistics::Summary,
};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (structure, report) in &self.structures {
            if report.pooled.counts == Counts::default() {
                continue;
            }
            writeln!(
                f,
                "{structure:?}: {} cases, {} without it in truth and prediction (left out), {} missed, {} invented",
                self.cases.len(),
                report.both_empty,
                report.missed,
                report.invented
            )?;
            writeln!(
                f,
                "  {:<30} {:>9} {:>21} {:>9} {:>9}",
                "", "mean", "95 % interval", "median", "worst"
            )?;
            for (metric, summary) in &report.metrics {
                if headline(*structure, *metric) {
                    row(f, &metric.to_string(), summary)?;
                }
            }
            if let (Some(dice), Some([low, high])) = (report.pooled.dice, report.pooled.interval) {
                writeln!(
                    f,
                    "  {:<30} {dice:>9.4}   [{low:>8.4},{high:>8.4}]",
                    "dice_pooled"
                )?;
            }
            writeln!(f)?;
        }
        if let Some(summary) = &self.tumour_dice_per_case {
            writeln!(
                f,
                "Tumour Dice over the {} cases with a tumour:",
                summary.cases
            )?;
            row(f, "dice_per_case", summary)?;
        }
        if self.cases.iter().any(|case| case.tumour.is_some()) {
            self.lesion_table(f)?;
        }
        self.case_table(f)
    }
}

impl Report {
    fn lesion_table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Lesions (26-connected):")?;
        for found in &self.lesion_wise {
            writeln!(
                f,
                "  IoU > {:.1}: {} of {} found, {} predicted; precision {}, recall {}, F1 {}, Dice of matched {}",
                found.iou_above,
                found.matched,
                found.true_lesions,
                found.predicted_lesions,
                optional(found.precision),
                optional(found.recall),
                optional(found.f1),
                optional(found.dice_of_matched)
            )?;
        }
        for class in &self.lesions_by_size {
            let size = class.to_mm.map_or_else(
                || format!("{} mm and more", class.from_mm),
                |to| format!("{} to {to} mm", class.from_mm),
            );
            writeln!(
                f,
                "  {size}: {} of {} found (IoU > 0.1), mean Dice {}",
                class.found,
                class.lesions,
                optional(class.mean_dice)
            )?;
        }
        writeln!(
            f,
            "  false lesions per case: {:.2}\n",
            self.false_lesions_per_case
        )
    }

    fn case_table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>10} {:>9} {:>9} {:>10} {:>10} {:>11} {:>8}",
            "case",
            "liver dice",
            "hd95 mm",
            "nsd 3 mm",
            "true ml",
            "found ml",
            "tumour dice",
            "lesions"
        )?;
        for case in &self.cases {
            let liver = |metric| optional(case.liver.metrics.get(&metric).copied());
            let tumour = match &case.tumour {
                Some(scores) if scores.outcome == Outcome::BothEmpty => "none".to_owned(),
                Some(scores) => optional(scores.metrics.get(&Metric::Dice).copied()),
                None => "-".to_owned(),
            };
            writeln!(
                f,
                "{:<24} {:>10} {:>9} {:>9} {:>10} {:>10} {tumour:>11} {:>4}/{:<3}",
                case.name,
                liver(Metric::Dice),
                liver(Metric::Hausdorff95),
                liver(Metric::Nsd(3)),
                optional(case.liver.true_ml),
                optional(case.liver.predicted_ml),
                case.lesions.predicted.len(),
                case.lesions.truth.len()
            )?;
        }
        Ok(())
    }
}

/// The rows worth a line; JSON has them all.
fn headline(structure: Structure, metric: Metric) -> bool {
    match metric {
        Metric::Nsd(mm) => mm == 3 || (structure == Structure::Tumour && mm == 2),
        Metric::NsdSurfel(_) | Metric::Hausdorff95Pooled | Metric::Hausdorff95Surfel => false,
        _ => true,
    }
}

fn row(f: &mut Formatter<'_>, name: &str, summary: &Summary) -> fmt::Result {
    writeln!(
        f,
        "  {name:<30} {:>9.4}   [{:>8.4},{:>8.4}] {:>9.4} {:>9.4}",
        summary.mean, summary.low, summary.high, summary.median, summary.worst
    )
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}
