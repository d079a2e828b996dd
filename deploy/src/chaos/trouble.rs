//! Makes the faults of a schedule: signals to processes, and spoiled answers at their fronts. Each is undone when its
//! time is over, so that none is left at the end.

use super::diary::Diary;
use super::ground::Ground;
use super::schedule::{Fault, Kind};
use crate::progress;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// A fault that was made, or was to be.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) fault: Fault,
    /// From when to when, from the start of the run.
    pub(super) from: Duration,
    pub(super) to: Option<Duration>,
    /// Whether it could be made: what is down already can't be killed.
    pub(super) done: bool,
}

/// The faults so far.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Vec<Made>>);

impl Trouble {
    /// Makes all faults, each when it is due. Ends when the last is undone.
    pub(super) async fn make(self: &Arc<Self>, schedule: &[Fault], ground: &Arc<Ground>, diary: &Arc<Diary>) {
        let mut faults = JoinSet::new();
        for fault in schedule.iter().cloned() {
            let (trouble, ground, diary) = (Arc::clone(self), Arc::clone(ground), Arc::clone(diary));
            faults.spawn(async move {
                sleep_until(diary.at(fault.at)).await;
                let made = fault.begin(&ground);
                let number = trouble.began(fault.clone(), diary.now(), made.is_some());
                sleep_until(diary.at(fault.at + fault.lasts)).await;
                fault.end(&ground, made);
                trouble.ended(number, diary.now());
            });
        }
        faults.join_all().await;
    }

    fn began(&self, fault: Fault, from: Duration, done: bool) -> usize {
        let remark = if done { "" } else { " (it is down already)" };
        progress::step("fault", format_args!("{:>5.1} s  {fault}{remark}", from.as_secs_f64()));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Made { fault, from, to: None, done });
        all.len() - 1
    }

    fn ended(&self, number: usize, to: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[number].to = Some(to);
    }

    /// All so far, in the order of their begin.
    pub(super) fn all(&self) -> Vec<Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Made {
    /// Whether it was there at any time between these two.
    pub(super) fn meets(&self, began: Duration, ended: Duration) -> bool {
        self.done && self.from <= ended && self.to.is_none_or(|to| to >= began)
    }
}

impl Fault {
    /// The process that is hit; none when there is none now.
    fn begin(&self, ground: &Ground) -> Option<i32> {
        let pid = ground.pid(&self.target)?;
        match self.kind {
            Kind::Kill | Kind::KillProxy => kill(ground, &self.target, pid),
            Kind::Stop { .. } => send(pid, Signal::STOP),
            Kind::Spoil(spoil) => ground.fronts.get(&self.target)?.spoils(Some(spoil)),
        }
        Some(pid)
    }

    fn end(&self, ground: &Ground, hit: Option<i32>) {
        if let (Kind::Spoil(_), Some(front)) = (self.kind, ground.fronts.get(&self.target)) {
            front.spoils(None);
        }
        // The target may be another process by now, which has not been stopped.
        let Some(pid) = hit.filter(|hit| ground.pid(&self.target) == Some(*hit)) else { return };
        match self.kind {
            Kind::Stop { recovers: true } => send(pid, Signal::CONT),
            Kind::Stop { recovers: false } => kill(ground, &self.target, pid),
            Kind::Kill | Kind::KillProxy | Kind::Spoil(_) => {}
        }
    }
}

fn kill(ground: &Ground, target: &str, pid: i32) {
    send(pid, Signal::KILL);
    if let Some(front) = ground.fronts.get(target) {
        front.look();
    }
}

/// Children lead groups of their own.
fn send(pid: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(pid) {
        let _ = kill_process_group(group, signal);
    }
}

/// How many faults of each kind were made.
pub(super) fn by_kind(faults: &[Made]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for made in faults.iter().filter(|made| made.done) {
        *counts.entry(made.fault.kind.name()).or_default() += 1;
    }
    counts
}
