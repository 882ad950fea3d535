use super::{HuHistogram, LogOdds, probabilities::probabilities};
use crate::{engine::Placement, model::CLASSES, volume::HuSlice};

/// What the network called organ in one slice: how bright it is, and how sure the network was.
///
/// Taken while the slice is still in memory, because nothing else of its pixels is kept. Only
/// network pixels are looked at: a hundred in a slice say as much as all of its voxels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrganSample {
    hu: HuHistogram,
    entropy_sum: f64,
    pixels: u64,
}

/// A pixel is looked at for its brightness where the network is this sure of healthy organ: edges
/// share their voxels with fat, lesions have a brightness of their own.
const SURE: f32 = 0.9;

impl OrganSample {
    #[must_use]
    pub fn of(log_odds: &LogOdds, slice: &HuSlice, placement: &Placement) -> Self {
        let side = log_odds.side;
        let turned = placement.to_source(&log_odds.pixels, side);
        let [rows, columns] = placement
            .centres(side)
            .map(|centres| nearest(&centres, side));
        let mut sample = Self::default();
        for (at, log_odds) in turned.iter().enumerate() {
            let of @ [background, organ, _] = probabilities(*log_odds);
            if background >= 0.5 {
                continue;
            }
            sample.entropy_sum += entropy(of);
            sample.pixels += 1;
            if organ >= SURE
                && let (Some(row), Some(column)) = (rows[at / side], columns[at % side])
            {
                sample.hu.count(slice.hu[row * slice.columns + column]);
            }
        }
        sample
    }

    /// One pixel of a brightness and an entropy.
    #[cfg(test)]
    pub(super) fn with(hu: i16, nats: f64) -> Self {
        let mut sample = Self {
            entropy_sum: nats,
            pixels: 1,
            ..Self::default()
        };
        sample.hu.count(hu);
        sample
    }

    pub fn add(&mut self, other: &Self) {
        self.hu.add(&other.hu);
        self.entropy_sum += other.entropy_sum;
        self.pixels += other.pixels;
    }

    /// The middle brightness of what is surely healthy organ, HU; `None` where there is none.
    pub(super) fn median_hu(&self) -> Option<f64> {
        self.hu.median()
    }

    /// The mean entropy of the calibrated probabilities over organ and lesions, nats: 0 is sure,
    /// ln 3 knows nothing. `None` without any.
    pub(super) fn mean_entropy(&self) -> Option<f64> {
        (self.pixels > 0).then(|| self.entropy_sum / self.pixels as f64)
    }
}

/// Of probabilities that add up to one, nats.
pub(super) fn entropy(of: [f32; CLASSES]) -> f64 {
    of.into_iter()
        .filter(|p| *p > 0.0)
        .map(|p| -f64::from(p) * f64::from(p).ln())
        .sum()
}

/// For each network pixel of an axis the source pixel that it lies on. `centres` are where the
/// source's pixels lie on the network's grid; they rise.
fn nearest(centres: &[f64], side: usize) -> Vec<Option<usize>> {
    let half = centres
        .get(1)
        .map_or(0.5, |second| (second - centres[0]) / 2.0);
    let of = |pixel: usize| {
        let above = centres.partition_point(|centre| *centre + half < pixel as f64);
        let hit = centres.get(above)?;
        (hit - half <= pixel as f64).then_some(above)
    };
    (0..side).map(of).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::{
        dicom::Plane,
        engine::{Logits, preprocess},
        model::Manifest,
    };

    /// A slice whose right half is called organ, seen through a real placement.
    fn sample(organ_hu: i16, logit: f32) -> OrganSample {
        let (rows, columns) = (200, 200);
        let hu = (0..rows * columns).map(|at| if at % columns < 100 { organ_hu } else { -100 });
        let slice = HuSlice {
            rows,
            columns,
            hu: hu.collect(),
        };
        let plane = Plane {
            position: [0.0; 3],
            row_cosines: [1.0, 0.0, 0.0],
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [2.0, 2.0],
        };
        let manifest = Manifest::parse(include_str!("../model/example.toml")).unwrap();
        let (image, placement) = preprocess(&slice, &plane, &manifest.input);
        let side = image.size / 2;
        let logits = Array3::from_shape_fn((CLASSES, side, side), |(class, row, column)| {
            let bright = image.values[2 * row * image.size + 2 * column] > 0.2;
            match class {
                1 if bright => logit,
                0 if !bright => logit,
                _ => 0.0,
            }
        });
        OrganSample::of(
            &LogOdds::of(&Logits(logits), &[1.0; CLASSES]),
            &slice,
            &placement,
        )
    }

    #[test]
    fn the_brightness_is_that_of_the_organ_alone() {
        let median = sample(104, 20.0).median_hu().unwrap();
        assert!((median - 104.0).abs() <= 8.0, "{median}");
        assert_eq!(OrganSample::default().median_hu(), None);
    }

    #[test]
    fn doubt_shows_as_entropy() {
        let sure = sample(104, 20.0).mean_entropy().unwrap();
        let unsure = sample(104, 1.0).mean_entropy().unwrap();
        assert!(sure < 1e-2, "{sure}");
        assert!((0.8..1.1).contains(&unsure), "{unsure}");
        assert_eq!(OrganSample::default().mean_entropy(), None);
    }

    #[test]
    fn a_doubtful_organ_has_no_brightness() {
        assert_eq!(sample(104, 1.0).median_hu(), None);
    }

    #[test]
    fn every_network_pixel_over_the_source_has_its_source_pixel() {
        // Three source pixels, two network pixels wide each, beginning one network pixel in.
        let centres = [1.5, 3.5, 5.5];
        let found = nearest(&centres, 8);
        let expected = [
            None,
            Some(0),
            Some(0),
            Some(1),
            Some(1),
            Some(2),
            Some(2),
            None,
        ];
        assert_eq!(found, expected);
        // Nine source pixels in three network pixels: the middle one of each three.
        let fine: Vec<f64> = (0..9).map(|k| (f64::from(k) - 1.0) / 3.0).collect();
        assert_eq!(nearest(&fine, 3), [Some(1), Some(4), Some(7)]);
    }
}
