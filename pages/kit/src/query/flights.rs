//! Calls on their way, by what was asked: whoever asks the same meanwhile waits for the same answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// The calls of one query.
#[derive(Debug)]
pub(super) struct Flights<T>(Mutex<HashMap<String, Flight<T>>>);

/// One call, as who waits for it sees it.
#[derive(Debug)]
pub(super) struct Flight<T> {
    landed: watch::Receiver<Option<Landed<T>>>,
    patience: Instant,
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Landed<T> {
    Answer(Arc<T>),
    Failed,
    /// The visitor for whom it went out had no more time, which says nothing to others.
    CutShort,
}

/// The end of a call. However it ends, those who wait learn of it, and the next one to ask calls again.
pub(super) struct Landing<T> {
    flights: Arc<Flights<T>>,
    key: String,
    tell: watch::Sender<Option<Landed<T>>>,
    outcome: Landed<T>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Clone for Landed<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Answer(value) => Self::Answer(value.clone()),
            Self::Failed => Self::Failed,
            Self::CutShort => Self::CutShort,
        }
    }
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self { landed: self.landed.clone(), patience: self.patience }
    }
}

impl<T> Flights<T> {
    /// The call that is on its way, or else what `instead` says, or else a new call, for which nobody waits longer than
    /// `instead` allows. All in one step, so that no two calls are for the same.
    pub(super) fn join<R>(
        self: &Arc<Self>,
        key: &str,
        instead: impl FnOnce() -> Result<Duration, R>,
    ) -> Result<(Flight<T>, Option<Landing<T>>), R> {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key) {
            return Ok((flight.clone(), None));
        }
        let patience = Instant::now() + instead()?;
        let (tell, landed) = watch::channel(None);
        let flight = Flight { landed, patience };
        flights.insert(key.to_owned(), flight.clone());
        Ok((flight, Some(Landing { flights: self.clone(), key: key.to_owned(), tell, outcome: Landed::Failed })))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Flight<T> {
    /// What became of it; none when it takes longer than it is worth waiting for, or than `time_left`.
    pub(super) async fn landed(mut self, time_left: Duration) -> Option<Landed<T>> {
        let until = self.patience.min(Instant::now() + time_left);
        let landed = timeout_at(until, self.landed.wait_for(Option::is_some)).await;
        landed.ok()?.ok()?.clone()
    }
}

impl<T> Landing<T> {
    pub(super) fn land(mut self, outcome: Landed<T>) {
        self.outcome = outcome;
    }
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
        self.tell.send_replace(Some(self.outcome.clone()));
    }
}
