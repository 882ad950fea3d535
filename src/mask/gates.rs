//! Whether an answer may be given, and what to say beside it.
//!
//! A network answers always. These are the questions a careful person would ask first: are these
//! Hounsfield units, is this a stack, is what was found a liver? Each gives a code, the measured
//! value and a sentence. A refusal is an answer too: it goes to the page and into the result.

mod doubt;
mod gate;
mod instances;

pub use gate::{Gate, Outcome};
use gate::{at_least, at_most, gate, refuse_if, warn_if, worst};

use super::{Changes, Findings, HuHistogram, OrganSample, View};
use crate::{
    model::GateThresholds,
    volume::{GeometryFinding, Stack},
};

/// What the gates look at: all of one series.
pub struct Examination<'a> {
    pub stack: &'a Stack,
    pub histogram: &'a HuHistogram,
    pub findings: &'a Findings,
    pub changes: &'a Changes,
    pub view: &'a View,
    /// Of the slices that show the organ.
    pub sample: &'a OrganSample,
    /// How far the middle one of the slices that hold organ lies from those of training.
    pub distance: Option<f64>,
    /// How much of the organ was found again when slices were moved, as Dice.
    pub agreement: Option<f64>,
    /// Images that were compressed with loss.
    pub lossy: usize,
    /// Images that were left out because they could not be decoded.
    pub unusable: usize,
}

/// The worst outcome.
#[must_use]
pub fn verdict(gates: &[Gate]) -> Outcome {
    let outcomes = gates.iter().map(|gate| gate.outcome);
    outcomes.max().unwrap_or(Outcome::Pass)
}

/// Asks every question, in the order in which a reader would.
#[must_use]
pub fn examine(of: &Examination<'_>, limits: &GateThresholds) -> Vec<Gate> {
    let mut gates = vec![instances::header(of.lossy), instances::numeric(of.unusable)];
    gates.extend(hounsfield(of.histogram, limits));
    gates.extend(geometry(of.stack, limits));
    gates.push(region(of.view, limits));
    gates.extend(organ(of, limits));
    gates.extend(doubt::appearance(of.sample, limits));
    gates.extend(doubt::distance(of.distance, limits));
    gates.extend(doubt::agreement(of.agreement, limits));
    gates.extend(lesions(of.findings, limits));
    gates
}

/// Codes of the questions that the bundle has no limits for, and so are not asked.
#[must_use]
pub fn not_asked(limits: &GateThresholds) -> Vec<&'static str> {
    doubt::not_asked(limits)
}

/// Above this is tissue; below it nothing was measured: padding that nobody declared.
const GAS_HU: [f64; 2] = [-1150.0, -500.0];
/// A peak holds at least this share of the voxels; the body of a child in a large field does.
const PEAK_SHARE: f64 = 0.002;

