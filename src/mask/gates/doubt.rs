//! Whether the network knows what it is looking at: brightness, certainty, distance, agreement.

use super::gate::{Gate, at_least, at_most, gate, warn_if, worst};
use crate::{
    mask::OrganSample,
    model::{GateThresholds, Limits},
};

const DISTANCE: &str = "embedding-distance";
const AGREEMENT: &str = "organ-agreement";

/// Of what the organ looks like. Nothing is asked about an organ that was not found: `organ` has said so.
pub(super) fn appearance(sample: &OrganSample, limits: &GateThresholds) -> Vec<Gate> {
    let phase = sample.median_hu().map(|hu| {
        let words = if hu < limits.organ_enhanced_hu {
            "the liver is not enhanced as in the portal venous phase: tumours are harder to see"
        } else {
            "the liver is enhanced"
        };
        gate(
            "contrast-phase",
            warn_if(hu < limits.organ_enhanced_hu),
            hu,
            "HU",
            words,
        )
        .usually(at_least(limits.organ_enhanced_hu))
    });
    let certainty = sample.mean_entropy().map(|nats| {
        let words = if nats > limits.organ_entropy {
            "the model is less certain of this liver than of those it was tested on"
        } else {
            "the model is as certain as on the livers it was tested on"
        };
        let outcome = worst(
            nats > limits.organ_entropy_refuse,
            nats > limits.organ_entropy,
        );
        gate("certainty", outcome, nats, "nats", words)
            .usually(at_most(limits.organ_entropy))
            .accepting(at_most(limits.organ_entropy_refuse))
    });
    phase.into_iter().chain(certainty).collect()
}

/// How unlike the slices of training those that hold organ are.
pub(super) fn distance(measured: Option<f64>, limits: &GateThresholds) -> Option<Gate> {
    let (measured, Limits { warn, refuse }) = measured.zip(limits.embedding_distance)?;
    let words = if measured > warn {
        "the images are unlike those the model was trained on"
    } else {
        "the images are like those the model was trained on"
    };
    let outcome = worst(measured > refuse, measured > warn);
    let gate = gate(DISTANCE, outcome, measured, "deviations", words);
    Some(gate.usually(at_most(warn)).accepting(at_most(refuse)))
}

/// Whether the organ is found again where the slice was moved.
pub(super) fn agreement(measured: Option<f64>, limits: &GateThresholds) -> Option<Gate> {
    let (dice, Limits { warn, refuse }) = measured.zip(limits.organ_agreement)?;
    let words = if dice < warn {
        "the model finds another liver when the images are moved a little"
    } else {
        "the model finds the same liver when the images are moved a little"
    };
    let outcome = worst(dice < refuse, dice < warn);
    let gate = gate(AGREEMENT, outcome, dice, "Dice", words);
    Some(gate.usually(at_least(warn)).accepting(at_least(refuse)))
}

pub(super) fn not_asked(limits: &GateThresholds) -> Vec<&'static str> {
    let of = |code, limits: Option<Limits>| limits.is_none().then_some(code);
    let codes = [
        of(DISTANCE, limits.embedding_distance),
        of(AGREEMENT, limits.organ_agreement),
    ];
    codes.into_iter().flatten().collect()
}
