//! `cargo fleet upgrade-proxy`: another proxy takes the place of the one that runs. It gets the listening sockets, accepts
//! beside the old one for a moment, and then the old one only finishes what it has begun: no connection is refused.

use crate::builder;
use crate::child::{self, Child};
use crate::control::{self, Failure, Report, Request};
use crate::error::Error;
use crate::folder::Folder;
use crate::layout::Layout;
use crate::output::Sink;
use crate::plan::Spec;
use crate::preflight;
use crate::progress;
use crate::releases::Binary;
use crate::signals::Signals;
use crate::site::{Site, UpgradeTurn};
use crate::sockets::Sockets;
use crate::state_file;
use crate::supervisor::Predecessor;
use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a new proxy may look at its configuration.
const CHECK_BOUND: Duration = Duration::from_secs(30);
/// What an old proxy may take beyond its grace before it is stopped.
const BEYOND_GRACE: Duration = Duration::from_secs(5);
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Puts a new proxy binary in the place of the running one; no connection is lost.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The new proxy's program; without, the workspace's is built, as `up` built it.
    #[arg(long, env = "PAGEFLEET_BINARY", value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let folder = Folder::here()?;
    let binary = match options.binary {
        Some(binary) => std::path::absolute(&binary).map_err(Error::at(&binary))?,
        None => build(&folder, &mut signals).await?,
    };
    let request = Request::UpgradeProxy { binary };
    tokio::select! {
        done = control::ask(&folder, &request) => done.map(|text| {
            progress::line(text);
            ExitCode::SUCCESS
        }),
        () = signals.next() => {
            progress::line("the upgrade goes on; `cargo fleet status` shows the proxy that runs");
            Err(Error::Interrupted)
        }
    }
}

async fn build(folder: &Folder, signals: &mut Signals) -> Result<PathBuf, Error> {
    let fleet = state_file::read(folder).ok_or_else(|| Error::NoFleet(folder.path().to_owned()))?;
    let layout = Layout::find()?;
    preflight::check(preflight::FOR_THE_FLEET, signals).await?;
    signals.interrupt(builder::build_proxy(&layout.root, fleet.release_build)).await
}

/// Does the upgrade, in the supervisor.
pub(crate) async fn upgrade(site: &Arc<Site>, program: &Path, report: &Report) -> Result<String, Failure> {
    let turn = site.begin_upgrade()?;
    let upgraded = replace(site, &turn, program, report).await;
    if let Err(error) = site.releases.prune("proxy", &[id_of(&turn.proxy().program)]) {
        progress::error(error);
    }
    upgraded.map_err(|failure| {
        let reason = format!("the upgrade failed: {}; the old proxy goes on", failure.reason);
        Failure { reason, ..failure }
    })
}

/// Fails only as long as the old proxy serves.
async fn replace(site: &Site, turn: &UpgradeTurn, program: &Path, report: &Report) -> Result<String, Failure> {
    let begun = Instant::now();
    let binary = keep(site, program).await?;
    report.step("copy", begun, format!("{} as {}", program.display(), binary.id));
    let spec = Spec { program: binary.program.clone(), ..turn.proxy() };
    let begun = Instant::now();
    check(&spec).await?;
    report.step("check", begun, site.folder.proxy_file().display().to_string());
    let waited = site.admin.fleet().await.map(|answer| answer.config.needs_upgrade).unwrap_or_default();
    let begun = Instant::now();
    report.progress("start: the new proxy checks every instance");
    let old = site.supervisor.replace_proxy(spec.clone()).await?;
    turn.runs(spec);
    report.step("start", begun, "the new proxy accepts, the old one does not any more");
    let begun = Instant::now();
    let in_time = old_ends(site, &old, report).await;
    report.step("drain", begun, if in_time { "the old proxy has ended" } else { "the old proxy was stopped" });
    let keys = if waited.is_empty() { String::new() } else { format!("; {} had waited for it", waited.join(", ")) };
    Ok(format!("proxy {} serves{keys}", binary.id))
}

async fn keep(site: &Site, program: &Path) -> Result<Binary, Failure> {
    let (releases, source) = (site.releases.clone(), program.to_owned());
    let kept = tokio::task::spawn_blocking(move || releases.keep("proxy", &source)).await;
    Ok(kept.map_err(|_| Failure::new("the copy of the program broke off"))??)
}

/// The folder that a kept program is in is named by its id.
fn id_of(program: &Path) -> &str {
    program.parent().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default()
}

/// Has the new proxy look at its configuration, before it gets anything of the old one's.
async fn check(spec: &Spec) -> Result<(), Failure> {
    let mut command = Spec { sockets: Sockets::default(), ..spec.clone() }.command().map_err(Error::System)?;
    let checked = Child::spawn(command.arg("--check"), Sink::Nowhere).await;
    let mut checked = checked.map_err(Error::at(&spec.program))?;
    let reason = match timeout(CHECK_BOUND, checked.ended()).await {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("its --check fails ({})", child::how(status)),
        Err(_) => format!("its --check took more than {} s", CHECK_BOUND.as_secs()),
    };
    let details = checked.last_lines().await.iter().map(|line| format!("| {line}")).collect();
    Err(Failure { reason, details })
}

/// Waits until the old proxy has finished what it had begun; says whether it did so in time.
async fn old_ends(site: &Site, old: &Predecessor, report: &Report) -> bool {
    let begun = Instant::now();
    let deadline = begun + site.proxy_grace() + BEYOND_GRACE;
    let mut next = begun;
    loop {
        tokio::select! {
            biased;
            () = old.ended() => break,
            () = sleep_until(next.min(deadline)) => {}
        }
        if Instant::now() >= deadline {
            site.supervisor.stop_replaced(old).await;
            return false;
        }
        report.progress(format!("drain: the old proxy finishes what it has begun, {} s", begun.elapsed().as_secs()));
        next += TOLD_EVERY;
    }
    site.supervisor.stop_replaced(old).await;
    true
}
