use ndarray::Array2;

use super::{
    LogOdds, Probabilities,
    label::{Grid, bilinear, strips},
    sample::entropy,
};
use crate::{engine::Placement, model::CLASSES};

/// How sure the network is of every source pixel of one slice, `[row, column]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Maps {
    /// Probability of a lesion; 255 is certainty.
    pub lesion: Array2<u8>,
    /// Entropy of the class probabilities; 255 is ln 3, which knows nothing.
    pub entropy: Array2<u8>,
}

/// Interpolated as [`label_slice`](super::label_slice) does; outside the field of view it is surely
/// background. What the network said of this slice alone: no smoothing, no post-processing.
#[must_use]
pub fn map_slice(log_odds: &LogOdds, placement: &Placement) -> Maps {
    let side = log_odds.side;
    let probabilities = Probabilities::of(log_odds);
    let grid = Grid::of(&probabilities, placement);
    let [rows, columns] = placement
        .centres(side)
        .map(|centres| strips(&centres, side));
    let extent = (placement.rows, placement.columns);
    let mut maps = Maps {
        lesion: Array2::zeros(extent),
        entropy: Array2::zeros(extent),
    };
    for row in &rows {
        for column in &columns {
            let logits = grid.logits(grid.corners(row.cell, column.cell));
            for (down, r) in row.shares.iter().zip(row.pixels.clone()) {
                for (right, c) in column.shares.iter().zip(column.pixels.clone()) {
                    let of = softmax(logits.map(|class| bilinear(class, *down, *right)));
                    let [.., lesion] = of;
                    maps.lesion[[r, c]] = (lesion * 255.0).round() as u8;
                    let share = entropy(of) / (CLASSES as f64).ln();
                    maps.entropy[[r, c]] = (share * 255.0).round() as u8;
                }
            }
        }
    }
    maps
}

fn softmax(logits: [f32; CLASSES]) -> [f32; CLASSES] {
    let highest = logits.into_iter().fold(f32::MIN, f32::max);
    let exponentials = logits.map(|logit| (logit - highest).exp());
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|exponential| exponential / sum)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::{
        dicom::Plane,
        engine::{Logits, preprocess},
        model::Manifest,
        volume::HuSlice,
    };

    fn maps(logits: [f32; CLASSES]) -> Maps {
        let slice = HuSlice {
            rows: 90,
            columns: 120,
            hu: vec![50; 90 * 120],
        };
        let plane = Plane {
            position: [0.0; 3],
            row_cosines: [1.0, 0.0, 0.0],
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [3.0, 3.0],
        };
        let manifest = Manifest::parse(include_str!("../model/example.toml")).unwrap();
        let (image, placement) = preprocess(&slice, &plane, &manifest.input);
        let side = image.size / 2;
        let logits = Array3::from_shape_fn((CLASSES, side, side), |(class, ..)| logits[class]);
        let log_odds = LogOdds::of(&Logits(logits), &[1.0; CLASSES]);
        map_slice(&log_odds, &placement)
    }

    #[test]
    fn maps_have_the_source_grid_and_the_network_s_probabilities() {
        let sure = maps([0.0, 0.0, 30.0]);
        assert_eq!(sure.lesion.dim(), (90, 120));
        assert!(sure.lesion.iter().all(|p| *p == 255));
        assert!(sure.entropy.iter().all(|h| *h <= 1));
        let even = maps([1.0; CLASSES]);
        assert!(even.lesion.iter().all(|p| *p == 85));
        assert!(even.entropy.iter().all(|h| *h == 255));
    }
}
