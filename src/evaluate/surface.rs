//! How far two surfaces are apart, in millimetres.
//!
//! Ten published tools give ten answers for the same two masks. Ours: pad by one voxel; the surface
//! is the mask without its erosion (6 neighbours, 4 in a single slice); every surface voxel of one
//! mask is measured to the nearest of the other. [`Directed`] holds both directions; everything
//! else is a statistic of them.

use ndarray::{Array3, ArrayView3, s};

use super::{distance, percentile};

/// Distances in mm from each surface voxel of one mask to the other's surface, ascending.
#[derive(Clone, Debug)]
pub struct Directed {
    pub from_prediction: Vec<f64>,
    pub from_truth: Vec<f64>,
}

impl Directed {
    /// `None` unless both masks have a voxel.
    pub fn between(masks: &Cropped, spacing_mm: [f64; 3]) -> Option<Self> {
        let prediction = surface(&masks.prediction, masks.flat);
        let truth = surface(&masks.truth, masks.flat);
        let measured = |from: &Array3<bool>, to: &Array3<bool>| {
            let nearest = distance::to_nearest(to, spacing_mm);
            let mut distances: Vec<f64> = from
                .iter()
                .zip(&nearest)
                .filter_map(|(on_surface, mm)| on_surface.then_some(*mm))
                .collect();
            distances.sort_by(f64::total_cmp);
            distances
        };
        let both = Self {
            from_prediction: measured(&prediction, &truth),
            from_truth: measured(&truth, &prediction),
        };
        (!both.from_prediction.is_empty() && !both.from_truth.is_empty()).then_some(both)
    }

    /// The larger of the two directed percentiles; 100 is the Hausdorff distance.
    #[must_use]
    pub fn hausdorff(&self, percent: f64) -> f64 {
        percentile(&self.from_prediction, percent).max(percentile(&self.from_truth, percent))
    }

    /// The percentile of all distances of both directions together.
    #[must_use]
    pub fn hausdorff_pooled(&self, percent: f64) -> f64 {
        let mut all = [&self.from_prediction[..], &self.from_truth[..]].concat();
        all.sort_by(f64::total_cmp);
        percentile(&all, percent)
    }

    /// ASSD: the mean of all distances of both directions together.
    #[must_use]
    pub fn average_symmetric(&self) -> f64 {
        let all = self.from_prediction.len() + self.from_truth.len();
        (self.from_prediction.iter().sum::<f64>() + self.from_truth.iter().sum::<f64>())
            / all as f64
    }

    /// MASD: the mean of the two directed means.
    #[must_use]
    pub fn mean_average(&self) -> f64 {
        let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
        f64::midpoint(mean(&self.from_prediction), mean(&self.from_truth))
    }

    /// NSD: the share of surface voxels that have the other surface within `tolerance_mm`.
    #[must_use]
    pub fn within(&self, tolerance_mm: f64) -> f64 {
        let near = |distances: &[f64]| distances.partition_point(|mm| *mm <= tolerance_mm);
        let all = self.from_prediction.len() + self.from_truth.len();
        (near(&self.from_prediction) + near(&self.from_truth)) as f64 / all as f64
    }
}

/// Two masks cut to where either has a voxel, with an empty margin of one voxel all round.
#[derive(Clone, Debug)]
pub struct Cropped {
    pub prediction: Array3<bool>,
    pub truth: Array3<bool>,
    /// A single slice has a contour, not a surface.
    pub flat: bool,
}

impl Cropped {
    pub fn of(
        prediction: ArrayView3<'_, u8>,
        truth: ArrayView3<'_, u8>,
        is: impl Fn(u8) -> bool,
    ) -> Self {
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        for ((place, p), t) in prediction.indexed_iter().zip(&truth) {
            if is(*p) || is(*t) {
                for (axis, index) in [place.0, place.1, place.2].into_iter().enumerate() {
                    low[axis] = low[axis].min(index);
                    high[axis] = high[axis].max(index + 1);
                }
            }
        }
        let size = [0, 1, 2].map(|axis| high[axis].saturating_sub(low[axis]));
        let low = low.map(|index| if index == usize::MAX { 0 } else { index });
        let cut = |labels: ArrayView3<'_, u8>| {
            let mut mask = Array3::from_elem(size.map(|n| n + 2), false);
            let inner = labels.slice(s![
                low[0]..low[0] + size[0],
                low[1]..low[1] + size[1],
                low[2]..low[2] + size[2]
            ]);
            mask.slice_mut(s![1..=size[0], 1..=size[1], 1..=size[2]])
                .zip_mut_with(&inner, |out, label| *out = is(*label));
            mask
        };
        Self {
            prediction: cut(prediction),
            truth: cut(truth),
            flat: prediction.dim().0 == 1,
        }
    }
}

