//! When a failed attempt may be repeated on another instance.

use http::Method;
use std::sync::atomic::{AtomicI64, Ordering};

/// Attempts for one request, the first included.
pub const MAX_ATTEMPTS: usize = 3;

/// What is known of an attempt that failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedAttempt<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// Whether any byte of the request may have reached the instance.
    pub request_sent: bool,
    /// Whether any byte of a response reached the client.
    pub response_started: bool,
    /// Whether the request's body can be sent once more.
    pub body_replayable: bool,
    /// Attempts made, this one included.
    pub attempts: usize,
}

/// Whether the request may go out once more: no byte of a response reached the client, and the request was never sent
/// or its method is idempotent (RFC 9110 section 9.2.2).
pub fn may_retry(failed: FailedAttempt<'_>) -> bool {
    let repeatable = !failed.request_sent || failed.method.is_idempotent();
    !failed.response_started && repeatable && failed.body_replayable && failed.attempts < MAX_ATTEMPTS
}

/// Retries that a page may still make: one for each five requests, and a reserve of 20 for quiet times. It keeps a
/// page that is in trouble from being asked twice as much.
#[derive(Debug)]
pub struct RetryBudget {
    fifths: AtomicI64,
}

const RESERVE: i64 = 20 * 5;

impl Default for RetryBudget {
    fn default() -> Self {
        Self { fifths: AtomicI64::new(RESERVE) }
    }
}

impl RetryBudget {
    /// Counts a request that came in.
    pub fn deposit(&self) {
        if self.fifths.load(Ordering::Relaxed) < RESERVE {
            self.fifths.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes one retry, if there is one left.
    pub fn withdraw(&self) -> bool {
        let took = |fifths: i64| (fifths >= 5).then(|| fifths - 5);
        self.fifths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, took).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_happen_twice_is_retried() {
        let base = FailedAttempt {
            method: &Method::GET,
            request_sent: true,
            response_started: false,
            body_replayable: true,
            attempts: 1,
        };
        for (expected, attempt) in [
            (true, base),
            (false, FailedAttempt { method: &Method::POST, ..base }),
            (true, FailedAttempt { method: &Method::POST, request_sent: false, ..base }),
            (true, FailedAttempt { method: &Method::PUT, ..base }),
            (false, FailedAttempt { method: &Method::PUT, body_replayable: false, ..base }),
            (false, FailedAttempt { response_started: true, ..base }),
            (false, FailedAttempt { attempts: MAX_ATTEMPTS, ..base }),
        ] {
            assert_eq!(may_retry(attempt), expected, "{attempt:?}");
        }
    }

    #[test]
    fn the_budget_allows_one_retry_in_five_requests_once_the_reserve_is_spent() {
        let budget = RetryBudget::default();
        while budget.withdraw() {}
        for _ in 0..4 {
            budget.deposit();
            assert!(!budget.withdraw());
        }
        budget.deposit();
        assert!(budget.withdraw());
    }
}
