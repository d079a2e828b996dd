//! How long to wait before a child that ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A child that was up this long did not end because of how it was started.
const SETTLED: Duration = Duration::from_secs(30);

/// Doubles from 0.1 s to 10 s; begins anew after a child that was up for 30 s.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The wait after a child that was up for `up`.
    pub(crate) fn after(&mut self, up: Duration) -> Duration {
        if up >= SETTLED {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_keeps_ending_waits_twice_as_long_each_time_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..9).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn a_child_that_was_up_for_half_a_minute_is_started_again_at_once() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.after(Duration::from_secs(29));
        }
        assert_eq!(backoff.after(Duration::from_secs(30)), FIRST);
    }
}
