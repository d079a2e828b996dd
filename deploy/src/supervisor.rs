//! Keeps children running. They start in stages (services, pages, the proxy), each when the one before is ready; a child
//! that ends is started again on its address; stages end in reverse order, so that the proxy lets visitors go first.

use crate::backoff::Backoff;
use crate::child::{self, Child, Stopped};
use crate::error::Error;
use crate::folder::Folder;
use crate::output::Sink;
use crate::plan::Spec;
use crate::progress;
use crate::readiness;
use crate::state_file::{Entry, Kind, StateFile};
use reqwest::Client;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a child may take to end after SIGTERM.
const STOP_BOUND: Duration = Duration::from_secs(5);

/// A fleet's living children. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Supervisor {
    fleet: Arc<Shared>,
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Shared {
    folder: Folder,
    state: StateFile,
    client: Client,
}

/// Children that start and end together.
#[derive(Debug)]
struct Stage {
    desired: watch::Sender<DesiredState>,
    tasks: JoinSet<()>,
}

/// What its children are to be; each is further from running than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum DesiredState {
    Running,
    Stopped,
    Killed,
}

impl Supervisor {
    /// Of a fleet without children yet.
    pub(crate) fn new(folder: Folder, listen: SocketAddr, admin: SocketAddr, client: Client) -> Result<Self, Error> {
        let state = StateFile::begin(folder.clone(), listen, admin)?;
        Ok(Self { fleet: Arc::new(Shared { folder, state, client }), stages: Vec::new() })
    }

    /// Starts a stage and waits until all of it is ready. If one is not, none of it is left.
    pub(crate) async fn start(&mut self, specs: Vec<Spec>) -> Result<(), Error> {
        let fleet = &self.fleet;
        let mut started = Vec::new();
        for spec in specs {
            started.push((fleet.spawn(&spec)?, spec));
        }
        for (child, spec) in &mut started {
            let log = fleet.folder.log(&spec.name);
            readiness::until_ready(child, spec, &fleet.client, log).await?;
        }
        let (desired, _) = watch::channel(DesiredState::Running);
        let mut tasks = JoinSet::new();
        for (child, spec) in started {
            fleet.state.change(|state| state.children.push(entry(&spec, &child)))?;
            tasks.spawn(supervise(Arc::clone(fleet), spec, child, desired.subscribe()));
        }
        self.stages.push(Stage { desired, tasks });
        Ok(())
    }

    /// Ends all children, the last stage first, each within a bound. May be dropped and followed by [`Self::kill`].
    pub(crate) async fn stop(&mut self) {
        while let Some(stage) = self.stages.last_mut() {
            stage.end(DesiredState::Stopped).await;
            self.stages.pop();
        }
    }

    /// Kills all children at once.
    pub(crate) async fn kill(&mut self) {
        for stage in &self.stages {
            stage.desired.send_replace(DesiredState::Killed);
        }
        for stage in &mut self.stages {
            stage.end(DesiredState::Killed).await;
        }
        self.stages.clear();
    }

    /// Forgets the children that have ended, before others are started in their place.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.fleet.state.change(|state| state.children.clear())
    }
}

impl Stage {
    async fn end(&mut self, state: DesiredState) {
        self.desired.send_replace(state);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Shared {
    fn spawn(&self, spec: &Spec) -> Result<Child, Error> {
        if spec.kind != Kind::Proxy {
            crate::folder::create(&self.folder.data(spec.page.as_ref().unwrap_or(&spec.name)))?;
        }
        let log = self.folder.open_log(&spec.name)?;
        let child = Child::spawn(&mut spec.command(), Sink::Log(log)).map_err(Error::at(&spec.program))?;
        child.recorded(&self.folder, &spec.name)
    }

    fn note(&self, spec: &Spec, pid: Option<i32>) {
        if let Err(error) = self.state.note(&spec.name, pid) {
            progress::error(format_args!("the control state of {} is not written: {error}", spec.name));
        }
    }
}

/// Watches one child until it is told to stop.
async fn supervise(fleet: Arc<Shared>, spec: Spec, child: Child, mut desired: watch::Receiver<DesiredState>) {
    let mut backoff = Backoff::default();
    let mut running = Some(child);
    loop {
        let since = Instant::now();
        let ended = match &mut running {
            Some(child) => tokio::select! {
                status = child.ended() => format!("ended ({})", child::how(status)),
                () = until(&mut desired, DesiredState::Stopped) => return stop(&spec.name, child, &mut desired).await,
            },
            None => "could not be started".to_owned(),
        };
        running = None;
        fleet.note(&spec, None);
        let wait = backoff.after(since.elapsed());
        let name = &spec.name;
        progress::line(format_args!("{name} {ended}, started again in {:.1} s", wait.as_secs_f64()));
        tokio::select! {
            () = sleep(wait) => {}
            () = until(&mut desired, DesiredState::Stopped) => return,
        }
        match fleet.spawn(&spec) {
            Ok(again) => {
                fleet.note(&spec, Some(again.pid()));
                running = Some(again);
            }
            Err(error) => progress::error(error),
        }
    }
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

fn entry(spec: &Spec, child: &Child) -> Entry {
    Entry {
        name: spec.name.clone(),
        kind: spec.kind,
        page: spec.page.clone(),
        address: spec.address,
        pid: Some(child.pid()),
        restarts: 0,
    }
}

#[cfg(test)]
mod tests;
