//! Our proxy and its peers: each configured for the same job, started, and changed while it runs.

mod envoy;
mod haproxy;
mod nginx;
mod ours;
mod varnish;

use crate::error::Error;
use crate::job::Job;
use crate::server::{Server, free_addresses};
use crate::tools::Tools;
use reqwest::Client;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who does the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Pagefleet,
    Nginx,
    Haproxy,
    Varnish,
    Envoy,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Pagefleet, Self::Nginx, Self::Haproxy, Self::Varnish, Self::Envoy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pagefleet => "pagefleet",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Varnish => "varnish",
            Self::Envoy => "envoy",
        }
    }

    /// Whether it has a cache.
    pub(crate) fn caches(self) -> bool {
        self != Self::Envoy
    }

    /// What it prints of its version.
    pub(crate) fn version(self, tools: &Tools) -> Option<String> {
        let flag = match self {
            Self::Pagefleet | Self::Envoy => "--version",
            Self::Nginx | Self::Haproxy => "-v",
            Self::Varnish => "-V",
        };
        let said = Command::new(tools.program(self)?).arg(flag).output().ok()?;
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        // Before it, most say their name, or the path by which they were called.
        Some(line.rsplit_once("version: ").map_or(line, |(_, version)| version).trim().to_owned())
    }
}

/// One that runs.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    server: Server,
    folder: PathBuf,
}

/// What a peer's configuration is made of.
struct Setup<'a> {
    job: &'a Job,
    listen: SocketAddr,
    folder: &'a Path,
}

impl Peer {
    /// Starts one worker in `folder`, which is made, and waits until it does its job.
    pub(crate) async fn start(
        kind: Kind,
        job: &Job,
        (tools, client): (&Tools, &Client),
        folder: &Path,
    ) -> Result<Self, Error> {
        let [address] = free_addresses()?;
        std::fs::create_dir_all(folder).map_err(Error::at(folder))?;
        let setup = Setup { job, listen: address, folder };
        let program = tools.program(kind).ok_or(Error::NotInstalled { program: kind.name() })?;
        let mut command = Command::new(program);
        match kind {
            Kind::Pagefleet => ours::prepare(&setup, &mut command)?,
            Kind::Nginx => nginx::prepare(&setup, &mut command)?,
            Kind::Haproxy => haproxy::prepare(&setup, &mut command)?,
            Kind::Varnish => varnish::prepare(&setup, &mut command)?,
            Kind::Envoy => envoy::prepare(&setup, &mut command)?,
        }
        let mut server = Server::start(kind.name(), &mut command, folder)?;
        for path in &job.ready {
            server.until_ready(client, &format!("http://{address}{path}")).await?;
        }
        Ok(Self { kind, address, server, folder: folder.to_owned() })
    }

    /// The first of its processes.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Gives it another job while it runs, as its operator would.
    pub(crate) fn change(&self, job: &Job) -> Result<(), Error> {
        let setup = Setup { job, listen: self.address, folder: &self.folder };
        match self.kind {
            Kind::Pagefleet => ours::write_pages(&setup),
            Kind::Nginx => {
                nginx::write(&setup)?;
                self.server.signal(Signal::HUP)
            }
            Kind::Haproxy | Kind::Varnish | Kind::Envoy => {
                unreachable!("only ours and nginx are changed while they run")
            }
        }
    }
}

/// Writes a file of a configuration, whole or not at all.
fn write(file: &Path, text: &str) -> Result<(), Error> {
    let new = file.with_extension("new");
    std::fs::write(&new, text).map_err(Error::at(&new))?;
    std::fs::rename(&new, file).map_err(Error::at(file))
}
