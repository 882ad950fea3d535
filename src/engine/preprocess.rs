//! One slice, as the network wants to see it, and the way back.
//!
//! A half-pixel slip or a mirrored axis here moves every tumour, and nothing will crash to say so.
//! Conventions: pixel k of an axis covers `[k, k + 1]` times its spacing and its centre is at
//! `k + 0.5`; the square field of view is centred on the image. Resampling is done along the
//! source's own axes and only the small square result is turned into the network's orientation, so
//! turning is exact.

use std::{borrow::Cow, ops::Range};

use super::Image;
use crate::{
    dicom::Plane,
    model::InputContract,
    volume::{CanonicalView, HuSlice},
};

/// Where the network's pixels lie on the source grid: how logits find their way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    pub rows: usize,
    pub columns: usize,
    /// Between rows, between columns, mm.
    pub spacing_mm: [f64; 2],
    /// Side of the square field of view, mm.
    pub field_mm: f64,
    pub view: CanonicalView,
}

impl Placement {
    fn of(rows: usize, columns: usize, plane: &Plane, input: &InputContract) -> Self {
        let spacing_mm = plane.pixel_spacing;
        let own = (rows as f64 * spacing_mm[0]).max(columns as f64 * spacing_mm[1]);
        let [shortest, longest] = input.field_mm;
        Self {
            rows,
            columns,
            spacing_mm,
            field_mm: own.clamp(shortest, longest),
            view: CanonicalView::of(plane),
        }
    }

    /// For each source row and column, where its centre lies on a square grid of `side` pixels
    /// over the field of view, in the source's orientation. Pixel centres are whole numbers.
    #[must_use]
    pub fn centres(&self, side: usize) -> [Vec<f64>; 2] {
        let axis = |pixels: usize, spacing: f64| {
            let pixel_mm = self.field_mm / side as f64;
            let edge_mm = (self.field_mm - pixels as f64 * spacing) / 2.0;
            (0..pixels)
                .map(|k| ((k as f64 + 0.5) * spacing + edge_mm) / pixel_mm - 0.5)
                .collect()
        };
        let [between_rows, between_columns] = self.spacing_mm;
        [
            axis(self.rows, between_rows),
            axis(self.columns, between_columns),
        ]
    }

    /// Rows and columns whose centres lie in the field of view; of the others the network says nothing.
    #[must_use]
    pub fn seen(&self) -> [Range<usize>; 2] {
        self.centres(1).map(|centres| {
            let first = centres.partition_point(|centre| *centre < -0.5);
            first..centres.partition_point(|centre| *centre <= 0.5)
        })
    }

    /// A square of `side` x `side` values, turned from the network's orientation to the source's.
    #[must_use]
    pub fn to_source<'a, T: Copy>(&self, square: &'a [T], side: usize) -> Cow<'a, [T]> {
        if self.view == CanonicalView::default() {
            return Cow::Borrowed(square);
        }
        let mut turned = square.to_vec();
        for (value, (row, column)) in square.iter().zip(self.sources(side)) {
            turned[row * side + column] = *value;
        }
        Cow::Owned(turned)
    }

    /// The inverse of [`Self::to_source`].
    fn to_network<'a, T: Copy>(&self, square: &'a [T], side: usize) -> Cow<'a, [T]> {
        if self.view == CanonicalView::default() {
            return Cow::Borrowed(square);
        }
        let at = |(row, column)| square[row * side + column];
        Cow::Owned(self.sources(side).map(at).collect())
    }

    /// For each pixel of a square in the network's orientation, row by row, where it is in the
    /// source's.
    fn sources(&self, side: usize) -> impl Iterator<Item = (usize, usize)> {
        let view = self.view;
        (0..side * side).map(move |i| view.source((i / side, i % side), (side, side)))
    }
}

/// Lays one slice as the bundle's input contract says.
///
/// # Panics
/// If the slice's values do not fill its rows and columns.
#[must_use]
pub fn preprocess(slice: &HuSlice, plane: &Plane, input: &InputContract) -> (Image, Placement) {
    let placement = Placement::of(slice.rows, slice.columns, plane, input);
    let size = input.size;
    // Clipping comes before averaging: training slices were clipped at full resolution.
    let lowest = input.windows.iter().map(|w| w[0]).fold(f32::MAX, f32::min);
    let highest = input.windows.iter().map(|w| w[1]).fold(f32::MIN, f32::max);
    let resampled = resample(slice, &placement, size, [lowest, highest]);
    let square = placement.to_network(&resampled, size);

    let mut values = Vec::with_capacity(input.windows.len() * square.len());
    for [low, high] in input.windows {
        let scale = 1.0 / (high - low);
        values.extend(
            square
                .iter()
                .map(|v| ((v + lowest - low) * scale).clamp(0.0, 1.0)),
        );
    }
    (Image { size, values }, placement)
}

