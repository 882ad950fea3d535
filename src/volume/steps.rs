//! The distances between slices: what is missing, what is uneven, what is tilted.

use super::{
    arrange::{Candidate, pairs},
    findings::GeometryFinding,
};
use crate::dicom::{
    Plane,
    vector::{dot, norm, scale, sub},
};

/// The distances between neighbouring planes, and what is usual around each.
pub(super) struct Steps {
    mm: Vec<f64>,
    /// The median of the distances around each, so that a change of spacing within a series is not
    /// taken for a row of missing slices.
    around_mm: Vec<f64>,
    pub(super) usual_mm: f64,
}

impl Steps {
    pub(super) fn between(sorted: &[Candidate]) -> Self {
        let mm: Vec<f64> = pairs(sorted)
            .map(|(a, b)| b.along_mm - a.along_mm)
            .collect();
        let around_mm = (0..mm.len())
            .map(|at| {
                let from = at.saturating_sub(STEPS_AROUND);
                let to = (at + STEPS_AROUND + 1).min(mm.len());
                lower_median(mm.get(from..to).unwrap_or_default())
            })
            .collect();
        let usual_mm = lower_median(&mm);
        Self {
            mm,
            around_mm,
            usual_mm,
        }
    }

    /// How many slices are missing in each step.
    fn missing(&self) -> impl Iterator<Item = usize> {
        self.mm.iter().zip(&self.around_mm).map(|(step, around)| {
            if *step > GAP_FACTOR * around {
                ((step / around).round() as usize).saturating_sub(1).max(1)
            } else {
                0
            }
        })
    }

    /// The steps as they count for volume.
    pub(super) fn counted_mm(&self) -> Vec<f64> {
        self.missing()
            .zip(self.mm.iter().zip(&self.around_mm))
            .map(|(missing, (step, around))| if missing > 0 { *around } else { *step })
            .collect()
    }

    pub(super) fn report(&self, planes: &[Plane], findings: &mut Vec<GeometryFinding>) {
        let (mut shortest, mut longest) = (f64::INFINITY, 0.0_f64);
        for ((missing, step), (a, b)) in self.missing().zip(&self.mm).zip(pairs(planes)) {
            if missing > 0 {
                findings.push(GeometryFinding::Gap {
                    missing,
                    from: a.position,
                    to: b.position,
                });
            } else {
                shortest = shortest.min(*step);
                longest = longest.max(*step);
            }
        }
        if longest - shortest > ROUNDING_MM.max(STEP_TOLERANCE * self.usual_mm) {
            findings.push(GeometryFinding::Uneven {
                from_mm: shortest,
                to_mm: longest,
            });
        }
    }
}

/// The angle between the way slices are stacked and their normal, if it is not nothing.
pub(super) fn tilt(planes: &[Plane], normal: [f64; 3]) -> Option<GeometryFinding> {
    let [first, .., last] = planes else {
        return None;
    };
    let way = sub(last.position, first.position);
    let along = dot(way, normal);
    let aside = norm(sub(way, scale(normal, along)));
    let degrees = aside.atan2(along).to_degrees();
    (degrees > TILT_DEGREES).then_some(GeometryFinding::Tilted { degrees })
}

fn lower_median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

/// Of the usual step. Rounded positions wander by a few percent; a missing slice is off by 100.
const STEP_TOLERANCE: f64 = 0.1;
/// Two positions written with one decimal are off by this much together.
const ROUNDING_MM: f64 = 0.11;
/// Half-way between a step and two.
const GAP_FACTOR: f64 = 1.5;
/// Steps on either side that say what is usual here.
const STEPS_AROUND: usize = 4;
/// Below this, the shift over a 300 mm scan is less than three voxels and stems from rounding.
const TILT_DEGREES: f64 = 0.5;

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "positions are copied, not computed")]
mod tests {
    use dicom_core::VR;
    use dicom_dictionary_std::tags;
    use proptest::prelude::*;

