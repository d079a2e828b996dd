//! Who is asking a page for what, so that of many who want the same only one asks: the others wait for what becomes of it.

use super::Key;
use super::entry::Entry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// All questions that are under way.
#[derive(Debug, Default)]
pub struct Flights {
    open: Mutex<HashMap<Key, Follower>>,
}

/// What became of a question.
#[derive(Debug, Clone)]
pub enum Landing {
    /// The answer is kept.
    Stored(Arc<Entry>),
    /// The answer is for nobody else.
    Uncacheable,
    /// The page failed.
    Failed,
    /// The page has not answered in time.
    Late,
    /// Who asked has gone.
    Gone,
}

/// Who asks, or waits.
#[derive(Debug)]
pub enum Turn {
    /// Nobody asks yet.
    Lead(Flight),
    /// Somebody does.
    Follow(Follower),
}

/// A question under way. Whoever drops it lets the next one ask.
#[derive(Debug)]
pub struct Flight {
    flights: Arc<Flights>,
    key: Key,
    landing: watch::Sender<Option<Landing>>,
    has_landed: bool,
}

/// Somebody who waits for what becomes of a question.
#[derive(Debug, Clone)]
pub struct Follower(watch::Receiver<Option<Landing>>);

impl Flights {
    /// Asks for a key, or follows who does.
    pub fn join(self: &Arc<Self>, key: &Key) -> Turn {
        let mut open = self.open();
        if let Some(follower) = open.get(key) {
            return Turn::Follow(follower.clone());
        }
        let (landing, follower) = watch::channel(None);
        open.insert(Arc::clone(key), Follower(follower));
        Turn::Lead(Flight { flights: Arc::clone(self), key: Arc::clone(key), landing, has_landed: false })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Follower>> {
        // It guards no more than the map's own operations.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Tells who waits.
    pub fn land(mut self, landing: Landing) {
        self.end(landing);
    }

    /// Waits as the others do.
    pub fn follow(&self) -> Follower {
        Follower(self.landing.subscribe())
    }

    fn end(&mut self, landing: Landing) {
        if !std::mem::replace(&mut self.has_landed, true) {
            // First: who comes now asks anew, and who is told that we are gone may ask at once.
            self.flights.open().remove(&self.key);
            self.landing.send_replace(Some(landing));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end(Landing::Gone);
    }
}

impl Follower {
    /// Ends when the question is answered, or given up.
    pub async fn landed(mut self) -> Landing {
        let landing = self.0.wait_for(Option::is_some).await;
        landing.ok().and_then(|landing| landing.clone()).unwrap_or(Landing::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.as_bytes().into()
    }

    fn lead(flights: &Arc<Flights>, text: &str) -> Flight {
        match flights.join(&key(text)) {
            Turn::Lead(flight) => flight,
            Turn::Follow(_) => panic!("somebody asks for {text} already"),
        }
    }

    fn follow(flights: &Arc<Flights>, text: &str) -> Follower {
        match flights.join(&key(text)) {
            Turn::Lead(_) => panic!("nobody asks for {text}"),
            Turn::Follow(follower) => follower,
        }
    }

    #[tokio::test]
    async fn one_asks_and_the_others_learn_what_became_of_it() {
        let flights = Arc::<Flights>::default();
        let flight = lead(&flights, "a");
        let (one, two, _other) = (follow(&flights, "a"), follow(&flights, "a"), lead(&flights, "b"));
        flight.land(Landing::Uncacheable);
        assert!(matches!(one.landed().await, Landing::Uncacheable));
        assert!(matches!(two.landed().await, Landing::Uncacheable), "also who looks late");
        lead(&flights, "a");
    }

    #[tokio::test]
    async fn when_who_asks_goes_the_next_may_ask_at_once() {
        let flights = Arc::<Flights>::default();
        let flight = lead(&flights, "a");
        let (follower, own) = (follow(&flights, "a"), flight.follow());
        drop(flight);
        assert!(matches!(follower.landed().await, Landing::Gone));
        assert!(matches!(own.landed().await, Landing::Gone));
        lead(&flights, "a");
        assert!(flights.open().is_empty());
    }
}
