//! Exact Euclidean distances on an anisotropic grid.
//!
//! Felzenszwalb and Huttenlocher's lower envelope of parabolas ("Distance Transforms of Sampled
//! Functions", 2012), one axis after the other, with the axis' own spacing.

use ndarray::{Array3, Axis};

/// Distance in mm from every voxel centre to the nearest seed; infinite where there is no seed.
/// `spacing_mm` is along [slice, row, column].
pub fn to_nearest(seeds: &Array3<bool>, spacing_mm: [f64; 3]) -> Array3<f64> {
    let mut squared = seeds.mapv(|seed| if seed { 0.0 } else { f64::INFINITY });
    let mut envelope = Envelope::default();
    for (axis, spacing) in spacing_mm.into_iter().enumerate() {
        for mut lane in squared.lanes_mut(Axis(axis)) {
            envelope.line.clear();
            envelope.line.extend(lane.iter());
            if envelope.build(spacing) {
                for (value, lowest) in lane.iter_mut().zip(envelope.lowest(spacing)) {
                    *value = lowest;
                }
            }
        }
    }
    squared.mapv_inplace(f64::sqrt);
    squared
}

/// The parabolas that are lowest somewhere, left to right, and where each takes over.
#[derive(Default)]
struct Envelope {
    line: Vec<f64>,
    parabolas: Vec<usize>,
    from: Vec<f64>,
}

impl Envelope {
    /// False where the line holds nothing finite and stays as it is.
    fn build(&mut self, spacing: f64) -> bool {
        self.parabolas.clear();
        self.from.clear();
        for (index, height) in self.line.iter().enumerate() {
            if height.is_infinite() {
                continue;
            }
            let here = index as f64 * spacing;
            let mut start = f64::NEG_INFINITY;
            while let (Some(&last), Some(&since)) = (self.parabolas.last(), self.from.last()) {
                let there = last as f64 * spacing;
                let rise = (height + here * here) - (self.line[last] + there * there);
                start = rise / (2.0 * (here - there));
                if start > since {
                    break;
                }
                self.parabolas.pop();
                self.from.pop();
                start = f64::NEG_INFINITY;
            }
            self.parabolas.push(index);
            self.from.push(start);
        }
        !self.parabolas.is_empty()
    }

    fn lowest(&self, spacing: f64) -> impl Iterator<Item = f64> {
        let mut current = 0;
        (0..self.line.len()).map(move |index| {
            let here = index as f64 * spacing;
            while self
                .from
                .get(current + 1)
                .is_some_and(|start| *start < here)
            {
                current += 1;
            }
            let seed = self.parabolas[current];
            let off = here - seed as f64 * spacing;
            off * off + self.line[seed]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn distances_equal_those_of_an_exhaustive_search(
            bits in proptest::collection::vec(proptest::bool::weighted(0.04), 4 * 6 * 7),
            spacing in [0.3..5.0_f64, 0.3..5.0, 0.3..5.0],
        ) {
            let seeds = Array3::from_shape_vec((4, 6, 7), bits).unwrap();
            let found = to_nearest(&seeds, spacing);
            for ((s, r, c), distance) in found.indexed_iter() {
                let nearest = seeds
                    .indexed_iter()
                    .filter(|(_, seed)| **seed)
                    .map(|((i, j, k), _)| {
                        let off = [(s, i), (r, j), (c, k)].map(|(a, b)| a as f64 - b as f64);
                        let sum: f64 = off.iter().zip(spacing).map(|(x, mm)| (x * mm).powi(2)).sum();
                        sum.sqrt()
                    })
                    .fold(f64::INFINITY, f64::min);
                let nowhere = distance.is_infinite() && nearest.is_infinite();
                prop_assert!(nowhere || (distance - nearest).abs() < 1e-9);
            }
        }
    }
}
