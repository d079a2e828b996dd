//! The folder in which a page keeps what it must not lose. It belongs to the page: its instances and releases share it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::Config;

/// Where a page keeps its data.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Data {
    /// Folder for what the page must not lose, shared by its instances and releases; made when it is not there. Without
    /// it a temporary one, which goes with the process.
    #[arg(long, env = "PAGEFLEET_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

/// A folder that is there; a temporary one goes with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Whether somebody may be surprised that what is kept here goes with the process.
    is_lost: bool,
    _temporary: Option<Arc<TempDir>>,
}

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder can't be made.
    #[error("cannot make the data folder {} (--data, PAGEFLEET_DATA)", .folder.display())]
    Make {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no place for a temporary one.
    #[error("cannot make a temporary folder; PAGEFLEET_DATA names one to use instead")]
    Temporary(#[source] io::Error),
}

impl Folder {
    /// The page's folder; a private temporary one when the page runs by itself, or nobody says where.
    pub(crate) fn of(config: &Config, data: &Data) -> Result<Self, FolderError> {
        match &data.data {
            Some(folder) if !config.is_alone() => {
                fs::create_dir_all(folder).map_err(|source| FolderError::Make { folder: folder.clone(), source })?;
                Ok(Self { path: folder.clone(), is_lost: false, _temporary: None })
            }
            _ => {
                let temporary = tempfile::tempdir().map_err(FolderError::Temporary)?;
                let path = temporary.path().to_owned();
                Ok(Self { path, is_lost: !config.is_alone(), _temporary: Some(Arc::new(temporary)) })
            }
        }
    }

    /// Says so when nobody told where to keep what must not be lost.
    pub(crate) fn warn_if_lost(&self) {
        if self.is_lost {
            tracing::warn!("PAGEFLEET_DATA is not set: what this page accepts is lost when the process ends");
        }
    }

    /// Where a file of the folder is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A folder that somebody else takes care of.
    #[cfg(test)]
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), is_lost: false, _temporary: None }
    }
}

/// The path as a part of a `sqlite://` URL.
pub(crate) fn url_path(file: &Path) -> io::Result<String> {
    let absolute = std::path::absolute(file)?;
    let url = url::Url::from_file_path(absolute).map_err(|()| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(url.path().to_owned())
}
