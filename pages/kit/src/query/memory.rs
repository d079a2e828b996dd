//! What a query remembers, by what was asked: answers with their ages, and for a moment what just failed.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use super::{Ages, Answer, moment};

/// The answers of one query take no more than this, as long as they were on the wire.
const BYTES: u64 = 8 * 1024 * 1024;

/// What an answer counts for at least, which bounds their number: 2,048.
const BYTES_AT_LEAST: usize = 4 * 1024;

/// As many failures are remembered; a few more calls are the worst when there are more.
const FAILURES: u64 = 1024;

/// The memory of one query.
pub(super) struct Memory<T> {
    ages: Ages,
    answers: Cache<String, Known<T>>,
    failing: Cache<String, Instant>,
}

struct Known<T> {
    value: Arc<T>,
    since: Instant,
    length: usize,
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

impl<T: Send + Sync + 'static> Memory<T> {
    pub(super) fn new(ages: Ages) -> Self {
        let weight = |key: &String, known: &Known<T>| {
            u32::try_from(key.len().saturating_add(known.length).max(BYTES_AT_LEAST)).unwrap_or(u32::MAX)
        };
        let answers = Cache::builder().max_capacity(BYTES).weigher(weight).time_to_live(ages.stale).build();
        // The instants decide; the cache only drops what is long past.
        let failing = Cache::builder().max_capacity(FAILURES).time_to_live(Duration::from_secs(10)).build();
        Self { ages, answers, failing }
    }

    /// What can be said without asking.
    pub(super) fn fresh(&self, key: &str) -> Option<Answer<Arc<T>>> {
        let known = self.answers.get(key)?;
        (known.since.elapsed() < self.ages.fresh).then_some(Answer::Fresh(known.value))
    }

    /// What can be said when there is no asking.
    pub(super) fn fallback(&self, key: &str) -> Answer<Arc<T>> {
        let Some(known) = self.answers.get(key) else {
            return Answer::Unavailable;
        };
        match known.since.elapsed() {
            age if age < self.ages.fresh => Answer::Fresh(known.value),
            age if age < self.ages.stale => Answer::Stale(known.value, age),
            _ => Answer::Unavailable,
        }
    }

    /// Whether asking failed a moment ago.
    pub(super) fn is_failing(&self, key: &str) -> bool {
        self.failing.get(key).is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn learn(&self, key: &str, value: Arc<T>, length: usize) {
        self.answers.insert(key.to_owned(), Known { value, since: Instant::now(), length });
        self.failing.invalidate(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.entry_count()
    }

    pub(super) fn failed(&self, key: &str) {
        self.failing.insert(key.to_owned(), Instant::now() + moment());
    }
}
