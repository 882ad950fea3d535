//! What came, and whether all of it could be used.

use super::gate::{Gate, at_most, gate, warn_if};

/// Series that are no acquired, rescaled CT were left aside before they got here, with the reason.
pub(super) fn header(lossy: usize) -> Gate {
    let words = if lossy > 0 {
        "images were compressed with loss: small lesions may be gone"
    } else {
        "acquired CT images with a rescale to Hounsfield units"
    };
    let gate = gate("header", warn_if(lossy > 0), lossy as f64, "images", words);
    gate.usually(at_most(0.0))
}

/// An instance that could not be decoded is left out like one that never came. One of which the network
/// computed no number is no matter of gates: its series fails.
pub(super) fn numeric(unusable: usize) -> Gate {
    let words = if unusable > 0 {
        format!("{unusable} images could not be decoded and are left out")
    } else {
        "every image could be decoded".to_owned()
    };
    let outcome = warn_if(unusable > 0);
    let gate = gate("numeric", outcome, unusable as f64, "images", &words);
    gate.usually(at_most(0.0))
}
