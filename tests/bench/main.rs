//! `pagefleet-bench`: our proxy beside its peers at the same job, in front of the same pages, in one run; and each page
//! beside a hello-world. This file knows the order; `cargo fleet bench` builds what is started here.

mod decisions;
mod discovery;
mod error;
mod ground;
mod job;
mod latency;
mod load;
mod many_pages;
mod memory;
mod page_figures;
mod pages;
mod peers;
mod probe;
mod report;
mod rollout;
mod rounds;
mod scenarios;
mod server;
mod statistics;
mod targets;
mod tools;
mod usage;
mod visit;

use clap::Parser;
use error::Error;
use ground::Ground;
use peers::{Kind, Peer};
use report::Report;
use rounds::{Effort, Outcome, Scenario};
use scenarios::{Shop, start_all};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// The shell's code for a program that a signal ended before it was done.
const INTERRUPTED: u8 = 130;
const QUICK: Effort = Effort { rounds: 5, others: 0, seconds: 1 };
const FULL: Effort = Effort { rounds: 5, others: 4, seconds: 1 };
/// For what most of the targets are about.
const MORE: Effort = Effort { rounds: 7, others: 4, seconds: 1 };

/// Measures our proxy beside its peers, and pages beside a hello-world.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The folder of a release build of all that is started.
    #[arg(long, env = "PAGEFLEET_BIN_DIR", value_name = "DIR")]
    bin_dir: PathBuf,
    /// The workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    root: PathBuf,
    /// Where the report is written to.
    #[arg(long, default_value = "target/bench", value_name = "DIR")]
    out: PathBuf,
    /// Only what the last line tells, beside nginx alone.
    #[arg(long)]
    quick: bool,
    /// Envoy's program; without it there is no Envoy.
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
    /// oha's program; without it there are no latencies.
    #[arg(long, value_name = "FILE")]
    oha: Option<PathBuf>,
    /// Criterion's folder, for what decisions cost.
    #[arg(long, value_name = "DIR")]
    criterion: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match interruptible(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A run that a signal ends: what it started ends as it is dropped.
async fn interruptible(args: Args) -> Result<(), Error> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        done = run(args) => done,
        _ = interrupt.recv() => Err(Error::Interrupted),
        _ = terminate.recv() => Err(Error::Interrupted),
    }
}

async fn run(args: Args) -> Result<(), Error> {
    let started = Instant::now();
    memory::raise_file_limit()?;
    std::fs::create_dir_all(&args.out).map_err(Error::at(&args.out))?;
    let tools = tools::Tools::find(args.bin_dir.clone(), args.envoy.clone(), args.oha.clone())?;
    let ground = Ground::start(&args.root, tools).await?;
    let mut report = measure(&args, &ground).await?;
    report.took = started.elapsed();
    let text = report::markdown::whole(&report);
    let write = |name: &str, text: &str| {
        let file = args.out.join(name);
        std::fs::write(&file, text).map_err(Error::at(&file))
    };
    write("report.md", &text)?;
    write("report.json", &format!("{:#}\n", report::json::whole(&report)))?;
    report::plots::write(&report, &args.out)?;
    println!("{text}\nreport {}\n{}", args.out.join("report.md").display(), report.last_line());
    Ok(())
}

async fn measure(args: &Args, ground: &Ground) -> Result<Report, Error> {
    let kinds: &[Kind] = if args.quick { &[Kind::Pagefleet, Kind::Nginx] } else { &Kind::ALL };
    let peers = start_all(ground, (kinds, "shop"), &ground.shop(true).await?).await?;
    let mut idle = Vec::new();
    for peer in &peers {
        idle.push(usage::memory(peer.pid())?.pss_kib);
    }
    let shop = Shop::read(ground).await?;
    let warm = shop.visit_warm(ground, &peers).await?;
    let mut report = Report {
        machine: report::machine(),
        versions: kinds.iter().filter_map(|kind| Some((*kind, kind.version(&ground.tools)?))).collect(),
        took: std::time::Duration::ZERO,
        outcomes: Vec::new(),
        latency: Vec::new(),
        memory: Vec::new(),
        pages: Vec::new(),
        decisions: Vec::new(),
        visits: told_visits(&shop, &warm),
        notes: notes(kinds, ground),
    };
    if args.quick {
        let scenarios =
            [shop.page_proxied(&peers), shop.asset(&peers), shop.asset_not_modified(ground, &peers).await?, warm];
        for scenario in &scenarios {
            report.outcomes.push(told(scenario, ground, QUICK).await?);
        }
        return Ok(report);
    }
    for scenario in [shop.page_proxied(&peers), shop.asset(&peers), shop.visit_cold(&peers), warm] {
        report.outcomes.push(told(&scenario, ground, MORE).await?);
    }
    for scenario in [
        shop.page_from_cache(&peers),
        shop.asset_compressed(ground, &peers).await?,
        shop.asset_not_modified(ground, &peers).await?,
    ] {
        report.outcomes.push(told(&scenario, ground, FULL).await?);
    }
    others(args, ground, peers, &idle, &mut report).await?;
    Ok(report)
}

