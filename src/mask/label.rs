use std::{borrow::Cow, ops::Range};

use ndarray::Array2;

use super::Probabilities;
use crate::{engine::Placement, model::CLASSES};

/// The label of every source pixel of one slice: bilinear between the network's pixels, in the log
/// domain so that it is the logits that are interpolated; background outside the field of view.
///
/// Where the four network pixels around a source pixel have one label, every mixture of them has
/// it too, so only the cells on a boundary are computed.
#[must_use]
pub fn label_slice(probabilities: &Probabilities, placement: &Placement) -> Array2<u8> {
    let side = probabilities.side;
    let grid = Grid::of(probabilities, placement);
    let winners: Vec<u8> = grid.pixels.iter().map(|of| winner(*of)).collect();
    let [rows, columns] = placement
        .centres(side)
        .map(|centres| strips(&centres, side));

    let mut labels = Array2::zeros((placement.rows, placement.columns));
    for row in &rows {
        for column in &columns {
            let corners = grid.corners(row.cell, column.cell);
            let [first, others @ ..] = corners.map(|pixel| winners[pixel]);
            if others == [first; 3] {
                if first > 0 {
                    let block = ndarray::s![row.pixels.clone(), column.pixels.clone()];
                    labels.slice_mut(block).fill(first);
                }
                continue;
            }
            let logits = grid.logits(corners);
            for (down, r) in row.shares.iter().zip(row.pixels.clone()) {
                for (right, c) in column.shares.iter().zip(column.pixels.clone()) {
                    labels[[r, c]] = winner(logits.map(|of| bilinear(of, *down, *right)));
                }
            }
        }
    }
    labels
}

/// The network's pixels in the source's orientation.
pub(super) struct Grid<'a> {
    side: usize,
    pixels: Cow<'a, [[f32; CLASSES]]>,
}

impl<'a> Grid<'a> {
    pub(super) fn of(probabilities: &'a Probabilities, placement: &Placement) -> Self {
        let side = probabilities.side;
        Self {
            side,
            pixels: placement.to_source(&probabilities.pixels, side),
        }
    }

    /// The four pixels of a cell, row by row; beyond the edge the outermost repeats.
    pub(super) fn corners(&self, row: usize, column: usize) -> [usize; 4] {
        let last = self.side - 1;
        let (below, right) = ((row + 1).min(last), (column + 1).min(last));
        [(row, column), (row, right), (below, column), (below, right)]
            .map(|(r, c)| r * self.side + c)
    }

    /// Per class, the logits at the corners, up to a constant that all classes share.
    pub(super) fn logits(&self, corners: [usize; 4]) -> [[f32; 4]; CLASSES] {
        std::array::from_fn(|class| corners.map(|pixel| self.pixels[pixel][class].ln()))
    }
}

/// The first of the largest.
fn winner(values: [f32; CLASSES]) -> u8 {
    let [background, organ, lesion] = values;
    if lesion > organ && lesion > background {
        2
    } else {
        u8::from(organ > background)
    }
}

pub(super) fn bilinear([a, b, c, d]: [f32; 4], down: f32, right: f32) -> f32 {
    let above = a + (b - a) * right;
    let below = c + (d - c) * right;
    above + (below - above) * down
}

/// The source pixels of one axis whose centres lie between two network pixels.
pub(super) struct Strip {
    /// The lower network pixel.
    pub(super) cell: usize,
    pub(super) pixels: Range<usize>,
    /// How far each lies towards the upper one, 0 to 1.
    pub(super) shares: Vec<f32>,
}

