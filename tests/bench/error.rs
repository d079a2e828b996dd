//! What ends a run early. Each text names who or what is wrong.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", .path.display())]
    Content { path: PathBuf, reason: String },
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{program} is not installed; `cargo fleet bench` installs it")]
    NotInstalled { program: &'static str },
    #[error("{name} is not ready: {reason}; the end of {}:\n{tail}", .log.display())]
    NotReady { name: String, reason: String, log: PathBuf, tail: String },
    #[error("{path} at {place}: {reason}")]
    Answer { place: String, path: String, reason: String },
    #[error("`{scenario}` at {peer}: {reason}")]
    Measurement { scenario: String, peer: String, reason: String },
    #[error("process {pid}: {reason}")]
    Process { pid: u32, reason: String },
    #[error("the pages link no asset of the kind that `{0}` needs")]
    NoAsset(&'static str),
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot draw {}: {reason}", .path.display())]
    Plot { path: PathBuf, reason: String },
    #[error("ended by a signal")]
    Interrupted,
}

impl Error {
    /// For `map_err`: an error of the file system that names the path.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
