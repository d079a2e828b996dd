//! One running process of a page: its state and how that may change, what it is answering, what is known of it.

use crate::ejection::Record;
use crate::fleet::PageId;
use crate::manifest::Manifest;
use arc_swap::ArcSwapOption;
use pagefleet_config::Ejection;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// What an instance may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Its contract isn't checked yet; gets no traffic.
    Joining = 0,
    /// Gets traffic.
    Healthy = 1,
    /// Failed its checks, or was ejected; gets no traffic.
    Unhealthy = 2,
    /// Has left its page; finishes what it is answering, then is gone.
    Draining = 3,
}

/// What moves an instance from state to state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It passed as many checks as it takes.
    Passed,
    /// It failed as many checks, or attempts of visitors, as it takes.
    Failed,
    /// Its page's file, or its page's name, does not have it any more.
    Left,
}

impl State {
    /// The word in `GET /api/fleet` and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
        }
    }

    /// The state after an event. There is no other way from state to state, and none back from draining.
    pub const fn after(self, event: Event) -> Self {
        match (self, event) {
            (Self::Draining, _) | (_, Event::Left) => Self::Draining,
            (_, Event::Passed) => Self::Healthy,
            (Self::Joining, Event::Failed) => Self::Joining,
            (Self::Healthy | Self::Unhealthy, Event::Failed) => Self::Unhealthy,
        }
    }

    const fn from_u8(state: u8) -> Self {
        match state {
            0 => Self::Joining,
            1 => Self::Healthy,
            2 => Self::Unhealthy,
            _ => Self::Draining,
        }
    }
}

/// One running process of a page.
#[derive(Debug)]
pub struct Instance {
    /// Whose instance it is.
    pub page: PageId,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says of itself; `None` before it was asked, and for pages without a manifest.
    pub manifest: ArcSwapOption<Manifest>,
    /// Why the gate does not let its release in, when it does not.
    pub refused: ArcSwapOption<String>,
    /// Whether it gets traffic though the gate refused it, because no other instance of its page is left.
    pub ungated: AtomicBool,
    /// Why its last check failed; `None` when it passed.
    pub problem: ArcSwapOption<String>,
    /// Wakes its health check at once, as after a refused connection.
    pub check_now: Notify,
    state: AtomicU8,
    in_flight: AtomicUsize,
    idle: Notify,
    cut: AtomicBool,
    failing: AtomicBool,
    record: Mutex<Record>,
}

impl Instance {
    /// An instance that nothing is known of yet.
    pub fn new(page: PageId, address: SocketAddr) -> Self {
        Self {
            page,
            address,
            manifest: ArcSwapOption::empty(),
            refused: ArcSwapOption::empty(),
            ungated: AtomicBool::new(false),
            problem: ArcSwapOption::empty(),
            check_now: Notify::new(),
            state: AtomicU8::new(State::Joining as u8),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            cut: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            record: Mutex::default(),
        }
    }

    /// Its state now.
    pub fn state(&self) -> State {
        State::from_u8(self.state.load(Ordering::SeqCst))
    }

    /// Moves it from state to state; the new state, if this was a move.
    pub fn on(&self, event: Event) -> Option<State> {
        let after = |state| Some(State::from_u8(state).after(event) as u8);
        let before = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, after).map(State::from_u8).ok()?;
        Some(before.after(event)).filter(|after| *after != before)
    }

    /// Its release, when its manifest is known.
    pub fn release(&self) -> Option<Arc<str>> {
        self.manifest.load().as_ref().map(|manifest| Arc::clone(&manifest.release))
    }

    /// Whether it gets traffic.
    pub fn is_healthy(&self) -> bool {
        self.state() == State::Healthy
    }

    /// Whether its manifest has an asset path.
    pub fn has(&self, asset: &str) -> bool {
        self.manifest.load().as_ref().is_some_and(|manifest| manifest.has(asset))
    }

    /// Whether its manifest names a release so.
    pub fn is_of(&self, release: &str) -> bool {
        self.manifest.load().as_ref().is_some_and(|manifest| &*manifest.release == release)
    }

    /// Requests that it is answering.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Ends when it is answering nothing.
    pub(crate) async fn idle(&self) {
        while self.in_flight() > 0 {
            self.idle.notified().await;
        }
    }

    /// From now on, what it is answering is to be cut off; [`crate::fleet::Fleet::cut`] tells the connections.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Whether what it is answering is to be cut off.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Notes how an attempt of a visitor ended; whether it has failed so often in a row that it should be ejected.
    pub fn attempted(&self, failed: bool, settings: &Ejection) -> bool {
        if !failed && !self.is_failing() {
            return false;
        }
        self.failing.store(failed, Ordering::Relaxed);
        self.record().attempted(failed, settings)
    }

    /// Whether the last attempt of a visitor failed here.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Notes that it is ejected, for longer each time.
    pub(crate) fn eject(&self, settings: &Ejection) {
        self.record().eject(settings, Instant::now());
    }

    /// Whether it may not get traffic again yet, whatever its checks say.
    pub fn is_ejected(&self) -> bool {
        self.record().is_ejected(Instant::now())
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that an instance is answering; counted until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Instance>);

impl InFlight {
    /// Counts one more request.
    pub fn new(instance: Arc<Instance>) -> Self {
        instance.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(instance)
    }

    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_leads_back_from_draining_and_only_a_passed_check_lets_in() {
        use Event::{Failed, Left, Passed};
        use State::{Draining, Healthy, Joining, Unhealthy};
        for (state, event, after) in [
            (Joining, Passed, Healthy),
            (Joining, Failed, Joining),
            (Joining, Left, Draining),
            (Healthy, Passed, Healthy),
            (Healthy, Failed, Unhealthy),
            (Healthy, Left, Draining),
            (Unhealthy, Passed, Healthy),
            (Unhealthy, Failed, Unhealthy),
            (Unhealthy, Left, Draining),
            (Draining, Passed, Draining),
            (Draining, Failed, Draining),
            (Draining, Left, Draining),
        ] {
            assert_eq!(state.after(event), after, "{state:?} {event:?}");
        }
    }

    #[tokio::test]
    async fn an_instance_is_idle_when_its_last_request_is_answered() {
        let instance = Arc::new(Instance::new(PageId(0), ([127, 0, 0, 1], 1).into()));
        instance.idle().await;
        let (one, two) = (InFlight::new(Arc::clone(&instance)), InFlight::new(Arc::clone(&instance)));
        let waiting = tokio::spawn({
            let instance = Arc::clone(&instance);
            async move { instance.idle().await }
        });
        drop(one);
        assert_eq!(instance.in_flight(), 1);
        drop(two);
        waiting.await.unwrap();
    }
}
