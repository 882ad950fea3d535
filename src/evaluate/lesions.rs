//! Lesions as a reader counts them: connected components, found or missed.

use std::{collections::BTreeMap, f64::consts::PI};

use ndarray::{Array3, ArrayView3};
use serde::Serialize;

/// One component and how well it was met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lesion {
    pub voxels: u64,
    /// `None` where the voxel size is not known.
    pub volume_ml: Option<f64>,
    /// Diameter of the sphere of the same volume.
    pub diameter_mm: Option<f64>,
    /// With its partner: each lesion has at most one, pairs are made in falling order of overlap.
    pub iou: f64,
    pub dice: f64,
}

/// The lesions of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lesions {
    pub truth: Vec<Lesion>,
    pub predicted: Vec<Lesion>,
}

impl Lesions {
    pub fn of(
        prediction: ArrayView3<'_, u8>,
        truth: ArrayView3<'_, u8>,
        voxel_ml: Option<f64>,
        is: impl Fn(u8) -> bool,
    ) -> Self {
        let (truth_ids, true_sizes) = components(truth, &is);
        let (predicted_ids, predicted_sizes) = components(prediction, &is);
        let mut overlaps = BTreeMap::<(u32, u32), u64>::new();
        for (t, p) in truth_ids.iter().zip(&predicted_ids) {
            if *t > 0 && *p > 0 {
                *overlaps.entry((*t, *p)).or_default() += 1;
            }
        }
        let size = |sizes: &[u64], id: u32| sizes[id as usize - 1];
        let mut pairs: Vec<(f64, f64, u32, u32)> = overlaps
            .into_iter()
            .map(|((t, p), both)| {
                let sum = size(&true_sizes, t) + size(&predicted_sizes, p);
                let iou = both as f64 / (sum - both) as f64;
                (iou, 2.0 * both as f64 / sum as f64, t, p)
            })
            .collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.2, a.3).cmp(&(b.2, b.3))));

        let lesion = |voxels: &u64| {
            let volume_ml = voxel_ml.map(|ml| *voxels as f64 * ml);
            Lesion {
                voxels: *voxels,
                volume_ml,
                diameter_mm: volume_ml.map(|ml| 2.0 * (750.0 * ml / PI).cbrt()),
                iou: 0.0,
                dice: 0.0,
            }
        };
        let mut lesions = Self {
            truth: true_sizes.iter().map(lesion).collect(),
            predicted: predicted_sizes.iter().map(lesion).collect(),
        };
        for (iou, dice, t, p) in pairs {
            let (t, p) = (
                &mut lesions.truth[t as usize - 1],
                &mut lesions.predicted[p as usize - 1],
            );
            if t.iou == 0.0 && p.iou == 0.0 {
                (t.iou, p.iou) = (iou, iou);
                (t.dice, p.dice) = (dice, dice);
            }
        }
        lesions
    }
}

/// 26-connected components, numbered from 1 in reading order, and their sizes in voxels.
fn components(labels: ArrayView3<'_, u8>, is: impl Fn(u8) -> bool) -> (Array3<u32>, Vec<u64>) {
    let (slices, rows, columns) = labels.dim();
    let mut ids = Array3::zeros(labels.dim());
    let mut sizes = Vec::new();
    let mut frontier = Vec::new();
    let around = |index: usize, count: usize| index.saturating_sub(1)..(index + 2).min(count);
    for (seed, label) in labels.indexed_iter() {
        if !is(*label) || ids[seed] != 0 {
            continue;
        }
        let id = sizes.len() as u32 + 1;
        let mut voxels = 0;
        ids[seed] = id;
        frontier.push(seed);
        while let Some((i, j, k)) = frontier.pop() {
            voxels += 1;
            for slice in around(i, slices) {
                for row in around(j, rows) {
                    for column in around(k, columns) {
                        let place = (slice, row, column);
                        if ids[place] == 0 && is(labels[place]) {
                            ids[place] = id;
                            frontier.push(place);
                        }
                    }
                }
            }
        }
        sizes.push(voxels);
    }
    (ids, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lesions_that_touch_at_a_corner_are_one() {
        let mut labels = Array3::from_elem((3, 3, 3), 0_u8);
        labels[[0, 0, 0]] = 2;
        labels[[1, 1, 1]] = 2;
        labels[[1, 1, 2]] = 1;
        let (_, sizes) = components(labels.view(), |label| label == 2);
        assert_eq!(sizes, [2]);
    }

    #[test]
    fn each_lesion_is_found_at_most_once_by_its_best_partner() {
        // Truth: a row of four voxels and one alone. Prediction: two pieces of the row, one stray.
        let line = |voxels: &[usize]| {
            let mut labels = Array3::from_elem((1, 1, 20), 0_u8);
            for column in voxels {
                labels[[0, 0, *column]] = 2;
            }
            labels
        };
        let (truth, prediction) = (line(&[2, 3, 4, 5, 12]), line(&[2, 4, 5, 18]));
        let lesions = Lesions::of(prediction.view(), truth.view(), None, |label| label == 2);
        let ious = |lesions: &[Lesion]| lesions.iter().map(|lesion| lesion.iou).collect::<Vec<_>>();
        assert_eq!(ious(&lesions.truth), [0.5, 0.0]);
        assert_eq!(ious(&lesions.predicted), [0.0, 0.5, 0.0]);
        assert!((lesions.truth[0].dice - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_diameter_is_that_of_a_sphere_of_the_same_volume() {
        let labels = Array3::from_elem((10, 10, 10), 2_u8);
        let lesions = Lesions::of(
            labels.view(),
            labels.view(),
            Some(4.188_790_2e-3),
            |label| label == 2,
        );
        assert!((lesions.truth[0].diameter_mm.unwrap() - 20.0).abs() < 1e-4);
        assert!((lesions.truth[0].iou - 1.0).abs() < 1e-12);
    }
}
