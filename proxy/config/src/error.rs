//! What can be wrong with a configuration file, told with the file, the line and the reason.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file and, where the parser knows it, the line (from 1) that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was named to us.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}", self.file.display()),
            None => write!(out, "{}", self.file.display()),
        }
    }
}

/// Why a configuration file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or folder can't be read.
    #[error("{at}: cannot be read: {source}")]
    Unreadable {
        /// The file or folder.
        at: Location,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown key, lacks one, or a value is of the wrong type.
    #[error("{at}: {reason}")]
    Malformed {
        /// Where.
        at: Location,
        /// What the parser said, on one line.
        reason: String,
    },
    /// A value parses but can't be meant.
    #[error("{at}: `{key}`: {reason}")]
    Invalid {
        /// Where.
        at: Location,
        /// The key, dotted.
        key: String,
        /// One fact.
        reason: String,
    },
    /// A page file is not in force, for a caller who wants all of them to be.
    #[error("{0}")]
    Refused(String),
}

/// The file or folder can't be read.
pub(crate) fn unreadable(file: &Path) -> impl Fn(std::io::Error) -> ConfigError {
    move |source| ConfigError::Unreadable { at: Location { file: file.to_owned(), line: None }, source }
}

/// Deserialises the text of one TOML file; an error names the line.
pub(crate) fn parse_toml<T: serde::de::DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Malformed {
        at: Location { file: file.to_owned(), line: error.span().map(|span| line_of(text, span.start)) },
        reason: error.message().lines().collect::<Vec<_>>().join(" "),
    })
}

/// An error about `key`, with the line where the key first stands in its table of `text`.
pub(crate) fn invalid(file: &Path, text: &str, key: &str, reason: impl Into<String>) -> ConfigError {
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut current = "";
    let line = text.lines().position(|line| {
        let line = line.trim_start();
        if let Some(header) = line.strip_prefix('[') {
            current = header.split(']').next().unwrap_or_default().trim();
        }
        current == table && line.strip_prefix(last).is_some_and(|rest| rest.trim_start().starts_with('='))
    });
    ConfigError::Invalid {
        at: Location { file: file.to_owned(), line: line.map(|index| index + 1) },
        key: key.to_owned(),
        reason: reason.into(),
    }
}

/// The line, from 1, of a byte of `text`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
