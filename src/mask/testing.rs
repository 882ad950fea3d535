//! Stacks and label maps for tests.

use std::ops::Range;

use ndarray::Array2;

use super::Labels;
use crate::volume::Stack;

/// An axial stack without findings; spacing is between slices, rows, columns.
pub(crate) fn stack(
    [slices, rows, columns]: [usize; 3],
    [step_mm, between_rows, between_columns]: [f64; 3],
) -> Stack {
    let position = |slice: usize| [-100.0, -120.0, 40.0 + slice as f64 * step_mm];
    serde_json::from_value(serde_json::json!({
        "geometry": {
            "rows": rows,
            "columns": columns,
            "row_cosines": [1.0, 0.0, 0.0],
            "column_cosines": [0.0, 1.0, 0.0],
            "pixel_spacing": [between_rows, between_columns],
            "positions": (0..slices).map(position).collect::<Vec<_>>(),
            "thickness_mm": vec![step_mm; slices],
            "spacing_mm": step_mm,
        },
        "order": [],
        "findings": [],
    }))
    .unwrap()
}

/// Labels painted by a function of place, mm from the first voxel: (slice, row, column).
pub(crate) fn paint(stack: &Stack, label: impl Fn([f64; 3]) -> u8) -> Labels {
    let geometry = &stack.geometry;
    let [step, between_rows, between_columns] = geometry.spacing_mm();
    let slice = |s: usize| {
        Array2::from_shape_fn((geometry.rows(), geometry.columns()), |(r, c)| {
            label([
                s as f64 * step,
                r as f64 * between_rows,
                c as f64 * between_columns,
            ])
        })
    };
    (0..geometry.n_slices()).map(slice).collect()
}

/// The rows and columns of every slice.
pub(crate) fn whole(stack: &Stack) -> [Range<usize>; 2] {
    [0..stack.geometry.rows(), 0..stack.geometry.columns()]
}

/// Gives a rectangle of one slice, rows and columns, a label.
pub(crate) fn fill(labels: &mut Labels, slice: usize, rectangle: [Range<usize>; 2], label: u8) {
    let [rows, columns] = rectangle;
    let mut whole = labels.slices[slice].whole();
    whole.slice_mut(ndarray::s![rows, columns]).fill(label);
    labels.slices[slice] = whole.into();
}

/// Whether a place lies in a ball.
pub(crate) fn ball(centre: [f64; 3], radius_mm: f64) -> impl Fn([f64; 3]) -> bool {
    move |at| {
        let squares = at.iter().zip(centre).map(|(a, c)| (a - c).powi(2));
        squares.sum::<f64>() < radius_mm.powi(2)
    }
}
