//! Builds one page, runs it alone, and again after each change. What is known of the build is in one place, where the
//! forwarding server waits for it and the browser hears of it.

use super::page_routes::PageRoutes;
use super::watcher::Changes;
use crate::builder;
use crate::child::{self, Child};
use crate::error::Error;
use crate::folder::Folder;
use crate::layout::Page;
use crate::output::Sink;
use crate::progress;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// How long the page may take to listen, and to end.
const START_BOUND: Duration = Duration::from_secs(20);
const STOP_BOUND: Duration = Duration::from_secs(2);

/// What is known of the page.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// Of the last build.
    pub(crate) build: Build,
    /// Names the last build that could be browsed; 0 before the first. Differs from those of an earlier `dev`, which an
    /// open browser may still know.
    pub(crate) last_good: u64,
    /// The page's paths, as its source says now.
    pub(crate) routes: PageRoutes,
}

/// A build, from the change that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Build {
    /// Not done yet; requests wait.
    Running,
    /// The page listens.
    Serving(SocketAddr),
    /// There is no page, and why.
    Failed {
        /// One line.
        what: String,
        /// What the compiler or the page said.
        said: String,
    },
}

/// Where and what to build.
#[derive(Debug)]
pub(crate) struct Rebuilder {
    pub(crate) root: PathBuf,
    /// Where the page's run file is.
    pub(crate) folder: Folder,
    pub(crate) page: Page,
    /// Under which address the page is browsed.
    pub(crate) site: String,
}

impl State {
    /// Before the first build.
    pub(crate) fn new(routes: PageRoutes) -> Self {
        Self { build: Build::Running, last_good: 0, routes }
    }
}

impl Rebuilder {
    /// Works until dropped; fails only when cargo can't be run at all.
    pub(crate) async fn run(&self, states: watch::Sender<State>, mut changes: Changes) -> Result<(), Error> {
        let mut running = None;
        loop {
            states.send_modify(|state| state.build = Build::Running);
            changes.settled().await;
            let begun = Instant::now();
            let built = tokio::select! {
                built = builder::build_page(&self.root, &self.page.name) => built?,
                () = changes.begun() => continue,
            };
            let outcome = match built {
                Ok(program) => self.replace(&mut running, &program).await,
                Err(said) => Err((format!("{} does not build", self.page.name), said)),
            };
            self.tell(&states, outcome, begun);
            tokio::select! {
                () = changes.begun() => continue,
                (status, said) = end_of(&mut running) => {
                    let what = format!("{} ended ({})", self.page.name, child::how(status));
                    self.tell(&states, Err((what, said)), begun);
                }
            }
            running = None;
            changes.begun().await;
        }
    }

    /// Ends the page of the last build and starts that of this one.
    async fn replace(&self, running: &mut Option<Child>, program: &Path) -> Result<SocketAddr, (String, String)> {
        if let Some(mut old) = running.take() {
            old.stop(STOP_BOUND).await;
        }
        let mut command = Command::new(program);
        command.args(["--standalone", "--listen", "127.0.0.1:0"]).env("PAGEFLEET_SETTLE", "0s");
        let name = &self.page.name;
        let spawned = Child::spawn(&mut command, Sink::Terminal).await.map_err(Error::at(program));
        let mut page = spawned
            .and_then(|page| page.recorded(&self.folder, &format!("dev-{name}")))
            .map_err(|error| (format!("{name} can't be started"), error.to_string()))?;
        let what = match timeout(START_BOUND, page.listening()).await {
            Ok(Ok(listening)) => match listening.address {
                Some(address) => {
                    *running = Some(page);
                    return Ok(address);
                }
                None => format!("{name} does not say where it listens"),
            },
            Ok(Err(status)) => format!("{name} ended ({}) before it listened", child::how(status)),
            Err(_) => format!("{name} did not listen within {} s", START_BOUND.as_secs()),
        };
        Err((what, page.last_lines().await.join("\n")))
    }

    /// Makes the outcome of a build known: to the terminal, to waiting requests, to open browsers.
    fn tell(&self, states: &watch::Sender<State>, outcome: Result<SocketAddr, (String, String)>, begun: Instant) {
        let seconds = begun.elapsed().as_secs_f64();
        let build = match outcome {
            Ok(address) => Build::Serving(address),
            Err((what, said)) => {
                progress::error(format_args!("{what}; waiting for a change"));
                Build::Failed { what, said }
            }
        };
        let source = Page::read(&self.root.join("pages").join(&self.page.name));
        let routes = source.ok().and_then(|page| PageRoutes::of(&page).ok());
        let is_first = states.borrow().last_good == 0;
        if matches!(build, Build::Serving(_)) {
            if is_first {
                progress::line(format_args!("ready {}{}", self.site, self.page.first_path().unwrap_or("/")));
            } else {
                progress::step("built", format_args!("{} in {seconds:.1} s", self.page.name));
            }
        }
        states.send_modify(|state| {
            state.last_good = if matches!(build, Build::Serving(_)) { now() } else { state.last_good };
            state.build = build;
            state.routes = routes.unwrap_or_else(|| state.routes.clone());
        });
    }
}

/// Ends when the page has, by itself, with what it said last; never if none runs.
async fn end_of(running: &mut Option<Child>) -> (ExitStatus, String) {
    match running {
        Some(page) => (page.ended().await, page.last_lines().await.join("\n")),
        None => std::future::pending().await,
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
