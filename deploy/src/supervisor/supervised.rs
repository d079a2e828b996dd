//! One child that is kept running: the task that watches it, starts it again when it ends, and ends it when it is told to.

use super::Shared;
use crate::backoff::Backoff;
use crate::child::{self, Child, Stopped};
use crate::plan::Spec;
use crate::progress;
use crate::state_file::Kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a child may take to end after SIGTERM.
pub(super) const STOP_BOUND: Duration = Duration::from_secs(5);

/// A child, and the task that watches it. Dropping it kills the child.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) name: String,
    pub(super) kind: Kind,
    wish: Wish,
    /// One.
    task: JoinSet<()>,
}

/// Says what a child is to be; closed when it has ended for good.
#[derive(Debug, Clone)]
pub(super) struct Wish(watch::Sender<DesiredState>);

/// What a child is to be; each is further from running than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum DesiredState {
    Running,
    /// A successor has taken its place: it may finish what it has begun.
    Replaced,
    Stopped,
    Killed,
}

impl Supervised {
    /// Begins to watch a child that runs.
    pub(super) fn new(fleet: Arc<Shared>, spec: Spec, child: Child) -> Self {
        let (wish, desired) = watch::channel(DesiredState::Running);
        let (name, kind, mut task) = (spec.name.clone(), spec.kind, JoinSet::new());
        task.spawn(supervise(fleet, spec, child, desired));
        Self { name, kind, wish: Wish(wish), task }
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish.clone()
    }

    pub(super) fn is_to_be(&self, state: DesiredState) {
        self.wish.is_to_be(state);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.wish.0.is_closed()
    }

    /// Ends when the child and its task have.
    pub(super) async fn ended(&mut self) {
        while self.task.join_next().await.is_some() {}
    }
}

impl Wish {
    /// Moves away from running only.
    pub(super) fn is_to_be(&self, state: DesiredState) {
        self.0.send_if_modified(|desired| {
            let moves = *desired < state;
            if moves {
                *desired = state;
            }
            moves
        });
    }

    /// Ends when the child has.
    pub(super) async fn ended(&self) {
        self.0.closed().await;
    }
}

/// Watches one child until it is told to end.
async fn supervise(fleet: Arc<Shared>, spec: Spec, child: Child, mut desired: watch::Receiver<DesiredState>) {
    let mut backoff = Backoff::default();
    let mut running = Some(child);
    loop {
        let since = Instant::now();
        let was = running.as_ref().map(Child::pid);
        let ended = match &mut running {
            Some(child) => tokio::select! {
                status = child.ended() => format!("ended ({})", child::how(status)),
                () = until(&mut desired, DesiredState::Replaced) => return leave(&spec.name, child, &mut desired).await,
            },
            None => "could not be started".to_owned(),
        };
        running = None;
        fleet.note(&spec, was, None);
        let wait = backoff.after(since.elapsed());
        let name = &spec.name;
        progress::line(format_args!("{name} {ended}, started again in {:.1} s", wait.as_secs_f64()));
        tokio::select! {
            () = sleep(wait) => {}
            () = until(&mut desired, DesiredState::Replaced) => return,
        }
        match fleet.spawn(&spec).await {
            Ok(again) => {
                fleet.note(&spec, None, Some(again.pid()));
                running = Some(again);
            }
            Err(error) => progress::error(error),
        }
    }
}

/// Sees a child to its end: one that was replaced takes its time, unless it is told to stop meanwhile.
async fn leave(name: &str, child: &mut Child, desired: &mut watch::Receiver<DesiredState>) {
    let replaced = *desired.borrow() == DesiredState::Replaced;
    if replaced {
        child.hand_over();
        tokio::select! {
            _ = child.ended() => return,
            () = until(desired, DesiredState::Stopped) => {}
        }
    }
    stop(name, child, desired).await;
}

async fn stop(name: &str, child: &mut Child, desired: &mut watch::Receiver<DesiredState>) {
    let stopped = tokio::select! {
        biased;
        () = until(desired, DesiredState::Killed) => child.kill().await,
        stopped = child.stop(STOP_BOUND) => stopped,
    };
    if stopped == Stopped::Killed && *desired.borrow() != DesiredState::Killed {
        progress::line(format_args!("{name} did not end within {} s and was killed", STOP_BOUND.as_secs()));
    }
}

/// Ends when `state` or one further from running is desired; a supervisor that is gone desires no child.
async fn until(desired: &mut watch::Receiver<DesiredState>, state: DesiredState) {
    let _ = desired.wait_for(|desired| *desired >= state).await;
}
