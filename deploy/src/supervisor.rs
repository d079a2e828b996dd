//! Keeps children running. They start in crews (services, pages, the proxy), each when the one before is ready; a child
//! that ends is started again on its address; crews end in reverse order, so that the proxy lets visitors go first.

use crate::backoff::Backoff;
use crate::child::{self, Child, Stopped};
use crate::error::Error;
use crate::folder::Folder;
use crate::leftovers::RunFile;
use crate::output::Sink;
use crate::plan::Spec;
use crate::progress;
use crate::readiness;
use crate::roster::{Entry, Kind, Roster};
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
    crews: Vec<Crew>,
}

#[derive(Debug)]
struct Shared {
    folder: Folder,
    roster: Roster,
    client: Client,
}

/// Children that start and end together.
#[derive(Debug)]
struct Crew {
    orders: watch::Sender<Order>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Order {
    Run,
    Stop,
    Kill,
}

/// A started child with its run file, which goes when the child has gone.
#[derive(Debug)]
struct Running {
    child: Child,
    _file: RunFile,
}

impl Supervisor {
    /// Of a fleet without children yet.
    pub(crate) fn new(folder: Folder, listen: SocketAddr, admin: SocketAddr, client: Client) -> Result<Self, Error> {
        let roster = Roster::begin(folder.clone(), listen, admin)?;
        Ok(Self { fleet: Arc::new(Shared { folder, roster, client }), crews: Vec::new() })
    }

    /// Starts a crew and waits until all of it is ready. If one is not, none of it is left.
    pub(crate) async fn start(&mut self, specs: Vec<Spec>) -> Result<(), Error> {
        let fleet = &self.fleet;
        let mut started = Vec::new();
        for spec in specs {
            started.push((fleet.spawn(&spec)?, spec));
        }
        for (running, spec) in &mut started {
            let log = fleet.folder.log(&spec.name);
            readiness::until_ready(&mut running.child, spec, &fleet.client, log).await?;
        }
        let (orders, _) = watch::channel(Order::Run);
        let mut tasks = JoinSet::new();
        for (running, spec) in started {
            fleet.roster.change(|roster| roster.children.push(entry(&spec, &running)))?;
            tasks.spawn(supervise(Arc::clone(fleet), spec, running, orders.subscribe()));
        }
        self.crews.push(Crew { orders, tasks });
        Ok(())
    }

    /// Ends all children, the last crew first, each within a bound. May be dropped and followed by [`Self::kill`].
    pub(crate) async fn stop(&mut self) {
        while let Some(crew) = self.crews.last_mut() {
            crew.end(Order::Stop).await;
            self.crews.pop();
        }
    }

    /// Kills all children at once.
    pub(crate) async fn kill(&mut self) {
        for crew in &self.crews {
            crew.orders.send_replace(Order::Kill);
        }
        for crew in &mut self.crews {
            crew.end(Order::Kill).await;
        }
        self.crews.clear();
    }

    /// Forgets the children that have ended, before others are started in their place.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.fleet.roster.change(|roster| roster.children.clear())
    }
}

impl Crew {
    async fn end(&mut self, order: Order) {
        self.orders.send_replace(order);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Shared {
    fn spawn(&self, spec: &Spec) -> Result<Running, Error> {
        if spec.kind != Kind::Proxy {
            crate::folder::create(&self.folder.data(spec.page.as_ref().unwrap_or(&spec.name)))?;
        }
        let log = self.folder.open_log(&spec.name)?;
        let child = Child::spawn(&mut spec.command(), Sink::Log(log)).map_err(Error::at(&spec.program))?;
        let file = RunFile::write(&self.folder, &spec.name, child.pid())?;
        Ok(Running { child, _file: file })
    }

    fn note(&self, spec: &Spec, pid: Option<i32>) {
        if let Err(error) = self.roster.note(&spec.name, pid) {
            progress::error(format_args!("the control state of {} is not written: {error}", spec.name));
        }
    }
}

/// Watches one child until it is told to stop.
async fn supervise(fleet: Arc<Shared>, spec: Spec, running: Running, mut orders: watch::Receiver<Order>) {
    let mut backoff = Backoff::default();
    let mut running = Some(running);
    loop {
        let since = Instant::now();
        let ended = match &mut running {
            Some(Running { child, .. }) => tokio::select! {
                status = child.ended() => format!("ended ({})", child::how(status)),
                () = told(&mut orders, Order::Stop) => return stop(&spec.name, child, &mut orders).await,
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
            () = told(&mut orders, Order::Stop) => return,
        }
        match fleet.spawn(&spec) {
            Ok(again) => {
                fleet.note(&spec, Some(again.child.pid()));
                running = Some(again);
            }
            Err(error) => progress::error(error),
        }
    }
}

async fn stop(name: &str, child: &mut Child, orders: &mut watch::Receiver<Order>) {
    let stopped = tokio::select! {
        biased;
        () = told(orders, Order::Kill) => child.kill().await,
        stopped = child.stop(STOP_BOUND) => stopped,
    };
    if stopped == Stopped::Killed && *orders.borrow() != Order::Kill {
        progress::line(format_args!("{name} did not end within {} s and was killed", STOP_BOUND.as_secs()));
    }
}

/// Ends when `order` or a stronger one is given; a supervisor that is gone gives the strongest.
async fn told(orders: &mut watch::Receiver<Order>, order: Order) {
    let _ = orders.wait_for(|given| *given >= order).await;
}

fn entry(spec: &Spec, running: &Running) -> Entry {
    Entry {
        name: spec.name.clone(),
        kind: spec.kind,
        page: spec.page.clone(),
        address: spec.address,
        pid: Some(running.child.pid()),
        restarts: 0,
    }
}

#[cfg(test)]
mod tests;
