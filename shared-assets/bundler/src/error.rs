//! What can be wrong with a bundle, each error naming the file to look at.

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder can't be bundled. Files are named by their path inside the folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of the bundle can't be written.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The extension is in no table, so browsers could not be told what the file is.
    #[error("{name}: no content type is known for this extension")]
    UnknownType {
        /// The file.
        name: String,
    },
    /// The name would have to be escaped in a URL, or looks like one with a fingerprint.
    #[error("{name}: an asset's name is made of a-z, 0-9, '.', '-', '_' and '/', and has no fingerprint of its own")]
    BadName {
        /// The file.
        name: String,
    },
    /// Two sources make one asset, or one constant.
    #[error("{name}: two files of the bundle would get this name")]
    NameTaken {
        /// The asset or the constant.
        name: String,
    },
    /// A stylesheet doesn't parse, or imports what it can't.
    #[error("{file}:{line}: {message}")]
    Css {
        /// The stylesheet.
        file: String,
        /// Its line, from 1.
        line: u32,
        /// The parser's words.
        message: String,
    },
    /// A stylesheet refers to a file that the bundle doesn't have.
    #[error("{file}:{line}: url({url}) is not in the bundle")]
    MissingFile {
        /// The stylesheet.
        file: String,
        /// Its line, from 1.
        line: u32,
        /// The reference as it is written there.
        url: String,
    },
    /// A script doesn't parse.
    #[error("{file}:{line}: {message}")]
    JavaScript {
        /// The script.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
}

/// Names the path that could not be read.
pub(crate) trait Read<T> {
    fn reading(self, path: &Path) -> Result<T, Error>;
}

impl<T> Read<T> for io::Result<T> {
    fn reading(self, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Read { path: path.to_owned(), source })
    }
}

/// Names the path that could not be written.
pub(crate) trait Write<T> {
    fn writing(self, path: &Path) -> Result<T, Error>;
}

impl<T> Write<T> for io::Result<T> {
    fn writing(self, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Write { path: path.to_owned(), source })
    }
}
