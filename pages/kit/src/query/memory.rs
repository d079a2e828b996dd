//! What a query remembers, by what was asked: answers with their ages, and for a moment what just failed.

use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use super::{Ages, Answer, Content, moment};

/// The answers of one query take no more than this, as long as they were on the wire.
const BYTES: u64 = 8 * 1024 * 1024;

/// What an answer counts for at least, which bounds their number: 2,048.
const BYTES_AT_LEAST: usize = 4 * 1024;

/// As many failures are remembered; a few more calls are the worst when there are more.
const FAILURES: u64 = 1024;

/// The memory of one query.
pub(super) struct Memory {
    ages: Ages,
    answers: Cache<String, Known>,
    failing: Cache<String, Known>,
}

/// An answer, since when; or that there was none, until when. One type for both, since a cache of another type is 40 KB
/// more in a page.
#[derive(Clone)]
struct Known {
    content: Option<Content>,
    at: Instant,
    length: usize,
}

impl Memory {
    pub(super) fn new(ages: Ages) -> Self {
        let answers = cache(BYTES, ages.stale);
        // The instants decide; the cache only drops what is long past.
        let failing = cache(FAILURES * BYTES_AT_LEAST as u64, Duration::from_secs(10));
        Self { ages, answers, failing }
    }

    /// What can be said without asking.
    pub(super) fn fresh(&self, key: &str) -> Option<Answer<Content>> {
        let known = self.answers.get(key).filter(|known| known.at.elapsed() < self.ages.fresh)?;
        known.content.map(Answer::Fresh)
    }

    /// What can be said when there is no asking.
    pub(super) fn fallback(&self, key: &str) -> Answer<Content> {
        let Some(known) = self.answers.get(key) else {
            return Answer::Unavailable;
        };
        let age = known.at.elapsed();
        match known.content {
            Some(content) if age < self.ages.fresh => Answer::Fresh(content),
            Some(content) if age < self.ages.stale => Answer::Stale(content, age),
            _ => Answer::Unavailable,
        }
    }

    /// Whether asking failed a moment ago.
    pub(super) fn is_failing(&self, key: &str) -> bool {
        self.failing.get(key).is_some_and(|failed| Instant::now() < failed.at)
    }

    pub(super) fn learn(&self, key: &str, content: Content, length: usize) {
        self.answers.insert(key.to_owned(), Known { content: Some(content), at: Instant::now(), length });
        self.failing.invalidate(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.entry_count()
    }

    pub(super) fn failed(&self, key: &str) {
        self.failing.insert(key.to_owned(), Known { content: None, at: Instant::now() + moment(), length: 0 });
    }
}

/// A cache of so many bytes, of which everything goes after `time`.
fn cache(bytes: u64, time: Duration) -> Cache<String, Known> {
    let weight = |key: &String, known: &Known| {
        u32::try_from(key.len().saturating_add(known.length).max(BYTES_AT_LEAST)).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(bytes).weigher(weight).time_to_live(time).build()
}
