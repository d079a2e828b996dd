//! When to try again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How long to wait after so many attempts: a second, doubling up to five minutes, and up to a quarter more or less,
/// so that what failed together does not come back together.
pub(super) fn backoff(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    let wait = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    wait.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_from_a_second_to_five_minutes() {
        for (attempts, seconds) in
            [(0, 1.0), (1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (1_000_000, 300.0)]
        {
            let waits: Vec<_> = (0..50).map(|_| backoff(attempts).as_secs_f64()).collect();
            assert!(waits.iter().all(|wait| (0.75 * seconds..1.25 * seconds).contains(wait)), "{attempts}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter after {attempts}");
        }
    }
}