    use crate::{
        series::sample::{Sample, at_z, series},
        volume::{Stack, arrange},
    };

    fn sentences(stack: &Stack) -> Vec<String> {
        stack.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_missing_slice_is_named_and_adds_no_volume() {
        let stack = arrange(&at_z([-115.0, -113.75, -112.5, -110.0, -108.75])).unwrap();
        assert_eq!(
            sentences(&stack),
            ["slice missing between z=-112.5 and -110.0"]
        );
        assert!(stack.is_partial() && !stack.is_contiguous());
        let total: f64 = (0..5).map(|slice| stack.geometry.thickness_mm(slice)).sum();
        assert!((total - 5.0 * 1.25).abs() < 1e-9);
        assert_eq!(stack.geometry.slice_position(3)[2], -110.0);
    }

    #[test]
    fn several_missing_slices_are_counted() {
        let stack = arrange(&at_z([0.0, 5.0, 10.0, 30.0, 35.0])).unwrap();
        assert_eq!(
            sentences(&stack),
            ["3 slices missing between z=10.0 and 30.0"]
        );
    }

    #[test]
    fn a_change_of_spacing_is_uneven_and_not_a_row_of_gaps() {
        let thin = (0..10).map(|at| f64::from(at) * 2.5);
        let thick = (1..10).map(|at| 22.5 + f64::from(at) * 5.0);
        let stack = arrange(&at_z(thin.chain(thick))).unwrap();
        assert_eq!(
            sentences(&stack),
            ["slices are unevenly spaced, 2.50 to 5.00 mm"]
        );
        assert!((stack.geometry.thickness_mm(9) - 3.75).abs() < 1e-9);
        assert!((stack.geometry.thickness_mm(15) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn rounded_positions_are_even() {
        let stack = arrange(&at_z(
            (0..40).map(|at| (f64::from(at) * 0.625 * 10.0).round() / 10.0),
        ));
        assert!(stack.unwrap().is_contiguous());
    }

    #[test]
    fn a_tilted_gantry_keeps_true_positions_and_perpendicular_volume() {
        let (sin, cos) = 20_f64.to_radians().sin_cos();
        let headers = series((0..6).map(|number| {
            Sample::slice(number)
                .at([0.0, 0.0, 5.0 * f64::from(number)])
                .with(
                    tags::IMAGE_ORIENTATION_PATIENT,
                    VR::DS,
                    format!("1\\0\\0\\0\\{cos:.8}\\{sin:.8}"),
                )
        }));
        let stack = arrange(&headers).unwrap();
        assert_eq!(
            sentences(&stack),
            ["slices are stacked 20.0 degrees off their normal (tilted gantry)"]
        );
        assert!(stack.is_contiguous());
        assert!((stack.geometry.spacing_mm()[0] - 5.0 * cos).abs() < 1e-6);
        assert_eq!(stack.geometry.slice_position(5), [0.0, 0.0, 25.0]);
    }

    proptest! {
        #[test]
        fn every_even_stack_is_contiguous_wherever_it_lies(
            count in 3_usize..40,
            spacing in 0.3_f64..10.0,
            start in -2000.0_f64..2000.0,
        ) {
            let z = (0..count).map(|at| start + spacing * at as f64);
            let stack = arrange(&at_z(z)).unwrap();
            prop_assert!(stack.is_contiguous());
            prop_assert_eq!(stack.geometry.n_slices(), count);
        }

        #[test]
        fn any_one_missing_slice_inside_an_even_stack_is_found(
            count in 5_usize..40,
            at in 0_usize..1000,
        ) {
            let missing = 1 + at % (count - 2);
            let z = (0..count).filter(|at| *at != missing).map(|at| 2.0 * at as f64);
            let stack = arrange(&at_z(z)).unwrap();
            prop_assert!(stack.is_partial(), "{missing} of {count}");
        }
    }
}
