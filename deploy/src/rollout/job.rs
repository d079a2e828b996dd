//! One rollout, to those who are not the rollout: how far it is, and whether it may still be cancelled. It may until it has
//! committed, which is one moment: whoever comes later starts a rollback.

use crate::progress;
use crate::releases::now;
use crate::state_file::{Fleet, Rollout};
use crate::supervisor::Supervisor;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;

/// A rollout that is, or was, under way.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    id: u64,
    since: Timestamp,
    phase: Arc<watch::Sender<Phase>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Underway,
    Cancelled,
    Committed,
    Ended,
}

/// A rollout's place: it is shown to others until this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    supervisor: Arc<Supervisor>,
    page: String,
    job: Job,
}

impl Job {
    /// Of a rollout that begins now.
    pub(crate) fn begin(id: u64) -> Self {
        Self { id, since: now(), phase: Arc::new(watch::channel(Phase::Underway).0) }
    }

    /// When it began.
    pub(crate) fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether nothing of it is left to do.
    pub(crate) fn has_ended(&self) -> bool {
        *self.phase.borrow() == Phase::Ended
    }

    /// Cancels it; says whether it is cancelled, which is too late once it has committed.
    pub(crate) fn cancel(&self) -> bool {
        self.moves(Phase::Underway, Phase::Cancelled) || *self.phase.borrow() == Phase::Cancelled
    }

    /// Says whether from now on it can't be cancelled any more, or it was before.
    pub(crate) fn commit(&self) -> bool {
        self.moves(Phase::Underway, Phase::Committed)
    }

    /// Ends when it is cancelled, which may be never.
    pub(crate) async fn cancelled(&self) {
        self.until(Phase::Cancelled).await;
    }

    /// Ends when nothing of it is left to do.
    pub(crate) async fn ended(&self) {
        self.until(Phase::Ended).await;
    }

    fn moves(&self, from: Phase, to: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let moves = *phase == from;
            if moves {
                *phase = to;
            }
            moves
        })
    }

    async fn until(&self, wanted: Phase) {
        let _ = self.phase.subscribe().wait_for(|phase| *phase == wanted).await;
    }
}

impl Ticket {
    /// Of a job that has just begun.
    pub(crate) fn new(supervisor: Arc<Supervisor>, page: &str, job: Job) -> Self {
        let ticket = Self { supervisor, page: page.to_owned(), job };
        let (id, since) = (ticket.job.id, ticket.job.since);
        let shown = Rollout { id, page: page.to_owned(), step: "begin".to_owned(), share: 0, release: None, since };
        ticket.change(|fleet| fleet.rollouts.push(shown));
        ticket
    }

    /// Of which page.
    pub(crate) fn page(&self) -> &str {
        &self.page
    }

    /// The job.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Shows others what has changed.
    pub(crate) fn show(&self, change: impl FnOnce(&mut Rollout)) {
        let id = self.job.id;
        self.change(|fleet| {
            if let Some(shown) = fleet.rollouts.iter_mut().find(|rollout| rollout.id == id) {
                change(shown);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Fleet)) {
        if let Err(error) = self.supervisor.state().change(change) {
            progress::error(format_args!("the control state of a rollout is not written: {error}"));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let id = self.job.id;
        self.change(|fleet| fleet.rollouts.retain(|rollout| rollout.id != id));
        self.job.phase.send_replace(Phase::Ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rollout_can_be_cancelled_until_it_commits() {
        let job = Job::begin(1);
        assert!(job.cancel() && job.cancel(), "whoever cancels it too is told that it is");
        job.cancelled().await;
        assert!(!job.commit());
        let job = Job::begin(2);
        assert!(job.commit());
        assert!(!job.cancel() && !job.has_ended());
        job.phase.send_replace(Phase::Ended);
        job.ended().await;
        assert!(job.has_ended() && !job.cancel());
    }
}
