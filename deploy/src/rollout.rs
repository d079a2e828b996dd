//! `cargo fleet rollout` and `rollback`: one page gets another release while visitors browse it. The verbs ask the
//! supervisor, which does the work in `course`; so it goes on when the one who asked goes away.

mod bake;
mod course;
mod exposition;
mod figures;
mod job;
mod proxy_view;
mod steps;
mod verdict;

use crate::control::{self, Failure, Report, Request, Terms};
use crate::error::Error;
use crate::folder::Folder;
use crate::progress;
use crate::signals::Signals;
use crate::site::{Site, Turn};
use clap::Args;
use clap::builder::BoolishValueParser;
use course::Course;
pub(crate) use job::{Job, Ticket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Gives the visitors of a page the release of another program, step by step; any failure puts the old one back.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The page, by its name.
    page: String,
    /// The page's new program.
    #[arg(long, env = "PAGEFLEET_BINARY", value_name = "PATH")]
    binary: PathBuf,
    /// The percentage of visitors that get the new release while it is watched; with 0 all of them do, at once.
    #[arg(long, env = "PAGEFLEET_CANARY", default_value_t = 10, value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    canary: u8,
    /// How long the new release is watched before it gets everybody; 0s: not at all.
    #[arg(long, env = "PAGEFLEET_BAKE", default_value = "30s", value_parser = humantime::parse_duration)]
    bake: Duration,
    /// Fail, and do not promote, when there were too few requests to judge the new release by.
    #[arg(long, env = "PAGEFLEET_STRICT", value_parser = BoolishValueParser::new())]
    strict: bool,
}

/// Gives the visitors of a page the release before; cancels a rollout that is under way.
#[derive(Debug, Args)]
pub(crate) struct BackOptions {
    /// The page, by its name.
    page: String,
    /// The percentage of visitors that get the release while it is watched; with 0 all of them do, at once.
    #[arg(long, env = "PAGEFLEET_CANARY", default_value_t = 0, value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    canary: u8,
    /// How long the release is watched before it gets everybody; 0s: not at all.
    #[arg(long, env = "PAGEFLEET_BAKE", default_value = "0s", value_parser = humantime::parse_duration)]
    bake: Duration,
    /// Fail, and do not promote, when there were too few requests to judge the release by.
    #[arg(long, env = "PAGEFLEET_STRICT", value_parser = BoolishValueParser::new())]
    strict: bool,
}

/// Runs `rollout`.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let Options { page, binary, canary, bake, strict } = options;
    let binary = std::path::absolute(&binary).map_err(Error::at(&binary))?;
    ask(Request::Rollout { page, binary, terms: terms(canary, bake, strict) }).await
}

/// Runs `rollback`.
pub(crate) async fn run_back(options: BackOptions) -> Result<ExitCode, Error> {
    let BackOptions { page, canary, bake, strict } = options;
    ask(Request::Rollback { page, terms: terms(canary, bake, strict) }).await
}

fn terms(canary: u8, bake: Duration, strict: bool) -> Terms {
    Terms { canary, bake_ms: bake.as_millis().try_into().unwrap_or(u64::MAX), strict }
}

async fn ask(request: Request) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let folder = Folder::here()?;
    let page = request.subject().to_owned();
    tokio::select! {
        done = control::ask(&folder, &request) => done.map(|text| {
            progress::line(text);
            ExitCode::SUCCESS
        }),
        () = signals.next() => {
            progress::line(format_args!(
                "the rollout goes on; `cargo fleet status` shows it, `cargo fleet rollback {page}` stops it"
            ));
            Err(Error::Interrupted)
        }
    }
}

/// Does a rollout, in the supervisor.
pub(crate) async fn roll_out(
    site: &Arc<Site>,
    page: &str,
    (program, terms): (&Path, Terms),
    report: &Report,
) -> Result<String, Failure> {
    let ticket = site.begin(page)?;
    let begun = Instant::now();
    let (releases, owner, source) = (site.releases.clone(), page.to_owned(), program.to_owned());
    let kept = tokio::task::spawn_blocking(move || releases.keep(&owner, &source)).await;
    let binary = kept.map_err(|_| Failure::new("the copy of the program broke off"))??;
    if binary.id == site.served(page)?.binary.id {
        return Err(Error::SameBinary { page: page.to_owned(), binary: binary.id }.into());
    }
    report.step("copy", begun, format!("{} as {}", program.display(), binary.id));
    Course::new(site, ticket, (binary, "rollout"), (terms, report))?.run().await
}

/// Does a rollback, in the supervisor.
pub(crate) async fn roll_back(site: &Arc<Site>, page: &str, terms: Terms, report: &Report) -> Result<String, Failure> {
    let ticket = match site.begin_back(page)? {
        Turn::Begins(ticket) => ticket,
        Turn::Cancels(rollout) => {
            report.progress("the rollout is taken back");
            rollout.ended().await;
            return Ok(format!("the rollout of {page} is cancelled; what served before it serves"));
        }
    };
    let record = site.releases.record(page)?;
    let before = record.and_then(|record| record.before.into_iter().next());
    let before = before.ok_or_else(|| Error::NothingBefore { page: page.to_owned() })?;
    let binary = site.releases.binary(page, before.binary);
    if !binary.program.is_file() {
        return Err(Error::BinaryGone(binary.program).into());
    }
    Course::new(site, ticket, (binary, "rollback"), (terms, report))?.run().await
}
