//! Building: one cargo call, and from its own report where the programs are, wherever the target folder is.

use crate::error::Error;
use crate::process::Process;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// The proxy's program.
pub(crate) const PROXY: &str = "pagefleet-proxy";

/// Where the programs of a build are, by name.
#[derive(Debug, Default)]
pub(crate) struct Programs(BTreeMap<String, PathBuf>);

impl Programs {
    /// The program of that name.
    pub(crate) fn named(&self, name: &str) -> Result<PathBuf, Error> {
        self.0.get(name).cloned().ok_or_else(|| Error::NoProgram(name.to_owned()))
    }

    /// Puts another program in the place of the one of that name.
    pub(crate) fn replace(&mut self, name: &str, program: PathBuf) {
        self.0.insert(name.to_owned(), program);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The folder they are in, such as `target/debug`.
    pub(crate) fn folder(&self) -> Result<&Path, Error> {
        let some = self.0.values().next().and_then(|program| program.parent());
        some.ok_or_else(|| Error::NoProgram("any".to_owned()))
    }

    #[cfg(test)]
    pub(crate) fn in_folder(folder: &Path, names: &[&str]) -> Self {
        Self(names.iter().map(|name| ((*name).to_owned(), folder.join(name))).collect())
    }
}

/// Builds every program of the workspace; cargo's progress goes to the terminal.
pub(crate) async fn build_workspace(root: &Path, release: bool) -> Result<Programs, Error> {
    let mut command = cargo(root, "build");
    command.args(["--workspace", "--bins"]);
    if release {
        command.arg("--release");
    }
    let built = run(command, Stdio::inherit()).await?;
    if built.status.success() { Ok(built.programs) } else { Err(Error::BuildFailed) }
}

/// Builds the proxy; cargo's progress goes to the terminal.
pub(crate) async fn build_proxy(root: &Path, release: bool) -> Result<PathBuf, Error> {
    let mut command = cargo(root, "build");
    command.args(["--workspace", "--bin", PROXY]);
    if release {
        command.arg("--release");
    }
    let built = run(command, Stdio::inherit()).await?;
    if built.status.success() { built.programs.named(PROXY) } else { Err(Error::BuildFailed) }
}

/// Builds these programs with optimisation; cargo's progress goes to the terminal.
pub(crate) async fn build_release(root: &Path, names: &[&str]) -> Result<Programs, Error> {
    let mut command = cargo(root, "build");
    command.args(["--workspace", "--release"]);
    for name in names {
        command.args(["--bin", name]);
    }
    let built = run(command, Stdio::inherit()).await?;
    if built.status.success() { Ok(built.programs) } else { Err(Error::BuildFailed) }
}

/// Builds one page's program. What cargo says goes to the terminal and, if the build fails, is the inner error.
pub(crate) async fn build_page(root: &Path, page: &str) -> Result<Result<PathBuf, String>, Error> {
    let mut command = cargo(root, "build");
    let colour = if crate::progress::has_colours() { "always" } else { "never" };
    // Of the workspace, so that dependencies have the features that `up` builds them with, and are built once for both.
    command.args(["--workspace", "--bin", page, "--color", colour]);
    let built = run(command, Stdio::piped()).await?;
    if built.status.success() { built.programs.named(page).map(Ok) } else { Ok(Err(built.said)) }
}

/// Cargo, in the workspace, as if called from a shell: `cargo run` leaves the variables of the package it runs behind,
/// and build scripts that watch those would run again at each change of caller. What is built is what the lock file says.
pub(crate) fn cargo(root: &Path, verb: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let of_a_package = ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|prefix| name.to_str().is_some_and(|name| name.starts_with(prefix)));
        if of_a_package {
            command.env_remove(name);
        }
    }
    command.args([verb, "--locked"]).current_dir(root).stdin(Stdio::null());
    command
}

struct Built {
    status: ExitStatus,
    programs: Programs,
    said: String,
}

async fn run(mut command: Command, stderr: Stdio) -> Result<Built, Error> {
    command.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped()).stderr(stderr);
    let mut process = Process::spawn(&mut command).await.map_err(Error::Cargo)?;
    let report = process.stdout().expect("stdout is piped");
    let stderr = process.stderr();
    let said = async {
        match stderr {
            Some(stderr) => show(stderr).await,
            None => String::new(),
        }
    };
    let (programs, said) = tokio::join!(programs_in(report), said);
    Ok(Built { status: process.ended().await, programs, said })
}

/// Copies a stream to the terminal, and returns it.
async fn show(mut stream: impl AsyncRead + Unpin) -> String {
    let mut said = Vec::new();
    let mut terminal = tokio::io::stderr();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        said.extend_from_slice(&part[..length]);
        let _ = terminal.write_all(&part[..length]).await;
    }
    let _ = terminal.flush().await;
    String::from_utf8_lossy(&said).into_owned()
}

#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

async fn programs_in(report: impl AsyncRead + Unpin) -> Programs {
    let mut programs = Programs::default();
    let mut lines = BufReader::new(report).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Option<Message> = serde_json::from_str(&line).ok();
        if let Some(Message { target: Some(target), executable: Some(program) }) = message {
            programs.0.insert(target.name, program);
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_programs_of_a_build_are_where_cargo_says() {
        let report = br#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"page-kit"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"checkout"},"executable":"/t/debug/checkout","fresh":true}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"build-finished","success":true}
"#;
        let programs = programs_in(&report[..]).await;
        assert_eq!(programs.named("checkout").unwrap(), Path::new("/t/debug/checkout"));
        assert_eq!(programs.folder().unwrap(), Path::new("/t/debug"));
        assert_eq!(programs.count(), 1);
        assert!(programs.named("page-kit").is_err());
    }

    #[test]
    fn cargo_never_changes_the_lock_file() {
        for verb in ["build", "test"] {
            let command = cargo(Path::new("/shop"), verb);
            assert_eq!(command.as_std().get_args().collect::<Vec<_>>(), [verb, "--locked"]);
        }
    }

    #[tokio::test]
    async fn what_a_failing_build_says_comes_back() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'error[E0425]: cannot find value' >&2; exit 101", "sh"]);
        let built = run(command, Stdio::piped()).await.unwrap();
        assert!(!built.status.success());
        assert_eq!(built.said, "error[E0425]: cannot find value\n");
    }
}