/// HU above the lowest value of `clip`, averaged over each pixel of the field of view, in the
/// source's orientation. Outside the image is air.
fn resample(slice: &HuSlice, placement: &Placement, size: usize, clip: [f32; 2]) -> Vec<f32> {
    assert_eq!(slice.hu.len(), slice.rows * slice.columns);
    let [between_rows, between_columns] = placement.spacing_mm;
    let vertical = Taps::of(slice.rows, between_rows, placement.field_mm, size);
    let horizontal = Taps::of(slice.columns, between_columns, placement.field_mm, size);
    // Windows are checked to lie within i16.
    let [low, high] = clip.map(|hu| hu as i16);

    let mut result = Vec::with_capacity(size * size);
    let mut line = vec![0.0_f32; slice.columns];
    for (first_row, weights) in vertical.iter() {
        line.fill(0.0);
        let rows = slice.hu[first_row * slice.columns..].chunks_exact(slice.columns);
        for (row, &weight) in rows.zip(weights) {
            for (sum, &hu) in line.iter_mut().zip(row) {
                *sum += weight * f32::from(hu.clamp(low, high) - low);
            }
        }
        result.extend(horizontal.iter().map(|(first, weights)| {
            let values = &line[first..first + weights.len()];
            values.iter().zip(weights).map(|(v, w)| v * w).sum::<f32>()
        }));
    }
    result
}

