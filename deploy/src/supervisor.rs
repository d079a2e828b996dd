//! Keeps children running. They start in stages (services, pages, the proxy), each when the one before is ready; a child
//! that ends is started again on its address; stages end in reverse order, so that the proxy lets visitors go first.
//! While it runs, a stage may get more children and lose some, and the proxy may get a successor.

mod supervised;

use crate::child::Child;
use crate::error::Error;
use crate::folder::Folder;
use crate::output::Sink;
use crate::plan::Spec;
use crate::progress;
use crate::readiness::{self, Patience};
use crate::state_file::{Entry, Kind, StateFile};
use reqwest::Client;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use supervised::{DesiredState, Supervised, Wish};
use tokio::sync::Mutex;

/// How long the successor of a running proxy may take until it accepts: it checks every instance first.
const SUCCESSOR_BOUND: Duration = Duration::from_secs(60);

/// A fleet's living children. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Supervisor {
    fleet: Arc<Shared>,
    /// Locked while children are ended, which whoever wants to kill them may break off.
    stages: Mutex<Vec<Stage>>,
}

#[derive(Debug)]
struct Shared {
    folder: Folder,
    state: StateFile,
    client: Client,
}

/// Children that start and end together.
type Stage = Vec<Supervised>;

/// A proxy whose successor runs.
#[derive(Debug)]
pub(crate) struct Predecessor(Wish);

impl Supervisor {
    /// Of a fleet without children yet.
    pub(crate) fn new(folder: Folder, listen: SocketAddr, admin: SocketAddr, client: Client) -> Result<Self, Error> {
        let state = StateFile::begin(folder.clone(), listen, admin)?;
        Ok(Self { fleet: Arc::new(Shared { folder, state, client }), stages: Mutex::default() })
    }

    /// Starts a stage and waits until all of it is ready. If one is not, none of it is left.
    pub(crate) async fn start(&self, specs: Vec<Spec>) -> Result<(), Error> {
        let started = self.fleet.start(specs).await?;
        let mut stages = self.stages.lock().await;
        stages.push(self.fleet.watch_all(started)?);
        Ok(())
    }

    /// Starts more children of the kind that a running stage has. If one is not ready in time, none of them is left.
    pub(crate) async fn start_more(&self, kind: Kind, specs: Vec<Spec>) -> Result<(), Error> {
        let started = self.fleet.start(specs).await?;
        let mut stages = self.stages.lock().await;
        let stage = stage_of(&mut stages, kind)?;
        stage.extend(self.fleet.watch_all(started)?);
        Ok(())
    }

    /// Ends some children, each within a bound, and forgets them. Those that are not there have ended.
    pub(crate) async fn stop_some(&self, names: &[String]) -> Result<(), Error> {
        let told: Vec<Wish> = {
            let stages = self.stages.lock().await;
            stages.iter().flatten().filter(|child| names.contains(&child.name)).map(Supervised::wish).collect()
        };
        told.iter().for_each(|child| child.is_to_be(DesiredState::Stopped));
        for child in &told {
            child.ended().await;
        }
        self.forget_ended().await;
        self.fleet.state.change(|state| state.children.retain(|child| !names.contains(&child.name)))
    }

    /// Starts a successor beside the running proxy, and when it accepts, tells the old one to let visitors go. If it does
    /// not get that far, it is gone and the old one goes on.
    pub(crate) async fn replace_proxy(&self, spec: Spec) -> Result<Predecessor, Error> {
        let mut successor = self.fleet.spawn(&spec).await?;
        let log = self.fleet.folder.log(&spec.name);
        let patience = Patience { bound: SUCCESSOR_BOUND, ..Patience::new(&self.fleet.client, log) };
        readiness::until_ready(&mut successor, &spec, patience).await?;
        let mut stages = self.stages.lock().await;
        let stage = stage_of(&mut stages, Kind::Proxy)?;
        let old = stage.iter().rfind(|child| child.kind == Kind::Proxy).expect("the stage has one");
        let old = Predecessor(old.wish());
        old.0.is_to_be(DesiredState::Replaced);
        let pid = successor.pid();
        stage.push(Supervised::new(Arc::clone(&self.fleet), spec, successor));
        let written = self.fleet.state.change(|state| {
            for proxy in state.children.iter_mut().filter(|child| child.kind == Kind::Proxy) {
                proxy.pid = Some(pid);
            }
        });
        // The old one accepts no more, so there is no way back.
        if let Err(error) = written {
            progress::error(format_args!("the control state of the new proxy is not written: {error}"));
        }
        Ok(old)
    }

