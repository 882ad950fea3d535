//! Whether planes are a whole scan: parallel, evenly spaced, nothing missing in between.

use crate::dicom::{
    Plane,
    vector::{cross, dot},
};

/// Evidence for completeness, so it may miss a whole scan but must not see one where there is none.
/// Positions may be taken several times (phases), but all of them equally often.
pub(super) fn is_contiguous<'a>(planes: impl Iterator<Item = &'a Plane>) -> bool {
    let mut planes = planes.peekable();
    let Some(first) = planes.peek().copied() else {
        return false;
    };
    let normal = cross(first.row_cosines, first.column_cosines);
    let mut along_mm = Vec::new();
    for plane in planes {
        let parallel = dot(cross(plane.row_cosines, plane.column_cosines), normal);
        if parallel < PARALLEL {
            return false;
        }
        along_mm.push(dot(plane.position, normal));
    }
    along_mm.sort_by(f64::total_cmp);

    let stacks: Vec<&[f64]> = along_mm.chunk_by(|a, b| b - a < COINCIDENT_MM).collect();
    let taken = stacks.first().map_or(0, |stack| stack.len());
    if stacks.len() < MIN_POSITIONS || stacks.iter().any(|stack| stack.len() != taken) {
        return false;
    }
    let places = stacks.iter().filter_map(|stack| stack.first());
    let steps = places.clone().zip(places.skip(1)).map(|(a, b)| b - a);
    let (shortest, longest) = steps.fold((f64::INFINITY, 0.0_f64), |(low, high), step| {
        (low.min(step), high.max(step))
    });
    longest - shortest <= ROUNDING_MM.max(STEP_TOLERANCE * shortest)
}

/// Cosine of 0.8 degrees.
const PARALLEL: f64 = 0.9999;
const COINCIDENT_MM: f64 = 0.02;
const MIN_POSITIONS: usize = 3;
/// Of the step. Rounded positions wander by a few percent; a missing slice is off by 100.
const STEP_TOLERANCE: f64 = 0.1;
/// Two positions written with one decimal are off by this much together.
const ROUNDING_MM: f64 = 0.11;
