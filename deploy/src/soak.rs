//! `cargo fleet soak`: the fleet's soak test in full, with what it counts on the terminal.

use crate::error::Error;
use crate::layout::Layout;
use crate::signals::Signals;
use crate::{builder, preflight};
use clap::Args;
use std::process::ExitCode;

/// Builds like `test` and runs the soak in full: rollouts, rollbacks and crashes.
#[derive(Debug, Args)]
pub(crate) struct Options {}

/// Runs the verb; its exit code is that of the test.
pub(crate) async fn run(Options {}: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let layout = Layout::find()?;
    preflight::check(preflight::FOR_THE_FLEET, &mut signals).await?;
    signals.interrupt(soak(&layout)).await
}

async fn soak(layout: &Layout) -> Result<ExitCode, Error> {
    let programs = builder::build_workspace(&layout.root, false).await?;
    let mut soak = builder::cargo(&layout.root, "test");
    soak.args(["--package", "fleet-tests", "--test", "fleet", "--", "soak::", "--nocapture"]);
    // One after the other: what is timed must not wait for what is counted.
    soak.arg("--test-threads=1").env("PAGEFLEET_SOAK", "full").env("PAGEFLEET_BIN_DIR", programs.folder()?);
    let status = soak.status().await.map_err(Error::Cargo)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