/// What a full run measures beside the scenarios of the shop.
async fn others(
    args: &Args,
    ground: &Ground,
    peers: Vec<Peer>,
    idle: &[u64],
    report: &mut Report,
) -> Result<(), Error> {
    match &ground.tools.oha {
        Some(oha) => {
            step("latency");
            report.latency = latency::run(ground, &peers, oha).await?;
        }
        None => report.notes.push("No latencies: oha could not be had.".to_owned()),
    }
    step("memory");
    for (peer, idle_kib) in peers.iter().zip(idle) {
        report.memory.push(memory::run(ground, peer, *idle_kib).await?);
    }
    drop(peers);
    let plain = start_all(ground, (&Kind::ALL, "plain"), &ground.shop(false).await?).await?;
    let by_referer = scenarios::asset_by_referer(ground, &plain).await?;
    report.outcomes.push(told(&by_referer, ground, FULL).await?);
    drop(plain);
    step("many_pages");
    report.outcomes.extend(many_pages::run(ground, FULL).await?);
    step("during_rollout");
    report.outcomes.push(rollout::run(ground, FULL).await?);
    step("page BFFs");
    report.pages = page_figures::run(ground).await?;
    report.decisions = args.criterion.as_deref().map(decisions::read).unwrap_or_default();
    if report.decisions.is_empty() {
        report.notes.push("No costs of decisions: criterion left no estimates.".to_owned());
    }
    Ok(())
}

/// Measures a scenario, and says so.
async fn told(scenario: &Scenario, ground: &Ground, effort: Effort) -> Result<Outcome, Error> {
    step(&scenario.name);
    rounds::run(scenario, ground, effort).await
}

fn step(what: &str) {
    println!("measuring  {what}");
}

fn told_visits(shop: &Shop, warm: &Scenario) -> [Vec<String>; 2] {
    let cold = shop.visit.iter().map(|step| {
        let referer = step.referer.as_deref().map(|referer| format!(", Referer {referer}")).unwrap_or_default();
        let bytes = step.expected.body.as_ref().map_or(0, Vec::len);
        let kind = if scenarios::is_asset(step) { "asset" } else { "page" };
        format!("GET {}{referer}: {} {kind}, {bytes} B", step.path, step.expected.status)
    });
    let asks = warm.cells.first().map(|cell| cell.asks.iter().zip(&cell.expected)).into_iter().flatten();
    let warm = asks.map(|(ask, expected)| format!("GET {}: {}", ask.path, expected.status));
    [cold.collect(), warm.collect()]
}

fn notes(kinds: &[Kind], ground: &Ground) -> Vec<String> {
    let missing = kinds.iter().filter(|kind| ground.tools.program(**kind).is_none());
    let missing = missing.map(|kind| format!("No {}: it is not installed.", kind.name()));
    let known = [
        "CPU is user and system time of all of a peer's processes; no process is pinned to a core.",
        "Every peer has one worker or thread, keeps its connections to pages, and writes no access log.",
        "A ratio is the median of the rounds' ratios; in brackets are the lowest and the highest round.",
        "Envoy has no cache: it asks the page for each asset and each page.",
        "nginx and Varnish compress an asset once and keep it so; HAProxy and Envoy send it as the page does.",
        "nginx has room for 16,384 connections, and HAProxy its whole cache, from the start: it is in their idle memory.",
        "In `many_pages` no peer checks its instances' health while it is measured.",
    ];
    missing.chain(known.into_iter().map(str::to_owned)).collect()
}
