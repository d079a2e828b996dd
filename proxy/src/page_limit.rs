//! How many requests one page may be answering at once, so that a slow page takes no connection from the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests that a page is answering.
#[derive(Debug, Default)]
pub struct Places {
    taken: AtomicUsize,
}

/// One request's place among them, until it is dropped.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Places {
    /// A place, if fewer than `limit` are taken.
    pub fn take(self: &Arc<Self>, limit: usize) -> Option<Place> {
        let below = |taken| (taken < limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).ok()?;
        Some(Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_request_is_done() {
        let places = Arc::<Places>::default();
        let (one, two) = (places.take(2), places.take(2));
        assert!(one.is_some() && two.is_some() && places.take(2).is_none());
        drop(one);
        assert!(places.take(2).is_some());
    }
}
