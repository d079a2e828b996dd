//! Leaves a service alone that only costs time. One that fails at once costs a visitor nothing and is asked again; one
//! that lets everybody wait is given a rest, and then asked by one visitor who doesn't wait long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{ATTEMPT, moment};

/// Failures in a row, each after a long wait, that mean the service and not just one of its answers.
const IN_A_ROW: u32 = 2;

/// How long who asks first after a rest waits for the answer.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long the others wait: a little longer than the call, which ends by itself.
const WAIT: Duration = ATTEMPT.saturating_add(Duration::from_millis(100));

/// Whether to ask one service.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    slow_failures: u32,
    resting: Option<Instant>,
}

impl Breaker {
    /// How long an asker may wait for the service; none while it rests.
    pub(super) fn admit(&self) -> Option<Duration> {
        let mut state = self.lock();
        let Some(until) = state.resting else {
            return Some(WAIT);
        };
        if Instant::now() < until {
            return None;
        }
        // One asks. Should it never say what came of it, another one does later.
        state.resting = Some(Instant::now() + WAIT);
        Some(PATIENCE)
    }

    /// The service answered. True when it had been left alone.
    pub(super) fn answered(&self) -> bool {
        let mut state = self.lock();
        state.slow_failures = 0;
        state.resting.take().is_some()
    }

    /// The service failed after a long wait. True when it is left alone from now on, and was not before.
    pub(super) fn failed_slowly(&self) -> bool {
        let mut state = self.lock();
        state.slow_failures = state.slow_failures.saturating_add(1);
        if state.slow_failures < IN_A_ROW {
            return false;
        }
        state.resting.replace(Instant::now() + moment()).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_service_that_lets_two_in_a_row_wait_is_left_alone_for_a_moment() {
        let breaker = Breaker::default();
        assert!(!breaker.failed_slowly());
        assert_eq!(breaker.admit(), Some(WAIT));
        assert!(breaker.failed_slowly() && !breaker.failed_slowly(), "and it is said once");
        assert_eq!(breaker.admit(), None);
        advance(Duration::from_millis(1300)).await;
        assert_eq!((breaker.admit(), breaker.admit()), (Some(PATIENCE), None), "one asks for all");
        assert!(!breaker.failed_slowly());
        assert_eq!(breaker.admit(), None);
        advance(Duration::from_millis(1300)).await;
        assert_eq!(breaker.admit(), Some(PATIENCE));
        assert!(breaker.answered() && !breaker.answered());
        assert_eq!((breaker.admit(), breaker.admit()), (Some(WAIT), Some(WAIT)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_between_shows_that_it_was_not_the_service() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed_slowly();
            breaker.answered();
        }
        assert_eq!(breaker.admit(), Some(WAIT));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_and_never_tells_is_not_waited_for() {
        let breaker = Breaker::default();
        assert!(!breaker.failed_slowly() && breaker.failed_slowly());
        advance(Duration::from_millis(1300)).await;
        assert_eq!((breaker.admit(), breaker.admit()), (Some(PATIENCE), None));
        advance(WAIT).await;
        assert_eq!(breaker.admit(), Some(PATIENCE));
    }
}
