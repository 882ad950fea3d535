//! From cases to a statement: mean, median, worst, and how sure the mean is.
//!
//! Cases of one patient say nearly the same, so it is patients that are drawn again, each with all its
//! cases: a hundred slices of two patients are as sure as two.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::Serialize;

/// What many cases say together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub cases: usize,
    pub mean: f64,
    /// 95 % interval of the mean over resampled patients.
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
    /// Of each case's patient and value; `None` without any.
    pub fn of(cases: &[(&str, f64)], better: Better, resampling: Resampling) -> Option<Self> {
        if cases.is_empty() {
            return None;
        }
        let (patients, values): (Vec<&str>, Vec<f64>) = cases.iter().copied().unzip();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let [low, high] = resampling.interval(&patients, |picked| {
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

/// How often and from which seed patients are drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Resampling {
    pub resamples: usize,
    pub seed: u64,
}

impl Resampling {
    /// 95 % percentile bootstrap interval of a statistic of cases, given the patient of each.
    pub fn interval(self, patients: &[&str], statistic: impl Fn(&[usize]) -> f64) -> [f64; 2] {
        let cases = by_patient(patients);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut picked = Vec::with_capacity(patients.len());
        let mut results: Vec<f64> = (0..self.resamples.max(1))
            .map(|_| {
                picked.clear();
                for _ in 0..cases.len() {
                    picked.extend(&cases[rng.random_range(0..cases.len())]);
                }
                statistic(&picked)
            })
            .collect();
        results.sort_by(f64::total_cmp);
        [2.5, 97.5].map(|percent| percentile(&results, percent))
    }
}

/// The cases of each patient, in the order in which patients first occur.
fn by_patient(patients: &[&str]) -> Vec<Vec<usize>> {
    let mut places = BTreeMap::new();
    let mut cases: Vec<Vec<usize>> = Vec::new();
    for (case, patient) in patients.iter().enumerate() {
        let place = *places.entry(patient).or_insert(cases.len());
        if place == cases.len() {
            cases.push(Vec::new());
        }
        cases[place].push(case);
    }
    cases
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

    /// Each value is another patient's.
    fn summary(values: &[f64], better: Better) -> Option<Summary> {
        let names: Vec<String> = (0..values.len()).map(|at| at.to_string()).collect();
        let names = names.iter().map(String::as_str);
        let cases: Vec<_> = names.zip(values.iter().copied()).collect();
        Summary::of(&cases, better, RESAMPLING)
    }

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
        let found = summary(&values, Better::Higher).unwrap();
        assert!((found.mean - 49.5).abs() < 1e-12);
        assert!((found.low - (49.5 - 1.96 * 2.887)).abs() < 0.3, "{found:?}");
        assert!(
            (found.high - (49.5 + 1.96 * 2.887)).abs() < 0.3,
            "{found:?}"
        );
        assert!((found.worst - 0.0).abs() < 1e-12);
        assert_eq!(Some(found), summary(&values, Better::Higher));
        assert_eq!(summary(&[], Better::Lower), None);
    }

    #[test]
    fn the_worst_of_a_signed_error_is_the_largest_either_way() {
        let worst = |better| summary(&[-60.0, 5.0], better).unwrap().worst;
        assert!((worst(Better::NearZero) - -60.0).abs() < 1e-12);
        assert!((worst(Better::Lower) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn many_cases_of_two_patients_are_as_sure_as_two() {
        let cases: Vec<_> = [("a", 0.2), ("b", 0.8)]
            .into_iter()
            .flat_map(|case| std::iter::repeat_n(case, 50))
            .collect();
        let many = Summary::of(&cases, Better::Higher, RESAMPLING).unwrap();
        let two = summary(&[0.2, 0.8], Better::Higher).unwrap();
        assert!((many.low - two.low).abs() < 1e-12 && (many.high - two.high).abs() < 1e-12);
        assert!((many.low - 0.2).abs() < 1e-12 && (many.high - 0.8).abs() < 1e-12);
    }
}
