//! How often a failed call may be repeated: as a part of all calls, so that a service in trouble gets little more of them
//! than usual (the retry budget of Finagle).

use std::sync::atomic::{AtomicU32, Ordering};

/// What a retry costs.
const RETRY: u32 = 100;
/// What each call brings in: 15 % of a retry.
const DEPOSIT: u32 = 15;
/// The most that can be saved: ten retries, so that a quiet hour doesn't pay for a storm.
const MOST: u32 = 10 * RETRY;

/// The budget of one service. It begins full, since a first call may need a retry too.
#[derive(Debug)]
pub(super) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(MOST))
    }
}

impl RetryBudget {
    /// A call goes out.
    pub(super) fn deposit(&self) {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| Some((saved + DEPOSIT).min(MOST))).ok();
    }

    /// Whether it may be repeated; if so, that is paid for.
    pub(super) fn withdraw(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(RETRY)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_its_savings_a_service_gets_one_retry_in_seven_calls() {
        let budget = RetryBudget::default();
        let retries = (0..1_000).filter(|_| {
            budget.deposit();
            budget.withdraw()
        });
        let retries = retries.count();
        assert!((150..=162).contains(&retries), "{retries}");
    }

    #[test]
    fn quiet_times_are_not_saved_up_for_ever() {
        let budget = RetryBudget::default();
        (0..100_000).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
    }
}
