use crate::volume::HuSlice;

/// How often each Hounsfield value occurs in a series, gathered slice by slice while it arrives.
///
/// Whether the numbers are Hounsfield units at all shows here: air, fat and soft tissue have fixed
/// places, and a forgotten intercept, a window or an MR image moves or removes them.
#[derive(Clone, Debug, PartialEq)]
pub struct HuHistogram {
    bins: Vec<u64>,
}

/// Wide enough for noise to smooth itself out, narrow enough to tell fat from water.
const BIN_HU: i32 = 8;
const LOWEST_HU: i32 = -1200;
const HIGHEST_HU: i32 = 1600;
/// One row in four is counted: neighbours say the same, and counting must not cost what decoding
/// does.
const EVERY_ROW: usize = 4;

impl Default for HuHistogram {
    fn default() -> Self {
        let bins = (HIGHEST_HU - LOWEST_HU) / BIN_HU;
        Self {
            bins: vec![0; bins as usize],
        }
    }
}

impl HuHistogram {
    #[must_use]
    pub fn of(slice: &HuSlice) -> Self {
        let mut histogram = Self::default();
        for row in slice.hu.chunks(slice.columns.max(1)).step_by(EVERY_ROW) {
            for hu in row {
                histogram.bins[bin(i32::from(*hu))] += 1;
            }
        }
        histogram
    }

    pub(super) fn count(&mut self, hu: i16) {
        self.bins[bin(i32::from(hu))] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.bins.iter_mut().zip(&other.bins) {
            *sum += count;
        }
    }

    /// The share of all voxels within a range of HU.
    pub(super) fn share(&self, [low, high]: [f64; 2]) -> f64 {
        let total: u64 = self.bins.iter().sum();
        let within: u64 = self.within([low, high]).map(|(_, count)| count).sum();
        if total == 0 {
            0.0
        } else {
            within as f64 / total as f64
        }
    }

    /// The commonest HU within a range, averaged over neighbouring bins; `None` if it is empty.
    pub(super) fn mode(&self, range: [f64; 2]) -> Option<f64> {
        let smooth = |at: usize| -> u64 {
            let near = at.saturating_sub(1)..=(at + 1).min(self.bins.len() - 1);
            self.bins[near].iter().sum()
        };
        self.within(range)
            .filter(|(_, count)| *count > 0)
            .max_by_key(|(at, _)| smooth(*at))
            .map(|(at, _)| centre(at))
    }

    /// The value that half of all voxels do not exceed; `None` without any.
    pub(super) fn median(&self) -> Option<f64> {
        let total: u64 = self.bins.iter().sum();
        let mut seen = 0;
        let reaches_half = |count: &u64| {
            seen += count;
            2 * seen >= total
        };
        let at = self.bins.iter().position(reaches_half)?;
        (total > 0).then(|| centre(at))
    }

    /// The bins whose centres lie within a range.
    fn within(&self, [low, high]: [f64; 2]) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.bins.iter().copied().enumerate();
        counts.filter(move |(at, _)| (low..=high).contains(&centre(*at)))
    }
}

fn bin(hu: i32) -> usize {
    ((hu.clamp(LOWEST_HU, HIGHEST_HU - 1) - LOWEST_HU) / BIN_HU) as usize
}

fn centre(bin: usize) -> f64 {
    f64::from(LOWEST_HU) + (bin as f64 + 0.5) * f64::from(BIN_HU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_value_of_a_range_is_found_and_shares_add_up() {
        let mut hu = vec![-1000; 600];
        hu.extend([45; 300]);
        hu.extend([-100; 100]);
        let slice = HuSlice {
            rows: 1,
            columns: 1000,
            hu,
        };
        let mut histogram = HuHistogram::of(&slice);
        histogram.add(&HuHistogram::of(&slice));
        let near = |found: Option<f64>, hu: f64| found.is_some_and(|f| (f - hu).abs() <= 4.0);
        assert!(near(histogram.mode([-1200.0, -500.0]), -1000.0));
        assert!(near(histogram.mode([-30.0, 300.0]), 45.0));
        assert_eq!(histogram.mode([300.0, 400.0]), None);
        assert!(near(histogram.median(), -1000.0));
        assert_eq!(HuHistogram::default().median(), None);
        assert!((histogram.share([-150.0, -50.0]) - 0.1).abs() < 1e-9);
    }
}
