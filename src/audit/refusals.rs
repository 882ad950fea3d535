//! How many refusals are written down one by one.
//!
//! Anyone on the network can be refused as often as they like; that must not push the rest out of
//! the trail, out of the queue before it, or out of the log.

use std::time::{Duration, Instant};

/// Lets the first `REFUSALS_A_MINUTE` of a minute through, and counts the others.
#[derive(Debug)]
pub struct Refusals {
    since: Instant,
    written: u32,
    unwritten: u64,
}

impl Refusals {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            written: 0,
            unwritten: 0,
        }
    }

    /// Whether the refusal of this moment is written; one that is not has been counted.
    pub fn is_to_be_written(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            (self.since, self.written) = (now, 0);
        }
        if self.written < REFUSALS_A_MINUTE {
            self.written += 1;
            return true;
        }
        self.unwritten += 1;
        false
    }

    /// Once a minute, and at the end.
    pub(super) fn take_unwritten(&mut self, now: Instant, at_the_end: bool) -> u64 {
        if at_the_end || now.duration_since(self.since) >= MINUTE {
            std::mem::take(&mut self.unwritten)
        } else {
            0
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const REFUSALS_A_MINUTE: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_not_written() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let written = (0..1000)
            .filter(|_| refusals.is_to_be_written(start))
            .count();
        assert_eq!(written, REFUSALS_A_MINUTE as usize);
        assert_eq!(refusals.take_unwritten(start, false), 0);
        assert!(refusals.is_to_be_written(start + MINUTE));
        assert_eq!(refusals.take_unwritten(start + 2 * MINUTE, false), 940);
        assert_eq!(refusals.take_unwritten(start, true), 0);
    }
}
