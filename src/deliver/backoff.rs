use std::time::Duration;

use rand::Rng;

/// How long to wait after the `attempt`-th failure (1, 2...): 5 s, doubling, at most 10 minutes.
///
/// Each wait is shortened by up to a half at random, so that several boxes do not return to a
/// recovering PACS in step.
pub fn backoff(attempt: u32, rng: &mut impl Rng) -> Duration {
    let doublings = attempt.saturating_sub(1).min(MAX_DOUBLINGS);
    let longest = (FIRST * 2u32.pow(doublings)).min(LONGEST);
    longest.mul_f64(rng.random_range(0.5..=1.0))
}

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(10);
/// 5 s doubled seven times exceeds the longest wait.
const MAX_DOUBLINGS: u32 = 7;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn waits_double_up_to_ten_minutes_and_differ() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        for (attempt, seconds) in [
            (0, 5),
            (1, 5),
            (2, 10),
            (3, 20),
            (7, 320),
            (8, 600),
            (u32::MAX, 600),
        ] {
            let longest = Duration::from_secs(seconds);
            let waits: Vec<Duration> = (0..50).map(|_| backoff(attempt, &mut rng)).collect();
            assert!(
                waits.iter().all(|w| (longest / 2..=longest).contains(w)),
                "attempt {attempt}: {waits:?}"
            );
            assert!(waits.iter().any(|w| *w != waits[0]));
        }
    }
}