fn hounsfield(histogram: &HuHistogram, limits: &GateThresholds) -> Vec<Gate> {
    let fat_share = histogram.share(limits.fat_peak_hu);
    let has_fat = fat_share >= PEAK_SHARE;
    let gas_share = histogram.share(GAS_HU);
    let air = histogram.mode(GAS_HU).filter(|_| gas_share >= PEAK_SHARE);
    let in_range = |hu: f64, [low, high]: [f64; 2]| (low..=high).contains(&hu);
    let air_gate = match air {
        Some(hu) if in_range(hu, limits.air_peak_hu_refuse) => {
            gate("hu-air", Outcome::Pass, hu, "HU", "air where it should be")
                .accepting(limits.air_peak_hu_refuse)
        }
        Some(hu) => {
            let words = "air is not where Hounsfield units have it: wrong rescale intercept?";
            gate("hu-air", Outcome::Refuse, hu, "HU", words).accepting(limits.air_peak_hu_refuse)
        }
        // A field of view inside the body holds no air, but then it holds fat.
        None if has_fat => {
            let words = "no air in the field of view";
            gate("hu-air", Outcome::Warn, gas_share, "share", words)
        }
        None => {
            let words = "neither air nor fat: these are no Hounsfield units";
            gate("hu-air", Outcome::Refuse, gas_share, "share", words)
        }
    };
    let fat_gate = if has_fat {
        gate("hu-fat", Outcome::Pass, fat_share, "share", "fat is there")
    } else {
        gate(
            "hu-fat",
            Outcome::Warn,
            fat_share,
            "share",
            "hardly any fat",
        )
    };
    // From below water to below bone.
    let tissue = histogram.mode([-30.0, 300.0]);
    let tissue_gate = match tissue {
        Some(hu) if in_range(hu, limits.soft_tissue_peak_hu_refuse) => {
            let words = "soft tissue where it should be";
            gate("hu-soft-tissue", Outcome::Pass, hu, "HU", words)
        }
        found => {
            let words = "no soft tissue where Hounsfield units have it";
            let hu = found.unwrap_or_default();
            gate("hu-soft-tissue", Outcome::Refuse, hu, "HU", words)
        }
    };
    vec![
        air_gate,
        fat_gate.usually(at_least(PEAK_SHARE)),
        tissue_gate.accepting(limits.soft_tissue_peak_hu_refuse),
    ]
}

fn geometry(stack: &Stack, limits: &GateThresholds) -> Vec<Gate> {
    let [step_mm, ..] = stack.geometry.spacing_mm();
    let slices = stack.geometry.n_slices();
    let [.., axial] = stack.geometry.normal();
    let degrees = axial.abs().min(1.0).acos().to_degrees();
    let count = |is: fn(&GeometryFinding) -> bool| {
        stack.findings.iter().filter(|finding| is(finding)).count() as f64
    };
    let gaps = count(|finding| {
        matches!(
            finding,
            GeometryFinding::Gap { .. } | GeometryFinding::Beyond { .. }
        )
    });
    let uneven = count(|finding| matches!(finding, GeometryFinding::Uneven { .. }));
    vec![
        gate(
            "geometry-slices",
            refuse_if(slices < limits.slices_refuse),
            slices as f64,
            "slices",
            &format!("{slices} slices, {} are needed", limits.slices_refuse),
        )
        .accepting(at_least(limits.slices_refuse as f64)),
        gate(
            "geometry-orientation",
            worst(
                degrees > limits.tilt_degrees_refuse,
                degrees > limits.tilt_degrees,
            ),
            degrees,
            "degrees",
            &format!("slices lie {degrees:.1} degrees off the axial plane"),
        )
        .usually(at_most(limits.tilt_degrees))
        .accepting(at_most(limits.tilt_degrees_refuse)),
        gate(
            "geometry-step",
            worst(step_mm > limits.step_mm_refuse, step_mm > limits.step_mm),
            step_mm,
            "mm",
            &format!("slices are {step_mm:.2} mm apart"),
        )
        .usually(at_most(limits.step_mm))
        .accepting(at_most(limits.step_mm_refuse)),
        gate(
            "geometry-gaps",
            warn_if(gaps > 0.0),
            gaps,
            "gaps",
            if gaps > 0.0 {
                "slices are missing or left out: volumes are a lower bound"
            } else {
                "no slice is missing"
            },
        )
        .usually(at_most(0.0)),
        gate(
            "geometry-even",
            warn_if(uneven > 0.0),
            uneven,
            "findings",
            if uneven > 0.0 {
                "slices are unevenly spaced"
            } else {
                "slices are evenly spaced"
            },
        )
        .usually(at_most(0.0)),
    ]
}

