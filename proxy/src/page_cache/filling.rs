//! An answer on its way into the cache: its body is collected beside the visitor who asked, up to a bound, and is kept only
//! when it is complete (RFC 9111 section 3.3).

use super::entry::Draft;
use super::flights::Flight;
use super::{Key, entry::Entry};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many bytes all answers on their way may have together.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

/// A body on its way.
#[derive(Debug)]
pub struct Collected {
    bytes: Vec<u8>,
    limit: usize,
    budget: Budget,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Filling {
    /// Where it will be kept.
    pub key: Key,
    /// When the page was asked.
    pub asked: Instant,
    /// Who waits for it.
    pub flight: Option<Flight>,
    /// Its head.
    pub draft: Draft,
    /// Its body so far.
    pub body: Collected,
}

impl Budget {
    /// So many bytes.
    pub fn of(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

impl Collected {
    /// Nothing yet, and at most `limit` bytes.
    pub fn new(limit: usize, budget: &Budget) -> Self {
        Self { bytes: Vec::new(), limit, budget: budget.clone() }
    }

    /// Takes in what came; `false` when it is too much.
    #[must_use]
    pub fn push(&mut self, chunk: &[u8]) -> bool {
        let fits = self.bytes.len() + chunk.len() <= self.limit && self.budget.take(chunk.len());
        if fits {
            self.bytes.extend_from_slice(chunk);
        }
        fits
    }

    /// All of it, in no more memory than it needs.
    pub fn finish(mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes);
        self.budget.taken.fetch_sub(bytes.len(), Ordering::Relaxed);
        Bytes::from(bytes.into_boxed_slice())
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Filling {
    /// The answer, now that it is complete.
    pub fn finish(self) -> (Key, Instant, Option<Flight>, Entry) {
        (self.key, self.asked, self.flight, self.draft.with_body(self.body.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_bounded_and_so_are_all_together() {
        let budget = Budget::of(10);
        let (mut one, mut two) = (Collected::new(6, &budget), Collected::new(100, &budget));
        assert!(one.push(b"012") && one.push(b"345") && !one.push(b"6"));
        assert!(two.push(b"0123") && !two.push(b"4"));
        assert_eq!(one.finish(), "012345");
        assert!(two.push(b"45678"));
        drop(two);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
