use std::fmt;

use super::{Engine, EngineError, Image};
use crate::model::{Bundle, CLASSES, GoldenTolerance};

/// How far an engine is from the bundle's golden output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Largest difference of any logit.
    pub max_abs_error: f32,
    /// Share of network pixels with another label.
    pub label_disagreement: f64,
    pub tolerance: GoldenTolerance,
}

impl Agreement {
    #[must_use]
    pub fn holds(&self) -> bool {
        // Written so that NaN does not hold.
        self.max_abs_error <= self.tolerance.max_abs_error
            && self.label_disagreement <= self.tolerance.label_disagreement
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "logits off by up to {} ({} allowed), {:.3} % of labels differ ({:.3} % allowed)",
            self.max_abs_error,
            self.tolerance.max_abs_error,
            self.label_disagreement * 100.0,
            self.tolerance.label_disagreement * 100.0
        )
    }
}

/// Runs the golden slice through encoder and head, as a patient's would go.
pub fn check(engine: &mut dyn Engine, bundle: &Bundle) -> Result<Agreement, EngineError> {
    let image = Image {
        size: bundle.manifest.input.size,
        values: bundle.golden.image.clone(),
    };
    let found: Vec<f32> = engine.predict(&image)?.logits.0.iter().copied().collect();
    let agreement = compare(&found, &bundle.golden.logits, bundle.manifest.golden);
    if agreement.holds() {
        return Ok(agreement);
    }
    let engine = engine.info();
    Err(EngineError::Golden {
        engine: format!("{} {} on {}", engine.name, engine.version, engine.device),
        agreement,
    })
}

/// Both `[class, pixel]`, of the same length.
fn compare(found: &[f32], golden: &[f32], tolerance: GoldenTolerance) -> Agreement {
    let errors = found.iter().zip(golden).map(|(a, b)| (a - b).abs());
    let pixels = golden.len() / CLASSES;
    let label = |logits: &[f32], pixel: usize| {
        let of = |class: usize| logits[class * pixels + pixel];
        (1..CLASSES).fold(
            0,
            |best, class| if of(class) > of(best) { class } else { best },
        )
    };
    let differ = (0..pixels).filter(|p| label(found, *p) != label(golden, *p));
    Agreement {
        max_abs_error: errors.fold(0.0, f32::max),
        label_disagreement: differ.count() as f64 / pixels as f64,
        tolerance,
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    const TOLERANCE: GoldenTolerance = GoldenTolerance {
        max_abs_error: 0.1,
        label_disagreement: 0.0,
    };
    /// Two pixels, organ and background.
    const GOLDEN: [f32; 6] = [0.0, 2.0, 1.0, 0.0, 0.0, 0.0];

    #[test]
    fn small_errors_hold_and_another_label_does_not() {
        let near = [0.05, 2.0, 1.0, 0.0, 0.0, -0.05];
        assert!(compare(&near, &GOLDEN, TOLERANCE).holds());

        let other = [0.0, 2.0, 1.0, 0.0, 1.05, 0.0];
        let agreement = compare(&other, &GOLDEN, TOLERANCE);
        assert!(!agreement.holds());
        assert_eq!(agreement.label_disagreement, 0.5);
    }
}
