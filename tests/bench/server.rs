//! A server process: started in a group of its own, ready when it answers, ended with its group when it is dropped.

use crate::error::Error;
use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Nothing here takes this long to start unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);
/// From SIGTERM to SIGKILL.
const TO_END: Duration = Duration::from_secs(2);
const TAIL_LINES: usize = 8;
/// Below the range that the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_768;
const TRIES: usize = 200;

/// A process that listens somewhere.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it, with its output in `<folder>/<name>.log` and none of our own settings in its environment but those that
    /// `command` has.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self, Error> {
        use std::os::unix::process::CommandExt;
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Error::at(&log))?;
        let errors = output.try_clone().map_err(Error::at(&log))?;
        let given: Vec<_> = command.get_envs().map(|(variable, _)| variable.to_owned()).collect();
        for (variable, _) in std::env::vars_os() {
            if variable.as_encoded_bytes().starts_with(b"PAGEFLEET_") && !given.contains(&variable) {
                command.env_remove(variable);
            }
        }
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let child = child
            .map_err(|source| Error::Start { program: command.get_program().to_string_lossy().into_owned(), source })?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The first process of its tree.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends when a GET of `url` is answered with less than 400.
    pub(crate) async fn until_ready(&mut self, client: &Client, url: &str) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let seen = match client.get(url).send().await {
                Ok(answer) if answer.status().as_u16() < 400 => return Ok(()),
                Ok(answer) => format!("GET {url}: {}", answer.status()),
                Err(_) => format!("GET {url}: no answer"),
            };
            let ended = self.child.try_wait()?.map(|status| format!("it ended: {status}"));
            if ended.is_some() || started.elapsed() > PATIENCE {
                return Err(self.not_ready(ended.unwrap_or(seen)));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn not_ready(&self, reason: String) -> Error {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        Error::NotReady { name: self.name.clone(), reason, log: self.log.clone(), tail }
    }

    /// Sends the first process a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), signal).map_err(std::io::Error::from)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The one way to fail is a process that is gone. Who has children ends them, and waits for them, at SIGTERM.
        let _ = self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < TO_END && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Loopback addresses that nobody listens at, no two alike.
pub(crate) fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT], Error> {
    let pick = || (0..TRIES).find_map(|_| TcpListener::bind(("127.0.0.1", rand::random_range(PORTS))).ok());
    let held: Vec<_> = (0..COUNT).map_while(|_| pick()).collect();
    let addresses: Vec<_> = held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    addresses.try_into().map_err(|_| Error::System(std::io::ErrorKind::AddrInUse.into()))
}
