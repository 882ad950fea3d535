//! How a slice lies for the network.

use serde::{Deserialize, Serialize};

use crate::dicom::Plane;

/// The way from a source slice to the radiologist's view of it, in which columns run to the
/// patient's left and rows to the posterior.
///
/// Slices are stored as the scanner liked: rotated, mirrored, from head or feet. The network knows
/// one view. These are the eight ways a grid can lie on its plane; they exchange indices and never
/// interpolate, so that a mask goes back to the source grid exactly. Nearest axes are taken, so an
/// oblique slice stays oblique by up to 45 degrees.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct CanonicalView {
    /// Rows and columns are exchanged, before any flip.
    pub transpose: bool,
    /// The rows of the (transposed) slice are reversed.
    pub flip_rows: bool,
    /// The columns of the (transposed) slice are reversed.
    pub flip_columns: bool,
}

impl CanonicalView {
    #[must_use]
    pub fn of(plane: &Plane) -> Self {
        let [right_x, right_y, _] = plane.row_cosines;
        let [down_x, down_y, _] = plane.column_cosines;
        let transpose = right_y.abs() + down_x.abs() > right_x.abs() + down_y.abs();
        let (to_left, to_posterior) = if transpose {
            (down_x, right_y)
        } else {
            (right_x, down_y)
        };
        Self {
            transpose,
            flip_rows: to_posterior < 0.0,
            flip_columns: to_left < 0.0,
        }
    }

    /// Rows and columns of the view of a slice with this many.
    #[must_use]
    pub fn extent(self, rows: usize, columns: usize) -> (usize, usize) {
        if self.transpose {
            (columns, rows)
        } else {
            (rows, columns)
        }
    }

    /// Which source pixel lies at (row, column) of the view of a `rows` x `columns` slice.
    #[must_use]
    pub fn source(
        self,
        (row, column): (usize, usize),
        (rows, columns): (usize, usize),
    ) -> (usize, usize) {
        let (view_rows, view_columns) = self.extent(rows, columns);
        let row = if self.flip_rows {
            view_rows - 1 - row
        } else {
            row
        };
        let column = if self.flip_columns {
            view_columns - 1 - column
        } else {
            column
        };
        if self.transpose {
            (column, row)
        } else {
            (row, column)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: [[f64; 3]; 4] = [
        [1.0, 0.0, 0.0],
        [-1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, -1.0, 0.0],
    ];

    #[test]
    fn under_every_axial_flip_the_view_runs_to_the_left_and_to_the_posterior() {
        let (rows, columns) = (3, 5);
        let mut views = std::collections::HashSet::new();
        for row_cosines in AXES {
            for column_cosines in AXES {
                if row_cosines[0].abs() > 0.5 && column_cosines[0].abs() > 0.5
                    || row_cosines[1].abs() > 0.5 && column_cosines[1].abs() > 0.5
                {
                    continue;
                }
                let plane = Plane {
                    position: [0.0; 3],
                    row_cosines,
                    column_cosines,
                    pixel_spacing: [1.0, 1.0],
                };
                let view = CanonicalView::of(&plane);
                views.insert(view);
                let patient = |at| {
                    let (row, column) = view.source(at, (rows, columns));
                    [0, 1].map(|axis| {
                        row as f64 * column_cosines[axis] + column as f64 * row_cosines[axis]
                    })
                };
                let (x, y) = (0, 1);
                assert!(patient((0, 1))[x] > patient((0, 0))[x], "{plane:?}");
                assert!(patient((1, 0))[y] > patient((0, 0))[y], "{plane:?}");
            }
        }
        assert_eq!(views.len(), 8);
    }

    #[test]
    fn an_oblique_slice_takes_its_nearest_axes() {
        let (sin, cos) = 20_f64.to_radians().sin_cos();
        let plane = Plane {
            position: [0.0; 3],
            row_cosines: [cos, sin, 0.0],
            column_cosines: [-sin, cos, 0.0],
            pixel_spacing: [1.0, 1.0],
        };
        assert_eq!(CanonicalView::of(&plane), CanonicalView::default());
    }
}