/// `centres` rise; those outside the field of view are in no strip.
pub(super) fn strips(centres: &[f64], side: usize) -> Vec<Strip> {
    let last = side as f64 - 1.0;
    let mut strips: Vec<Strip> = Vec::with_capacity(side);
    for (pixel, &centre) in centres.iter().enumerate() {
        if !(-0.5..=last + 0.5).contains(&centre) {
            continue;
        }
        let centre = centre.clamp(0.0, last);
        let (cell, share) = (centre.floor() as usize, centre.fract() as f32);
        match strips.last_mut().filter(|strip| strip.cell == cell) {
            Some(strip) => {
                strip.pixels.end = pixel + 1;
                strip.shares.push(share);
            }
            None => strips.push(Strip {
                cell,
                pixels: pixel..pixel + 1,
                shares: vec![share],
            }),
        }
    }
    strips
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::{
        dicom::Plane,
        engine::{Image, Logits, preprocess},
        mask::LogOdds,
        model::{InputContract, Manifest},
        volume::HuSlice,
    };

    fn contract() -> InputContract {
        Manifest::parse(include_str!("../model/example.toml"))
            .unwrap()
            .input
    }

    /// What a slice says without neighbours.
    fn alone(logits: &Logits) -> Probabilities {
        Probabilities::of(&LogOdds::of(logits, &[1.0; 3]))
    }

    /// Logits at half resolution that say "organ" where the image's first channel is bright.
    fn bright(image: &Image) -> Logits {
        let at = |row: usize, column: usize| image.values[row * image.size + column];
        let side = image.size / 2;
        Logits(Array3::from_shape_fn((3, side, side), |(class, r, c)| {
            let sum: f32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
                .map(|(down, right)| at(2 * r + down, 2 * c + right))
                .iter()
                .sum();
            match class {
                0 => 2.0 - sum,
                1 => sum - 2.0,
                _ => -9.0,
            }
        }))
    }

    #[test]
    fn labels_lie_on_what_the_network_saw_within_a_pixel_under_every_axial_flip() {
        let axes = [
            [1.0, 0.0, 0.0],
            [-1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, -1.0, 0.0],
        ];
        let mut flips = 0;
        for row_cosines in axes {
            for column_cosines in axes {
                if row_cosines
                    .iter()
                    .zip(column_cosines)
                    .any(|(a, b)| a * b != 0.0)
                {
                    continue;
                }
                flips += 1;
                for (rows, columns, pixel_spacing) in [
                    (512, 512, [0.7, 0.7]),
                    (511, 389, [0.8, 1.05]),
                    (256, 256, [1.6, 1.6]),
                ] {
                    let plane = Plane {
                        position: [0.0; 3],
                        row_cosines,
                        column_cosines,
                        pixel_spacing,
                    };
                    // An ellipse off the centre, in source pixels.
                    let inside = |r: f64, c: f64| {
                        let (r, c) = (r / rows as f64, c / columns as f64);
                        ((r - 0.4) / 0.2).hypot((c - 0.65) / 0.15) - 1.0
                    };
                    let signed = |i: usize| inside((i / columns) as f64, (i % columns) as f64);
                    let slice = HuSlice {
                        rows,
                        columns,
                        hu: (0..rows * columns)
                            .map(|i| if signed(i) < 0.0 { 255 } else { 0 })
                            .collect(),
                    };
                    let (image, placement) = preprocess(&slice, &plane, &contract());
                    let labels = label_slice(&alone(&bright(&image)), &placement);
                    // One network pixel of the logits, in source pixels, along the coarser axis.
                    let network = placement.field_mm / 128.0;
                    let slack = 0.75 * network / (0.15 * columns as f64 * pixel_spacing[1]);
                    let mut organ = 0;
                    for (i, label) in labels.iter().enumerate() {
                        organ += usize::from(*label);
                        if signed(i).abs() > slack {
                            assert_eq!(*label == 1, signed(i) < 0.0, "{plane:?} pixel {i}");
                        }
                    }
                    let painted = slice.hu.iter().filter(|hu| **hu > 0).count();
                    let ratio = organ as f64 / painted as f64;
                    assert!((ratio - 1.0).abs() < 0.01, "{plane:?}: {ratio}");
                }
            }
        }
        assert_eq!(flips, 8);
    }

    #[test]
    fn skipping_cells_of_one_label_changes_nothing() {
        // A pattern with all labels, small areas and thin bridges.
        let side = 64;
        let logits = Logits(Array3::from_shape_fn((3, side, side), |(class, r, c)| {
            let (r, c) = (r as f32 / 5.0, c as f32 / 7.0);
            (r * (1.0 + class as f32)).sin() + (c * (2.0 - class as f32 * 0.5)).cos()
        }));
        let plane = Plane {
            position: [0.0; 3],
            row_cosines: [1.0, 0.0, 0.0],
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [1.3, 1.1],
        };
        let slice = HuSlice {
            rows: 300,
            columns: 280,
            hu: vec![0; 300 * 280],
        };
        let (_, placement) = preprocess(&slice, &plane, &contract());
        let probabilities = alone(&logits);
        let labels = label_slice(&probabilities, &placement);

        let grid = Grid {
            side,
            pixels: Cow::Borrowed(&probabilities.pixels),
        };
        let [rows, columns] = placement.centres(side);
        for ((r, c), label) in labels.indexed_iter() {
            let (y, x) = (rows[r].clamp(0.0, 63.0), columns[c].clamp(0.0, 63.0));
            let logits = grid.logits(grid.corners(y.floor() as usize, x.floor() as usize));
            let expected =
                winner(logits.map(|of| bilinear(of, y.fract() as f32, x.fract() as f32)));
            assert_eq!(*label, expected, "({r}, {c})");
        }
    }

    #[test]
    fn outside_the_field_of_view_is_background() {
        let plane = Plane {
            position: [0.0; 3],
            row_cosines: [1.0, 0.0, 0.0],
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [2.0, 2.0],
        };
        let slice = HuSlice {
            rows: 300,
            columns: 300,
            hu: vec![0; 300 * 300],
        };
        // 600 mm of image, 500 mm of field.
        let (_, placement) = preprocess(&slice, &plane, &contract());
        let organ = Logits(Array3::from_shape_fn((3, 128, 128), |(class, ..)| {
            if class == 1 { 5.0 } else { 0.0 }
        }));
        let labels = label_slice(&alone(&organ), &placement);
        let total: usize = labels.iter().map(|label| usize::from(*label)).sum();
        assert_eq!(total, 250 * 250);
        assert_eq!((labels[[24, 150]], labels[[25, 150]]), (0, 1));
        assert_eq!(placement.seen(), [25..275, 25..275]);
    }
}