/// For each output pixel of one axis, the source pixels it averages and their weights.
struct Taps {
    /// First source pixel, and where its weights end in `weights`.
    starts: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl Taps {
    /// Down: the share of the output pixel that each source pixel covers. Up: linear between the
    /// two nearest centres. Both are the same where the pixels are equally large.
    fn of(pixels: usize, spacing_mm: f64, field_mm: f64, size: usize) -> Self {
        let width = field_mm / size as f64 / spacing_mm;
        let edge = (pixels as f64 - field_mm / spacing_mm) / 2.0;
        let mut taps = Self {
            starts: Vec::with_capacity(size),
            weights: Vec::new(),
        };
        for i in 0..size {
            let centre = edge + (i as f64 + 0.5) * width;
            let reach = width.max(1.0) / 2.0;
            let (from, to) = (centre - reach, centre + reach);
            let first = from.floor().clamp(0.0, pixels as f64) as usize;
            let end = to.ceil().clamp(first as f64, pixels as f64) as usize;
            taps.weights.extend((first..end).map(|k| {
                let (left, right) = (k as f64, k as f64 + 1.0);
                ((right.min(to) - left.max(from)).max(0.0) / (to - from)) as f32
            }));
            taps.starts.push((first, taps.weights.len()));
        }
        taps
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut begin = 0;
        self.starts.iter().map(move |&(first, end)| {
            let weights = &self.weights[begin..end];
            begin = end;
            (first, weights)
        })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;
    use crate::model::Manifest;

    fn contract() -> InputContract {
        Manifest::parse(include_str!("../model/example.toml"))
            .unwrap()
            .input
    }

    /// The eight ways an axial slice can lie: row cosines, column cosines.
    const AXIAL: [[[f64; 3]; 2]; 8] = {
        const X: [f64; 3] = [1.0, 0.0, 0.0];
        const Y: [f64; 3] = [0.0, 1.0, 0.0];
        const MINUS_X: [f64; 3] = [-1.0, 0.0, 0.0];
        const MINUS_Y: [f64; 3] = [0.0, -1.0, 0.0];
        [
            [X, Y],
            [X, MINUS_Y],
            [MINUS_X, Y],
            [MINUS_X, MINUS_Y],
            [Y, X],
            [Y, MINUS_X],
            [MINUS_Y, X],
            [MINUS_Y, MINUS_X],
        ]
    };

    fn plane([row_cosines, column_cosines]: [[f64; 3]; 2], pixel_spacing: [f64; 2]) -> Plane {
        Plane {
            position: [0.0; 3],
            row_cosines,
            column_cosines,
            pixel_spacing,
        }
    }

    /// A slice whose HU are a function of the offset from the image centre in the patient, mm.
    fn paint(
        plane: &Plane,
        (rows, columns): (usize, usize),
        hu: impl Fn(f64, f64) -> i16,
    ) -> HuSlice {
        let mut slice = HuSlice {
            rows,
            columns,
            hu: Vec::new(),
        };
        for row in 0..rows {
            for column in 0..columns {
                let down = (row as f64 + 0.5 - rows as f64 / 2.0) * plane.pixel_spacing[0];
                let right = (column as f64 + 0.5 - columns as f64 / 2.0) * plane.pixel_spacing[1];
                let along =
                    |axis| plane.column_cosines[axis] * down + plane.row_cosines[axis] * right;
                slice.hu.push(hu(along(0), along(1)));
            }
        }
        slice
    }

    /// Centre of mass of the first channel, in network pixels.
    fn centre_of_mass(image: &Image) -> [f64; 2] {
        let mut sums = [0.0; 3];
        for (i, &value) in image.values[..image.size * image.size].iter().enumerate() {
            let (row, column) = ((i / image.size) as f64, (i % image.size) as f64);
            let value = f64::from(value);
            sums = [
                sums[0] + value,
                sums[1] + value * row,
                sums[2] + value * column,
            ];
        }
        [sums[1] / sums[0], sums[2] / sums[0]]
    }

    #[test]
    fn a_known_point_lands_where_it_should_under_every_axial_flip() {
        // A disc 60 mm to the patient's left and 35 mm to the back of the centre.
        let (left, posterior) = (60.0, 35.0);
        let disc = |x: f64, y: f64| {
            if (x - left).hypot(y - posterior) < 12.0 {
                200
            } else {
                -1000
            }
        };
        for cosines in AXIAL {
            for (grid, spacing) in [((512, 512), [0.8, 0.8]), ((300, 420), [1.1, 0.9])] {
                let plane = plane(cosines, spacing);
                let (image, placement) =
                    preprocess(&paint(&plane, grid, disc), &plane, &contract());
                let pixel = placement.field_mm / 256.0;
                let expected = [posterior, left].map(|mm| 127.5 + mm / pixel);
                let found = centre_of_mass(&image);
                for axis in [0, 1] {
                    let off = (found[axis] - expected[axis]).abs();
                    assert!(
                        off < 0.05,
                        "{cosines:?} {grid:?}: {found:?} is not {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn turning_back_undoes_turning_under_every_axial_flip() {
        let square: Vec<usize> = (0..64).collect();
        let mut turned = std::collections::HashSet::new();
        for cosines in AXIAL {
            let placement = Placement::of(8, 8, &plane(cosines, [1.0; 2]), &contract());
            let network = placement.to_network(&square, 8).into_owned();
            assert_eq!(*placement.to_source(&network, 8), *square);
            turned.insert(network);
        }
        assert_eq!(turned.len(), 8);
    }

    #[test]
    fn pixels_are_averaged_by_area_after_clipping() {
        // Half the pixel clipped to 255, half to 0: clipping first gives 127.5.
        let plane = plane(AXIAL[0], [0.5, 0.5]);
        let stripes = |x: f64, _: f64| {
            if (x * 2.0).floor() % 2.0 == 0.0 {
                3000
            } else {
                -1000
            }
        };
        // 800 pixels of 0.5 mm: 400 mm, so a network pixel is 3.125 source pixels.
        let (image, placement) =
            preprocess(&paint(&plane, (800, 800), stripes), &plane, &contract());
        assert_eq!(placement.field_mm, 400.0);
        let first_channel = &image.values[..256 * 256];
        let mean = first_channel.iter().sum::<f32>() / first_channel.len() as f32;
        assert!((mean - 0.5).abs() < 1e-3, "{mean}");
        assert!(first_channel.iter().all(|v| (0.3..0.7).contains(v)));
    }

    #[test]
    fn each_channel_is_one_window() {
        let plane = plane(AXIAL[0], [1.5, 1.5]);
        let (image, _) = preprocess(&paint(&plane, (256, 256), |_, _| 75), &plane, &contract());
        let centre = 128 * 256 + 128;
        for (channel, expected) in [75.0 / 255.0, 35.0 / 140.0, 0.75].into_iter().enumerate() {
            let value = image.values[channel * 256 * 256 + centre];
            assert!((value - expected).abs() < 1e-6, "{channel}: {value}");
        }
    }

    #[test]
    fn the_field_of_view_is_clamped_and_what_lies_outside_the_image_is_air() {
        let tissue = |_: f64, _: f64| 255;
        for (spacing, field_mm, filled) in [
            (0.4, 300.0, (204.8 / 300.0_f64).powi(2)),
            (0.7, 358.4, 1.0),
            (1.2, 500.0, 1.0),
        ] {
            let plane = plane(AXIAL[0], [spacing; 2]);
            let (image, placement) =
                preprocess(&paint(&plane, (512, 512), tissue), &plane, &contract());
            assert!((placement.field_mm - field_mm).abs() < 1e-9);
            let first_channel = &image.values[..256 * 256];
            let share = f64::from(first_channel.iter().sum::<f32>()) / f64::from(256 * 256);
            assert!((share - filled).abs() < 1e-3, "{spacing}: {share}");
        }
    }

    #[test]
    fn coarse_slices_are_interpolated_without_a_shift() {
        let plane = plane(AXIAL[0], [3.0, 3.0]);
        let disc = |x: f64, y: f64| {
            if (x - 30.0).hypot(y + 45.0) < 40.0 {
                200
            } else {
                0
            }
        };
        let (image, placement) = preprocess(&paint(&plane, (128, 128), disc), &plane, &contract());
        let pixel = placement.field_mm / 256.0;
        let found = centre_of_mass(&image);
        assert!((found[0] - (127.5 - 45.0 / pixel)).abs() < 0.3, "{found:?}");
        assert!((found[1] - (127.5 + 30.0 / pixel)).abs() < 0.3, "{found:?}");
    }
}