    /// Ends a proxy that has a successor: at once if it has finished, else within the bound.
    pub(crate) async fn stop_replaced(&self, old: &Predecessor) {
        old.0.is_to_be(DesiredState::Stopped);
        old.ended().await;
        self.forget_ended().await;
    }

    async fn forget_ended(&self) {
        for stage in self.stages.lock().await.iter_mut() {
            stage.retain(|child| !child.has_ended());
        }
    }

    /// Ends all children, the last stage first, each within a bound. May be dropped and followed by [`Self::kill`].
    pub(crate) async fn stop(&self) {
        let mut stages = self.stages.lock().await;
        while let Some(stage) = stages.last_mut() {
            end(stage, DesiredState::Stopped).await;
            stages.pop();
        }
    }

    /// Kills all children at once.
    pub(crate) async fn kill(&self) {
        let mut stages = self.stages.lock().await;
        stages.iter().flatten().for_each(|child| child.is_to_be(DesiredState::Killed));
        for stage in stages.iter_mut() {
            end(stage, DesiredState::Killed).await;
        }
        stages.clear();
    }

    /// Forgets the children that have ended, before others are started in their place.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.fleet.state.change(|state| state.children.clear())
    }

    /// What others see of it.
    pub(crate) fn state(&self) -> &StateFile {
        &self.fleet.state
    }
}

impl Predecessor {
    /// Ends when it has.
    pub(crate) async fn ended(&self) {
        self.0.ended().await;
    }
}

/// Fails when the fleet has begun to end.
fn stage_of(stages: &mut [Stage], kind: Kind) -> Result<&mut Stage, Error> {
    stages.iter_mut().find(|stage| stage.iter().any(|child| child.kind == kind)).ok_or(Error::Interrupted)
}

async fn end(stage: &mut Stage, state: DesiredState) {
    stage.iter().for_each(|child| child.is_to_be(state));
    for child in stage {
        child.ended().await;
    }
}

impl Shared {
    async fn start(&self, specs: Vec<Spec>) -> Result<Vec<(Child, Spec)>, Error> {
        let mut started = Vec::new();
        for spec in specs {
            started.push((self.spawn(&spec).await?, spec));
        }
        for (child, spec) in &mut started {
            let log = self.folder.log(&spec.name);
            readiness::until_ready(child, spec, Patience::new(&self.client, log)).await?;
        }
        Ok(started)
    }

    fn watch_all(self: &Arc<Self>, started: Vec<(Child, Spec)>) -> Result<Stage, Error> {
        let entries: Vec<Entry> = started.iter().map(|(child, spec)| entry(spec, child)).collect();
        self.state.change(|state| state.children.extend(entries))?;
        Ok(started.into_iter().map(|(child, spec)| Supervised::new(Arc::clone(self), spec, child)).collect())
    }

    async fn spawn(&self, spec: &Spec) -> Result<Child, Error> {
        if spec.kind != Kind::Proxy {
            crate::folder::create(&self.folder.data(spec.page.as_ref().unwrap_or(&spec.name)))?;
        }
        let log = self.folder.open_log(&spec.name)?;
        let child = Child::spawn(&mut spec.command()?, Sink::Log(log)).await.map_err(Error::at(&spec.program))?;
        // With its pid: a proxy that ends and its successor have a run file each.
        let run = format!("{}-{}", spec.name, child.pid());
        child.recorded(&self.folder, &run)
    }

    fn note(&self, spec: &Spec, was: Option<i32>, is: Option<i32>) {
        if let Err(error) = self.state.note(&spec.name, was, is) {
            progress::error(format_args!("the control state of {} is not written: {error}", spec.name));
        }
    }
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
