//! `cargo fleet test`: installs what the tests need, builds the programs that they start, and runs every test.

use crate::builder;
use crate::error::Error;
use crate::layout::Layout;
use crate::signals::Signals;
use crate::{preflight, progress};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use tokio::process::Command;

/// Installs what the tests need and runs every test of the workspace.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Names, or parts of names, of the tests to run, and flags for the test programs; all tests without any.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<String>,
}

/// Runs the verb; its exit code is that of the tests.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let layout = Layout::find()?;
    preflight::check(preflight::FOR_THE_TESTS, &mut signals).await?;
    signals.interrupt(all_tests(&options, &layout)).await
}

async fn all_tests(options: &Options, layout: &Layout) -> Result<ExitCode, Error> {
    let programs = builder::build_workspace(&layout.root, false).await?;
    let folder = programs.folder()?;
    let mut tests = builder::cargo(&layout.root, "test");
    tests.arg("--workspace").env("PAGEFLEET_BIN_DIR", folder);
    match axe(folder.parent().unwrap_or(folder)).await {
        Ok(script) => {
            tests.env("PAGEFLEET_AXE", script);
        }
        Err(reason) => progress::step("skipping", format_args!("the accessibility test: {reason}")),
    }
    if !options.filters.is_empty() {
        tests.arg("--").args(&options.filters);
    }
    // In our own process group: a Ctrl-C reaches the fleets that tests have started too, and they end in good order.
    let status = tests.status().await.map_err(Error::Cargo)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The axe-core script, installed under the target folder once; else why there is none.
async fn axe(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join("axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if script.is_file() {
        return Ok(script);
    }
    if !preflight::is_command("npm") {
        return Err("npm is not installed, and axe-core comes by npm".to_owned());
    }
    progress::step("installing", "axe-core (npm)");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "axe-core@4", "--prefix"]).arg(&folder);
    let done = npm.stdin(Stdio::null()).output().await.map_err(|error| format!("npm: {error}"))?;
    match script.is_file() {
        true => Ok(script),
        false => Err(format!("npm could not install axe-core: {}", String::from_utf8_lossy(&done.stderr).trim())),
    }
}
