//! What the operator decided, as it is now: `proxy.toml` and the error pages it names, swapped when the file changes.

use crate::error_pages::ErrorPages;
use arc_swap::ArcSwap;
use pagefleet_config::ProxyFile;

/// The operator's settings at one moment.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// The operator's file.
    pub file: ProxyFile,
    /// Branded bodies.
    pub error_pages: ErrorPages,
}

/// The settings that every request and check looks up; a change takes effect with the next look.
pub type Live = ArcSwap<Settings>;

impl Settings {
    /// Reads what the file names.
    ///
    /// # Errors
    /// When the error pages can't be read.
    pub fn of(file: ProxyFile) -> std::io::Result<Self> {
        let error_pages = file.error_pages.as_deref().map(ErrorPages::read).transpose()?.unwrap_or_default();
        Ok(Self { file, error_pages })
    }

    /// These settings as far as a running proxy can take them over from `new`: what was bound, opened or started at its
    /// start stays as it is.
    pub fn reloaded(&self, mut new: Self) -> Self {
        let (old, file) = (&self.file, &mut new.file);
        file.listen.clone_from(&old.listen);
        file.admin = old.admin;
        file.threads = old.threads;
        file.vault.clone_from(&old.vault);
        file.vault_limits = old.vault_limits;
        file.state.clone_from(&old.state);
        file.pages.clone_from(&old.pages);
        file.limits.connections = old.limits.connections;
        file.limits.upstream_idle = old.limits.upstream_idle;
        file.cache.memory_bytes = old.cache.memory_bytes;
        new
    }
}
