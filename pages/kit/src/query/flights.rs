//! Calls on their way, by what was asked: whoever asks the same meanwhile waits for the same answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Content;

/// The calls of one query.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<String, Flight>>);

/// One call, as who waits for it sees it.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    landed: watch::Receiver<Option<Landed>>,
    patience: Instant,
}

/// What became of a call.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    Answer(Content),
    Failed,
    /// The visitor for whom it went out had no more time, which says nothing to others.
    CutShort,
}

/// The end of a call. However it ends, those who wait learn of it, and the next one to ask calls again.
pub(super) struct Landing {
    flights: Arc<Flights>,
    key: String,
    tell: watch::Sender<Option<Landed>>,
    outcome: Landed,
}

impl Flights {
    /// The call that is on its way, or else what `instead` says, or else a new call, for which nobody waits longer than
    /// `instead` allows. All in one step, so that no two calls are for the same.
    pub(super) fn join<R>(
        self: &Arc<Self>,
        key: &str,
        instead: impl FnOnce() -> Result<Duration, R>,
    ) -> Result<(Flight, Option<Landing>), R> {
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// What became of it; none when it takes longer than it is worth waiting for, or than `time_left`.
    pub(super) async fn landed(mut self, time_left: Duration) -> Option<Landed> {
        let until = self.patience.min(Instant::now() + time_left);
        let landed = timeout_at(until, self.landed.wait_for(Option::is_some)).await;
        landed.ok()?.ok()?.clone()
    }
}

impl Landing {
    pub(super) fn land(mut self, outcome: Landed) {
        self.outcome = outcome;
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
        self.tell.send_replace(Some(self.outcome.clone()));
    }
}
