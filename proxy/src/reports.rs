//! What the admin address tells beside the fleet's state: what was refused, what names resolve to, what waits for an upgrade.

use serde::Serialize;
use std::net::IpAddr;

/// Everything that was told last.
#[derive(Debug, Default)]
pub struct Reports {
    /// Page files and instances that are not used.
    pub refused: Vec<Refused>,
    /// The names in page files.
    pub names: Vec<NameReport>,
    /// The operator's file.
    pub config: ConfigReport,
}

/// A page file, or one of its instances, that can't be used.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// The page's name.
    pub page: String,
    /// File, line and reason, or the instance and the reason.
    pub error: String,
}

/// A name and what it resolves to.
#[derive(Debug, Clone, Serialize)]
pub struct NameReport {
    /// The name, as in the page file.
    pub name: String,
    /// The addresses in use: the last good ones.
    pub addresses: Vec<IpAddr>,
    /// Why the last answer was not used.
    pub problem: Option<String>,
}

/// What became of `proxy.toml` since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConfigReport {
    /// Why the file as it is now is not used.
    pub error: Option<String>,
    /// Keys that changed, but that only a new proxy process takes.
    pub needs_upgrade: Vec<&'static str>,
}

impl Refused {
    /// What is refused, and why.
    pub fn new(page: &str, error: &str) -> Self {
        Self { page: page.to_owned(), error: error.to_owned() }
    }
}
