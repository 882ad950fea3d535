//! Where a voxel is, in millimetres, and how much of the patient it stands for.
//!
//! Geometry is a value of its own, made once from the slices and never recomputed: the mask that
//! leaves carries the same [`VolumeGeometry`] the series arrived with. Every slice keeps its own
//! position, because real series have holes, tilted gantries and uneven steps, and a grid that
//! pretends otherwise puts the tumour elsewhere.

use serde::{Deserialize, Serialize};

use crate::dicom::{
    Plane,
    vector::{Vector, add, cross, dot, scale, sub},
};

/// Parallel planes of one size in the order of their place along the normal.
///
/// Only [`super::arrange()`] makes one: at least two slices, all of one orientation, size and pixel
/// spacing, no two in one place.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VolumeGeometry {
    rows: usize,
    columns: usize,
    row_cosines: Vector,
    column_cosines: Vector,
    /// Between rows, between columns.
    pixel_spacing: [f64; 2],
    /// Centre of the first voxel of each slice.
    positions: Vec<Vector>,
    /// What each slice stands for, perpendicular to its plane, millimetres.
    thickness_mm: Vec<f64>,
    /// The usual distance between neighbouring planes, millimetres.
    spacing_mm: f64,
}

impl VolumeGeometry {
    /// Takes planes already known to be parallel, sorted and apart, and the distance from each
    /// to the next that counts for volume (a gap counts as one ordinary step).
    pub(super) fn new(
        (rows, columns): (usize, usize),
        planes: &[Plane],
        counted_steps_mm: &[f64],
        spacing_mm: f64,
    ) -> Option<Self> {
        let first = planes.first()?;
        // A slice reaches half-way to each neighbour; the outermost reach as far out as in.
        let before = counted_steps_mm.first().into_iter().chain(counted_steps_mm);
        let after = counted_steps_mm.iter().chain(counted_steps_mm.last());
        let thickness_mm: Vec<f64> = before.zip(after).map(|(a, b)| (a + b) / 2.0).collect();
        (thickness_mm.len() == planes.len()).then(|| Self {
            rows,
            columns,
            row_cosines: first.row_cosines,
            column_cosines: first.column_cosines,
            pixel_spacing: first.pixel_spacing,
            positions: planes.iter().map(|plane| plane.position).collect(),
            thickness_mm,
            spacing_mm,
        })
    }

    #[must_use]
    pub fn n_slices(&self) -> usize {
        self.positions.len()
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The usual distance between slices (perpendicular to them), between rows, between columns.
    #[must_use]
    pub fn spacing_mm(&self) -> [f64; 3] {
        let [rows, columns] = self.pixel_spacing;
        [self.spacing_mm, rows, columns]
    }

    /// What a voxel of this slice stands for, in millilitres.
    ///
    /// Taken from the true perpendicular distances between the planes, so neither a tilt nor an
    /// uneven step is counted wrongly; beside a gap a slice counts as usual, so a gap never adds
    /// volume that nobody imaged.
    #[must_use]
    pub fn voxel_ml(&self, slice: usize) -> f64 {
        let [rows, columns] = self.pixel_spacing;
        self.thickness_mm[slice] * rows * columns / 1000.0
    }

    /// What this slice stands for, perpendicular to its plane, millimetres.
    #[must_use]
    pub fn thickness_mm(&self, slice: usize) -> f64 {
        self.thickness_mm[slice]
    }

    /// ImagePositionPatient of a slice.
    #[must_use]
    pub fn slice_position(&self, slice: usize) -> [f64; 3] {
        self.positions[slice]
    }

    #[must_use]
    pub fn plane(&self, slice: usize) -> Plane {
        Plane {
            position: self.positions[slice],
            row_cosines: self.row_cosines,
            column_cosines: self.column_cosines,
            pixel_spacing: self.pixel_spacing,
        }
    }

    /// The direction in which slices are ordered: row cosines x column cosines.
    #[must_use]
    pub fn normal(&self) -> [f64; 3] {
        cross(self.row_cosines, self.column_cosines)
    }

    /// The place of a voxel index, whole or between voxels, in patient coordinates.
    ///
    /// Between two slices the place is interpolated, beyond the outermost it is theirs.
    #[must_use]
    pub fn position_lps(&self, [slice, row, column]: [f64; 3]) -> [f64; 3] {
        let last = self.positions.len() - 1;
        let slice = slice.clamp(0.0, last as f64);
        let below = slice.floor() as usize;
        let above = (below + 1).min(last);
        let step = sub(self.positions[above], self.positions[below]);
        let origin = add(self.positions[below], scale(step, slice.fract()));
        let [between_rows, between_columns] = self.pixel_spacing;
        add(
            origin,
            add(
                scale(self.column_cosines, row * between_rows),
                scale(self.row_cosines, column * between_columns),
            ),
        )
    }

    /// How far a slice lies along the normal, from the patient's origin.
    #[must_use]
    pub fn along_normal_mm(&self, slice: usize) -> f64 {
        dot(self.positions[slice], self.normal())
    }
}
