//! When a source has changed: folders are watched, what editors and builds leave beside sources is not a change, and a
//! burst of events (a save, a checkout) is one.

use crate::error::Error;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// A burst has ended when nothing happened for this long.
const QUIET: Duration = Duration::from_millis(60);
/// A burst that does not end is taken for a change after this long.
const BURST: Duration = Duration::from_secs(1);

/// Changes since it was last asked.
#[derive(Debug)]
pub(crate) struct Changes {
    events: watch::Receiver<()>,
    _watcher: RecommendedWatcher,
}

/// Begins to watch those of `folders` that exist.
pub(crate) fn watch(folders: &[PathBuf]) -> Result<Changes, Error> {
    let (sender, events) = watch::channel(());
    let failed = |folder: &Path| {
        let folder = folder.to_owned();
        move |error: notify::Error| Error::Watch { folder, reason: error.to_string() }
    };
    let root = folders.first().map(PathBuf::as_path).unwrap_or(Path::new("."));
    let watched = folders.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(&event, &watched)) {
            sender.send_replace(());
        }
    })
    .map_err(failed(root))?;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::Recursive).map_err(failed(folder))?;
    }
    Ok(Changes { events, _watcher: watcher })
}

impl Changes {
    /// Ends with the first sign of a change since the last [`Self::settled`].
    pub(crate) async fn begun(&mut self) {
        if self.events.changed().await.is_err() {
            // The watcher lives as long as we do, so this is never; a page without changes is still a page.
            std::future::pending().await
        }
    }

    /// Ends when the burst that is under way, if any, is over.
    pub(crate) async fn settled(&mut self) {
        let latest = Instant::now() + BURST;
        while Instant::now() < latest && matches!(timeout(QUIET, self.events.changed()).await, Ok(Ok(()))) {}
    }
}

fn is_change(event: &Event, watched: &[PathBuf]) -> bool {
    // Reading is no change; the build reads all sources.
    let mut inside = event.paths.iter().filter_map(|path| watched.iter().find_map(|top| path.strip_prefix(top).ok()));
    !matches!(event.kind, EventKind::Access(_)) && inside.any(is_source)
}

/// Whether a path, seen from the watched folder that it is in, is one that a person writes.
fn is_source(path: &Path) -> bool {
    let in_ignored_folder = path
        .components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("target" | ".git" | ".fleet" | "node_modules")));
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let by_an_editor = name.starts_with('.')
        || name.starts_with('#')
        || name.ends_with('~')
        || name == "4913"
        || [".swp", ".swx", ".tmp", ".bak", ".orig"].iter().any(|ending| name.ends_with(ending));
    !in_ignored_folder && !by_an_editor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_and_builds_leave_is_not_a_source() {
        for source in ["src/page.rs", "bundle/css/form.css", "html/layout.html"] {
            assert!(is_source(Path::new(source)), "{source}");
        }
        for other in ["src/.page.rs.swp", "src/page.rs~", "src/4913", "src/#page.rs#", "target/debug/x", "a/.git/index"]
        {
            assert!(!is_source(Path::new(other)), "{other}");
        }
    }

    #[tokio::test]
    async fn a_saved_source_is_a_change_and_a_read_or_a_swap_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("page.css");
        std::fs::write(&source, "a {}").unwrap();
        let mut changes = watch(&[folder.path().to_owned(), folder.path().join("absent")]).unwrap();
        changes.settled().await;
        std::fs::read(&source).unwrap();
        std::fs::write(folder.path().join(".page.css.swp"), "x").unwrap();
        assert!(timeout(QUIET * 4, changes.begun()).await.is_err());
        std::fs::write(&source, "b {}").unwrap();
        timeout(Duration::from_secs(10), changes.begun()).await.expect("a change");
    }
}
