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
}

/// Reads and deserialises one TOML file; an error names the line.
pub(crate) fn parse_file<T: serde::de::DeserializeOwned>(file: &Path) -> Result<(T, String), ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ConfigError::Unreadable { at: Location { file: file.to_owned(), line: None }, source })?;
    let value = toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        at: Location { file: file.to_owned(), line: error.span().map(|span| line_of(&text, span.start)) },
        reason: error.message().lines().collect::<Vec<_>>().join(" "),
    })?;
    Ok((value, text))
}

/// An error about `key`, with the line where the key first stands in `text`.
pub(crate) fn invalid(file: &Path, text: &str, key: &str, reason: impl Into<String>) -> ConfigError {
    let last = key.rsplit('.').next().unwrap_or(key);
    let line = text
        .lines()
        .position(|line| line.trim_start().strip_prefix(last).is_some_and(|rest| rest.trim_start().starts_with('=')));
    ConfigError::Invalid {
        at: Location { file: file.to_owned(), line: line.map(|index| index + 1) },
        key: key.to_owned(),
        reason: reason.into(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
