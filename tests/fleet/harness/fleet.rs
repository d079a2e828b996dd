//! The whole shop, as `cargo fleet up` runs it.

use super::{PATIENCE, Process, binary, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::process::Command;

/// The whole shop, started by `cargo fleet up` in a folder of its own.
pub(crate) struct Fleet {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// `None` once another has taken it over.
    folder: Option<TempDir>,
}

/// What a verb said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    /// Standard output, then standard error.
    pub(crate) text: String,
}

/// `fleet <verb> …` in a folder inside the workspace.
pub(crate) fn fleet_command(folder: &Path) -> Command {
    let mut command = Command::new(binary("fleet"));
    command.current_dir(folder);
    command
}

impl Said {
    /// That it ended well.
    pub(crate) fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self.text
    }

    /// That it ended with exit code 1 and all of these words.
    pub(crate) fn refused(self, words: &[&str]) -> String {
        assert_eq!(self.code, Some(1), "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "no {word:?} in:\n{}", self.text);
        }
        self.text
    }
}

impl Fleet {
    pub(crate) async fn up(arguments: &[&str]) -> Self {
        Self::up_in(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), arguments).await
    }

    /// After the first has ended, in the same folder. What it left running is left to the new one.
    pub(crate) async fn up_again(mut self, arguments: &[&str]) -> Self {
        let folder = self.folder.take().unwrap();
        Self::up_in(folder, arguments).await
    }

    async fn up_in(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = fleet_command(folder.path());
        command.args(["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(arguments);
        let mut process = Process::start(&mut command);
        let address =
            process.wait_for_line("ready", |line| line.strip_prefix("ready http://").map(str::to_owned)).await;
        let fleet = Self { process, address: address.parse().unwrap(), folder: Some(folder) };
        // It is ready as soon as one instance of each page serves; the others join meanwhile.
        wait_until("every instance is healthy", async || {
            let seen = fleet.seen().await?;
            let pages = seen["pages"].as_array()?.iter();
            let mut instances = pages.flat_map(|page| page["instances"].as_array()).flatten();
            instances.all(|one| one["state"] == "healthy").then_some(())
        })
        .await;
        fleet
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Another verb in the fleet's folder.
    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        fleet_command(self.folder()).args(arguments).output().await.unwrap()
    }

    /// Another verb, which may take its time.
    pub(crate) async fn tool(&self, arguments: &[&str]) -> Said {
        let output = tokio::time::timeout(PATIENCE * 6, self.run(arguments)).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        let text = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        Said { code: output.status.code(), text }
    }

    /// `rollout <page> --binary <binary> …`, to its end.
    pub(crate) async fn rollout(&self, page: &str, binary: &Path, arguments: &[&str]) -> Said {
        let verb = ["rollout", page, "--binary", binary.to_str().unwrap()];
        self.tool(&[verb.as_slice(), arguments].concat()).await
    }

    /// Another verb that goes on while the test does.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        Process::start(fleet_command(self.folder()).args(arguments))
    }

    /// `rollout <page> --binary <binary> …`, under way.
    pub(crate) fn start_rollout(&self, page: &str, binary: &Path, arguments: &[&str]) -> Process {
        self.start(&[["rollout", page, "--binary", binary.to_str().unwrap()].as_slice(), arguments].concat())
    }

    /// A release of a page that costs no build: a script that becomes a stub page, with assets of its own.
    pub(crate) fn release(&self, page: &str, release: &str, arguments: &[&str]) -> PathBuf {
        let own = [
            format!("--page '{page}' --release '{release}'"),
            format!("--asset 'site.css=.site{{order:1}}' --asset '{page}.css=.{page}{{content:\"{release}\"}}'"),
            format!("--asset '{page}.js=export const release = \"{release}\";'"),
        ];
        let quoted: Vec<_> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
        let stub = binary("stub-page");
        let (own, more) = (own.join(" "), quoted.join(" "));
        let command = format!("exec '{}' {own} {more} \"$@\"", stub.display());
        self.script(&format!("{page}-{release}"), &command)
    }

    /// A program that is a shell command.
    pub(crate) fn script(&self, name: &str, command: &str) -> PathBuf {
        let script = self.folder().join(name);
        std::fs::write(&script, format!("#!/bin/sh\n{command}\n")).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        script
    }

    /// What the admin address of the proxy says of the fleet; `None` while nobody answers there.
    pub(crate) async fn seen(&self) -> Option<Value> {
        let admin = self.state()?["admin"].as_str()?.to_owned();
        reqwest::get(format!("http://{admin}/api/fleet")).await.ok()?.json().await.ok()
    }

    /// A page there.
    pub(crate) async fn page(&self, page: &str) -> Option<Value> {
        let seen = self.seen().await?;
        seen["pages"].as_array()?.iter().find(|found| found["page"] == page).cloned()
    }

    /// The release that a page was found to have, the only one.
    pub(crate) async fn release_of(&self, page: &str) -> String {
        // A page can be browsed as soon as one of its instances serves; the others join meanwhile.
        let mut releases = wait_until(&format!("every instance of {page} has said its release"), async || {
            let page = self.page(page).await?;
            let releases = page["instances"].as_array()?.iter().map(|one| one["release"].as_str().map(str::to_owned));
            releases.collect::<Option<Vec<_>>>()
        })
        .await;
        releases.dedup();
        assert_eq!(releases.len(), 1, "{releases:?}");
        releases.remove(0)
    }

    /// Waits until all visitors of a page get one release from this many instances, no other is left, and no rollout of
    /// the page is under way.
    pub(crate) async fn wait_until_serves(&self, page: &str, release: &str, instances: usize) {
        wait_until(&format!("{page} serves release {release} alone"), async || {
            let page = self.page(page).await?;
            let there = page["instances"].as_array()?;
            let serves = |one: &Value| one["state"] == "healthy" && one["release"] == release;
            let alone = there.len() == instances && there.iter().all(serves) && page["shares"].as_object()?.is_empty();
            let rollouts = self.state()?["rollouts"].as_array()?.clone();
            (alone && rollouts.iter().all(|rollout| rollout["page"] != page["page"])).then_some(())
        })
        .await;
    }

    /// Waits until a release of a page has some visitors.
    pub(crate) async fn wait_until_baking(&self, page: &str, release: &str) {
        wait_until(&format!("release {release} of {page} has a share"), async || {
            let share = self.page(page).await?["shares"][release].as_u64()?;
            (share > 0 && share < 100).then_some(())
        })
        .await;
    }

    fn state(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.folder().join(".fleet/fleet.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Names and processes of the children that run.
    pub(crate) fn children(&self) -> Vec<(String, u32)> {
        let state = self.state().unwrap_or_default();
        let pid = |child: &Value| u32::try_from(child["pid"].as_u64()?).ok();
        let children = state["children"].as_array().into_iter().flatten();
        children.filter_map(|child| Some((child["name"].as_str()?.to_owned(), pid(child)?))).collect()
    }

    /// Those that are none of this page's.
    pub(crate) fn children_but(&self, page: &str) -> Vec<(String, u32)> {
        self.children().into_iter().filter(|(name, _)| !name.starts_with(page)).collect()
    }

    /// Those that are this page's.
    pub(crate) fn children_of(&self, page: &str) -> Vec<(String, u32)> {
        self.children().into_iter().filter(|(name, _)| name.starts_with(page)).collect()
    }

    pub(crate) async fn pids(&self) -> Vec<u32> {
        self.children().into_iter().map(|(_, pid)| pid).collect()
    }

    /// The process of the first child whose name starts so.
    pub(crate) async fn pid_of(&self, name: &str) -> u32 {
        wait_until("the child has a process", async || {
            self.children().into_iter().find(|(child, _)| child.starts_with(name)).map(|(_, pid)| pid)
        })
        .await
    }

    /// Who listens where the proxy says that this release of a page is.
    pub(crate) async fn pid_of_release(&self, page: &str, release: &str) -> u32 {
        wait_until(&format!("release {release} of {page} has a process"), async || {
            let page = self.page(page).await?;
            let found = page["instances"].as_array()?.iter().find(|one| one["release"] == release)?.clone();
            let state = self.state()?;
            let child = state["children"].as_array()?.iter().find(|child| child["address"] == found["address"])?;
            u32::try_from(child["pid"].as_u64()?).ok()
        })
        .await
    }
}

impl Drop for Fleet {
    /// The supervisor ends its children; a test that panicked must not leave them.
    fn drop(&mut self) {
        if self.folder.is_none() {
            return;
        }
        let supervisor = self.process.pid_if_running();
        let pids = supervisor.into_iter().chain(self.children().into_iter().map(|(_, pid)| pid));
        for pid in pids.filter_map(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?)) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}
