//! The verbs that every test is written in: start a page, put a proxy in front, ask, wait until.

mod fleet;
mod name_server;
mod page_files;
mod proxy;
mod server;
mod setup;
mod socket;
mod sockets;
mod stub;
mod visitor;

pub(crate) use fleet::{Fleet, fleet_command};
pub(crate) use name_server::NameServer;
pub(crate) use page_files::{PageFiles, page_file};
pub(crate) use proxy::Proxy;
pub(crate) use server::{Passage, Server, Way};
pub(crate) use setup::Setup;
pub(crate) use socket::Socket;
pub(crate) use sockets::Sockets;
pub(crate) use stub::Stub;
pub(crate) use visitor::{Answer, Visitor, order_form};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the built binaries: the one that this test runs from.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo fleet test`, or `cargo build --workspace` first",
        path.display()
    );
    path
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Polls until `ready` gives something.
pub(crate) async fn wait_until<T>(what: &str, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(value) = ready().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// How long it takes until `ready`, to a few milliseconds.
pub(crate) async fn time_until(what: &str, mut ready: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !ready().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    started.elapsed()
}

/// A child process whose standard output is kept; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    changed: watch::Receiver<usize>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, changed) = watch::channel(0);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if std::env::var_os("TEST_LOG").is_some() {
                    eprintln!("{line}");
                }
                kept.lock().unwrap().push(line);
                sender.send_modify(|count| *count += 1);
            }
        });
        Self { child, lines, changed }
    }

    /// Waits for a line for which `wanted` gives something.
    pub(crate) async fn wait_for_line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let search = async {
            let mut seen = 0;
            loop {
                let found = {
                    let lines = self.lines.lock().unwrap();
                    let found = lines[seen..].iter().find_map(|line| wanted(line));
                    seen = lines.len();
                    found
                };
                match found {
                    Some(value) => return Some(value),
                    None => self.changed.changed().await.ok()?,
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE * 4, search).await;
        found.ok().flatten().unwrap_or_else(|| panic!("no line with {what} in:\n{}", self.output()))
    }

    /// Waits for the `listening` line, and gives its JSON.
    pub(crate) async fn wait_until_listening(&mut self) -> Value {
        self.wait_for_line("`listening`", |line| {
            serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == "listening")
        })
        .await
    }

    pub(crate) fn output(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// `None` when it has been waited for.
    pub(crate) fn pid_if_running(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end, and for all that was printed; the exit code, or `None` after a signal.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let read_to_its_end = async { while self.changed.changed().await.is_ok() {} };
        // What the process started may hold its output open.
        let _ = tokio::time::timeout(Duration::from_secs(1), read_to_its_end).await;
        status.expect("the process should have ended").unwrap().code()
    }
}

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fingerprint in an asset's URL.
pub(crate) fn fingerprint(path: &str) -> &str {
    path.rsplit_once('.').unwrap().0.rsplit_once('-').unwrap().1
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A response's header as text, or "".
pub(crate) fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Sends a signal to a process that is there.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Whether a process is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// The text between two marks.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}
