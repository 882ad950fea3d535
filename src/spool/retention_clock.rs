use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time by which ages are told when something is to be deleted.
///
/// It follows the wall clock, but not over a jump: a board without a battery may wake up decades
/// off, and a mistyped year must not delete what was kept for a month. Only once the appliance has
/// run for days by the new time is that believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetentionClock {
    pub at: Timestamp,
    /// How long the wall clock has disagreed, in running time.
    pub doubted_for: Duration,
}

/// Apart by more than this, the clock jumped, or the appliance was switched off for as long.
const JUMP: SignedDuration = SignedDuration::from_hours(24);

/// Long enough for somebody to notice a wrong clock over a weekend.
const BELIEVED_AFTER: Duration = Duration::from_hours(72);

impl RetentionClock {
    #[must_use]
    pub fn starting(now: Timestamp) -> Self {
        Self {
            at: now,
            doubted_for: Duration::ZERO,
        }
    }

    /// The clock after `running` time has passed, of which the wall clock says that it is `now`.
    #[must_use]
    pub fn after(self, running: Duration, now: Timestamp) -> Self {
        let at = self.at.saturating_add(running).unwrap_or(Timestamp::MAX);
        let doubted_for = self.doubted_for.saturating_add(running);
        if now.duration_since(at).abs() <= JUMP || doubted_for >= BELIEVED_AFTER {
            Self::starting(now)
        } else {
            Self { at, doubted_for }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

    fn start() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    #[test]
    fn it_follows_a_clock_that_runs_and_is_set_right_by_minutes() {
        let mut clock = RetentionClock::starting(start());
        for hour in 1..=1000 {
            let now = start() + SignedDuration::from_hours(hour) - SignedDuration::from_mins(7);
            clock = clock.after(HOUR, now);
            assert_eq!(clock, RetentionClock::starting(now));
        }
    }

    #[test]
    fn a_jump_either_way_is_believed_only_after_days_of_running() {
        for jump in [YEAR, -YEAR] {
            let mut clock = RetentionClock::starting(start());
            for hour in 1..=71 {
                let running = SignedDuration::from_hours(hour);
                clock = clock.after(HOUR, start() + jump + running);
                assert_eq!(clock.at, start() + running, "{hour} hours after {jump}");
            }
            let now = start() + jump + SignedDuration::from_hours(72);
            assert_eq!(clock.after(HOUR, now), RetentionClock::starting(now));
        }
    }

    #[test]
    fn a_jump_that_is_taken_back_leaves_nothing() {
        let jumped = RetentionClock::starting(start()).after(HOUR, start() + YEAR);
        assert_eq!(jumped.doubted_for, HOUR);
        let now = start() + SignedDuration::from_hours(2);
        assert_eq!(jumped.after(HOUR, now), RetentionClock::starting(now));
    }
}
