//! From cases to a statement: mean, median, worst, and how sure the mean is.

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::Serialize;

/// What many cases say together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub cases: usize,
    pub mean: f64,
    /// 95 % interval of the mean over resampled cases.
    pub low: f64,
    pub high: f64,
    pub median: f64,
    pub worst: f64,
}

/// Where a metric is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Better {
    Higher,
    Lower,
    /// Of an error that has a sign.
    NearZero,
}

impl Better {
    /// The worst of ascending values.
    fn worst(self, ascending: &[f64]) -> f64 {
        let by_size = |a: &f64, b: &f64| a.abs().total_cmp(&b.abs());
        match self {
            Self::Higher => percentile(ascending, 0.0),
            Self::Lower => percentile(ascending, 100.0),
            Self::NearZero => ascending
                .iter()
                .copied()
                .max_by(by_size)
                .unwrap_or(f64::NAN),
        }
    }
}

impl Summary {
    /// `None` without values.
    pub fn of(values: &[f64], better: Better, resampling: Resampling) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [low, high] = resampling.interval(values.len(), |picked| {
            picked.iter().map(|case| values[*case]).sum::<f64>() / picked.len() as f64
        });
        Some(Self {
            cases: values.len(),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            low,
            high,
            median: percentile(&sorted, 50.0),
            worst: better.worst(&sorted),
        })
    }
}

/// How often and from which seed cases are drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Resampling {
    pub resamples: usize,
    pub seed: u64,
}

impl Resampling {
    /// 95 % percentile bootstrap interval of a statistic of `cases` cases.
    pub fn interval(self, cases: usize, statistic: impl Fn(&[usize]) -> f64) -> [f64; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut picked = vec![0; cases];
        let mut results: Vec<f64> = (0..self.resamples.max(1))
            .map(|_| {
                picked.fill_with(|| rng.random_range(0..cases));
                statistic(&picked)
            })
            .collect();
        results.sort_by(f64::total_cmp);
        [2.5, 97.5].map(|percent| percentile(&results, percent))
    }
}

/// Linear interpolation between the closest ranks of ascending values, as NumPy does by default.
pub fn percentile(ascending: &[f64], percent: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return f64::NAN;
    };
    let rank = percent / 100.0 * last as f64;
    let below = (rank.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let (low, high) = (ascending[below], ascending[above]);
    low + (rank - below as f64) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESAMPLING: Resampling = Resampling {
        resamples: 10_000,
        seed: 1,
    };

    #[test]
    fn percentiles_interpolate_between_ranks() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert!((percentile(&values, 50.0) - 3.0).abs() < 1e-12);
        assert!((percentile(&values, 95.0) - 7.4).abs() < 1e-12);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn the_interval_is_that_of_the_mean_and_repeats() {
        // Standard error of the mean of 100 values 0..99: 28.87 / 10.
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let summary = Summary::of(&values, Better::Higher, RESAMPLING).unwrap();
        assert!((summary.mean - 49.5).abs() < 1e-12);
        assert!(
            (summary.low - (49.5 - 1.96 * 2.887)).abs() < 0.3,
            "{summary:?}"
        );
        assert!(
            (summary.high - (49.5 + 1.96 * 2.887)).abs() < 0.3,
            "{summary:?}"
        );
        assert!((summary.worst - 0.0).abs() < 1e-12);
        assert_eq!(
            Some(summary),
            Summary::of(&values, Better::Higher, RESAMPLING)
        );
        assert_eq!(Summary::of(&[], Better::Lower, RESAMPLING), None);
    }

    #[test]
    fn the_worst_of_a_signed_error_is_the_largest_either_way() {
        let worst = |better| {
            Summary::of(&[-60.0, 5.0], better, RESAMPLING)
                .unwrap()
                .worst
        };
        assert!((worst(Better::NearZero) - -60.0).abs() < 1e-12);
        assert!((worst(Better::Lower) - 5.0).abs() < 1e-12);
    }
}
