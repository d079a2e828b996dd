//! Everything that ends a verb early. Each text is what the person at the terminal needs to act on.

use jiff::Timestamp;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a verb could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no workspace with a pages/ folder in {} or above it", .0.display())]
    NoWorkspace(PathBuf),
    #[error("there is no page `{page}`; the pages are {}", .known.join(", "))]
    UnknownPage { page: String, known: Vec<String> },
    #[error("{}: {reason}", .file.display())]
    PageSource { file: PathBuf, reason: String },
    #[error("{0}")]
    Config(#[from] pagefleet_config::ConfigError),
    #[error("missing: {missing}. To install: {hint}")]
    MissingTools { missing: String, hint: String },
    #[error("could not install {packages} with apt-get: {reason}")]
    InstallFailed { packages: String, reason: String },
    #[error("ended by a signal")]
    Interrupted,
    #[error("a fleet of {} is already {}; stop it first, or start this one in another folder", .folder.display(), told(.site))]
    AlreadyUp { folder: PathBuf, site: Option<String> },
    #[error("`cargo fleet dev {page}` already runs in {}; stop it first, or start this one in another folder", .folder.display())]
    AlreadyInDev { page: String, folder: PathBuf },
    #[error("process {pid}, left by a run that was killed, does not end; once it has, start again ({})", .run_file.display())]
    LeftoverStays { run_file: PathBuf, pid: i32 },
    #[error("cannot listen on {address}: {} ({setting})", reason(.source))]
    CannotListen { address: SocketAddr, setting: &'static str, source: io::Error },
    #[error("cannot start cargo: {0}")]
    Cargo(io::Error),
    #[error("the build failed; what cargo says is above")]
    BuildFailed,
    #[error("the build made no program named `{0}`: a page, a service and their programs have their folder's name")]
    NoProgram(String),
    #[error("{name} is not ready: {reason}{}", .log)]
    NotReady { name: String, reason: String, log: LogTail },
    #[error("{name} could not have {address}: another program took it meanwhile")]
    AddressTaken { name: String, address: SocketAddr },
    #[error("page `{page}` does not answer through the proxy: GET {path} {seen}{}", .log)]
    NotBrowsable { page: String, path: String, seen: String, log: LogTail },
    #[error("no fleet is up in {}; start one with `cargo fleet up`", .0.display())]
    NoFleet(PathBuf),
    #[error("the fleet's proxy does not answer at {admin} ({reason}); it is starting, or its supervisor was killed")]
    AdminSilent { admin: SocketAddr, reason: String },
    #[error("{}: is not an executable file", .0.display())]
    NotExecutable(PathBuf),
    #[error("{}: is not the record of a rollout: {reason}; `cargo fleet up --fresh` forgets it", .file.display())]
    Record { file: PathBuf, reason: String },
    #[error("refused: a rollout of {page} is running since {since}; `cargo fleet status` shows it")]
    RolloutRunning { page: String, since: Timestamp },
    #[error("refused: the proxy is being upgraded since {since}")]
    UpgradeRunning { since: Timestamp },
    #[error("refused: {page} runs this binary already ({binary})")]
    SameBinary { page: String, binary: String },
    #[error("nothing to roll back to: no rollout of {page} is recorded")]
    NothingBefore { page: String },
    #[error("nothing to roll back to: {} is gone", .0.display())]
    BinaryGone(PathBuf),
    #[error("the request is malformed: {0}")]
    BadRequest(String),
    #[error("the fleet in {} is starting or stopping; try again when it is `ready`", .0.display())]
    FleetBusy(PathBuf),
    #[error("the supervisor of the fleet in {} was killed; start it again with `cargo fleet up`", .0.display())]
    SupervisorKilled(PathBuf),
    #[error("the fleet's supervisor has ended in the middle; the next `cargo fleet up` runs what it had recorded")]
    SupervisorLost,
    #[error("{0}")]
    Failed(String),
    #[error("cannot watch {} for changes: {reason}", .folder.display())]
    Watch { folder: PathBuf, reason: String },
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Error {
    /// For `map_err`: an error of the file system that names the path.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// The end of a child's log, to be shown under the error that it explains.
#[derive(Debug)]
pub(crate) struct LogTail {
    pub(crate) file: PathBuf,
    pub(crate) lines: Vec<String>,
}

impl std::fmt::Display for LogTail {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.lines.is_empty() {
            return write!(out, "\n  (nothing in {})", self.file.display());
        }
        write!(out, "\n  the end of {}:", self.file.display())?;
        self.lines.iter().try_for_each(|line| write!(out, "\n  | {line}"))
    }
}

fn told(site: &Option<String>) -> String {
    site.as_ref().map_or_else(|| "starting".to_owned(), |site| format!("up at {site}"))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_told_with_its_flag_and_its_variable() {
        let error = Error::CannotListen {
            address: "127.0.0.1:8080".parse().unwrap(),
            setting: "--listen, PAGEFLEET_LISTEN",
            source: io::ErrorKind::AddrInUse.into(),
        };
        let text = "cannot listen on 127.0.0.1:8080: address already in use (--listen, PAGEFLEET_LISTEN)";
        assert_eq!(error.to_string(), text);
    }
}