/// The voxels of a mask with an empty margin that touch the outside by a face.
fn surface(mask: &Array3<bool>, flat: bool) -> Array3<bool> {
    let mut surface = Array3::from_elem(mask.dim(), false);
    for ((i, j, k), inside) in mask.indexed_iter() {
        if !inside {
            continue;
        }
        let in_plane = mask[[i, j - 1, k]]
            && mask[[i, j + 1, k]]
            && mask[[i, j, k - 1]]
            && mask[[i, j, k + 1]];
        let enclosed = in_plane && (flat || (mask[[i - 1, j, k]] && mask[[i + 1, j, k]]));
        surface[[i, j, k]] = !enclosed;
    }
    surface
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two ellipsoids on a 24 x 40 x 44 grid; the expected values below come from MedPy 0.5.2,
    /// SciPy and surface-distance 0.1 on the same masks.
    pub const SPACING: [f64; 3] = [2.5, 0.8, 0.7];

    pub fn two_ellipsoids() -> [Array3<u8>; 2] {
        let ellipsoid = |centre: [f64; 3], radii: [f64; 3]| {
            Array3::from_shape_fn((24, 40, 44), |(i, j, k)| {
                let place = [i as f64, j as f64, k as f64];
                let value: f64 = (0..3)
                    .map(|axis| ((place[axis] - centre[axis]) / radii[axis]).powi(2))
                    .sum();
                u8::from(value <= 1.0)
            })
        };
        [
            ellipsoid([11.5, 22.0, 20.0], [6.5, 12.0, 16.0]),
            ellipsoid([12.0, 20.0, 21.0], [7.0, 13.0, 15.0]),
        ]
    }

    pub fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    #[test]
    fn distances_agree_with_the_reference_tools() {
        let [prediction, truth] = two_ellipsoids();
        let masks = Cropped::of(prediction.view(), truth.view(), |label| label == 1);
        let surfaces = Directed::between(&masks, SPACING).unwrap();
        assert_eq!(surfaces.from_truth.len(), 1374);
        assert_eq!(surfaces.from_prediction.len(), 1334);
        near(surfaces.hausdorff(100.0), 3.465_544_690_232_691_4);
        near(surfaces.hausdorff(95.0), 2.624_880_949_681_337_7);
        near(surfaces.hausdorff_pooled(95.0), 2.5);
        near(surfaces.average_symmetric(), 1.047_973_830_334_784);
        near(surfaces.mean_average(), 1.046_845_113_574_413_2);
        near(surfaces.within(1.0), 0.535_450_516_986_706_1);
        near(surfaces.within(2.0), 0.793_943_870_014_771_1);
        near(surfaces.within(3.0), 0.989_660_265_878_877_5);
    }

    #[test]
    fn a_mask_that_fills_the_image_has_a_surface_at_its_edge() {
        let full = Array3::from_elem((3, 4, 5), 1_u8);
        let masks = Cropped::of(full.view(), full.view(), |label| label == 1);
        let surfaces = Directed::between(&masks, [1.0; 3]).unwrap();
        assert_eq!(surfaces.from_truth.len(), 3 * 4 * 5 - 2 * 3);
        near(surfaces.hausdorff(100.0), 0.0);
    }

    #[test]
    fn a_single_slice_is_measured_along_its_contour() {
        let full = Array3::from_elem((1, 4, 5), 1_u8);
        let masks = Cropped::of(full.view(), full.view(), |label| label == 1);
        let surfaces = Directed::between(&masks, [1.0; 3]).unwrap();
        assert_eq!(surfaces.from_truth.len(), 4 * 5 - 2 * 3);
        let empty = Array3::from_elem((1, 4, 5), 0_u8);
        let masks = Cropped::of(empty.view(), full.view(), |label| label == 1);
        assert!(Directed::between(&masks, [1.0; 3]).is_none());
    }
}
