//! How long the disk lasts if it goes on filling as it does.
//!
//! A department sends by day and not by night, so a moment's rate says nothing: the rate is that of
//! the last hours, and nothing is said before half an hour is known.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Over how long the rate is taken.
const WINDOW: Duration = Duration::from_hours(6);

/// How far samples are apart at least.
const APART: Duration = Duration::from_mins(5);

/// Before this is known, no rate is.
const LEAST: Duration = Duration::from_mins(30);

/// Beyond this the answer is only "long".
const LONGEST_HOURS: f64 = 24.0 * 365.0;

/// Free space over the last hours.
#[derive(Debug, Default)]
pub struct DiskTrend {
    samples: VecDeque<(Instant, u64)>,
}

impl DiskTrend {
    /// Notes the free space and says how many hours it lasts; `None` while too little is known, and
    /// while the disk does not fill.
    pub fn hours_left(&mut self, now: Instant, free_bytes: u64) -> Option<f64> {
        let last = self.samples.back().map(|(at, _)| *at);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= APART) {
            self.samples.push_back((now, free_bytes));
        }
        while let Some((at, _)) = self.samples.front()
            && now.saturating_duration_since(*at) > WINDOW
        {
            self.samples.pop_front();
        }
        let (since, free_then) = self.samples.front()?;
        let passed = now.saturating_duration_since(*since);
        let filled = free_then.checked_sub(free_bytes)?;
        if passed < LEAST || filled == 0 {
            return None;
        }
        let hours = free_bytes as f64 / filled as f64 * passed.as_secs_f64() / 3600.0;
        Some(hours.min(LONGEST_HOURS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    #[test]
    fn a_gigabyte_an_hour_empties_ten_in_ten_hours() {
        let (t0, mut trend) = (Instant::now(), DiskTrend::default());
        let minutes = |minutes| t0 + Duration::from_mins(minutes);
        assert_eq!(trend.hours_left(t0, 11 * GB), None);
        assert_eq!(trend.hours_left(minutes(10), 11 * GB - GB / 6), None);
        let hours = trend.hours_left(minutes(60), 10 * GB).unwrap();
        assert!((hours - 10.0).abs() < 1e-9, "{hours}");
    }

    #[test]
    fn a_disk_that_empties_has_no_end() {
        let (t0, mut trend) = (Instant::now(), DiskTrend::default());
        trend.hours_left(t0, GB);
        assert_eq!(trend.hours_left(t0 + WINDOW / 2, 2 * GB), None);
        assert_eq!(trend.hours_left(t0 + WINDOW / 2, GB), None);
    }

    #[test]
    fn what_happened_yesterday_does_not_count_and_samples_do_not_pile_up() {
        let (t0, mut trend) = (Instant::now(), DiskTrend::default());
        trend.hours_left(t0, 1000 * GB);
        for second in 1..=24 * 60 {
            let at = t0 + Duration::from_mins(second);
            trend.hours_left(at, 10 * GB);
        }
        assert_eq!(
            trend.hours_left(t0 + Duration::from_hours(24), 10 * GB),
            None
        );
        assert!(trend.samples.len() <= 80);
    }
}