fn region(view: &View, limits: &GateThresholds) -> Gate {
    let mm = view.extent_mm();
    let refused = mm < limits.organ_view_mm_refuse;
    let words = if mm > 0.0 {
        format!("{mm:.0} mm of the series show the liver")
    } else {
        "no part of the series shows the liver".to_owned()
    };
    gate(
        "body-region",
        worst(refused, mm < limits.organ_view_mm),
        mm,
        "mm",
        &words,
    )
    .usually(at_least(limits.organ_view_mm))
    .accepting(at_least(limits.organ_view_mm_refuse))
}

fn organ(of: &Examination<'_>, limits: &GateThresholds) -> Vec<Gate> {
    let findings = of.findings;
    let ml = findings.liver_ml + findings.tumour_ml;
    let [smallest, largest] = limits.organ_ml;
    let volume = gate(
        "liver-volume",
        worst(
            ml < limits.organ_ml_refuse,
            !(smallest..=largest).contains(&ml),
        ),
        ml,
        "ml",
        &format!("{ml:.0} ml of liver, {smallest} to {largest} ml are usual"),
    )
    .usually(limits.organ_ml)
    .accepting(at_least(limits.organ_ml_refuse));
    let Some(centroid) = findings.liver_centroid_lps else {
        // Without a liver there is nothing more to ask about it.
        return vec![volume];
    };
    let extent = findings.liver_extent_mm;
    let share = of.changes.largest_share;
    let geometry = &of.stack.geometry;
    let middle = geometry.position_lps([
        0.0,
        (geometry.rows() as f64 - 1.0) / 2.0,
        (geometry.columns() as f64 - 1.0) / 2.0,
    ]);
    let to_right_mm = middle[0] - centroid[0];
    vec![
        volume,
        gate(
            "liver-one-piece",
            warn_if(share < limits.organ_largest_share),
            share,
            "share",
            &format!(
                "{:.0} % of what looked like liver is in one piece",
                share * 100.0
            ),
        )
        .usually(at_least(limits.organ_largest_share)),
        gate(
            "liver-extent",
            warn_if(extent < limits.organ_extent_mm),
            extent,
            "mm",
            &format!("the liver reaches over {extent:.0} mm"),
        )
        .usually(at_least(limits.organ_extent_mm)),
        gate(
            "liver-side",
            warn_if(to_right_mm < 0.0),
            to_right_mm,
            "mm",
            &format!(
                "the liver lies {to_right_mm:.0} mm to the patient's right of the image centre"
            ),
        )
        .usually(at_least(0.0)),
        gate(
            "liver-cut",
            warn_if(findings.liver_cut),
            f64::from(u8::from(findings.liver_cut)),
            "",
            if findings.liver_cut {
                "the liver reaches the edge of what the model saw: its volume is a lower bound"
            } else {
                "the liver was imaged whole"
            },
        ),
    ]
}

fn lesions(findings: &Findings, limits: &GateThresholds) -> Vec<Gate> {
    let organ_ml = findings.liver_ml + findings.tumour_ml;
    let share = if organ_ml > 0.0 {
        findings.tumour_ml / organ_ml
    } else {
        0.0
    };
    let count = findings.lesions.len();
    let tiny = findings
        .lesions
        .iter()
        .filter(|lesion| lesion.volume_ml < limits.lesion_ml);
    let tiny = tiny.count();
    vec![
        gate(
            "lesion-share",
            warn_if(share > limits.lesion_share),
            share,
            "share",
            &format!("lesions are {:.0} % of the liver", share * 100.0),
        )
        .usually(at_most(limits.lesion_share)),
        gate(
            "lesion-count",
            warn_if(count > limits.lesions),
            count as f64,
            "lesions",
            &format!("{count} lesions"),
        )
        .usually(at_most(limits.lesions as f64)),
        gate(
            "lesion-size",
            warn_if(tiny > 0),
            tiny as f64,
            "lesions",
            &format!(
                "{tiny} lesions are below {} ml and uncertain",
                limits.lesion_ml
            ),
        )
        .usually(at_most(0.0)),
    ]
}

#[cfg(test)]
mod tests;
