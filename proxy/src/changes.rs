//! Notices that the page files or `proxy.toml` may have changed: the system tells at once, and a look at names, sizes and
//! times every two seconds finds what it can't tell, such as a folder that is another one now.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A burst of changes is over after this long without one; but a file that is written without end is read all the same.
const QUIET: Duration = Duration::from_millis(20);
const BURST: Duration = Duration::from_millis(100);

/// What there is, as far as a look without reading tells: device, inode, length and time of change, links followed.
type Stamps = BTreeMap<PathBuf, (u64, u64, u64, i64, i64)>;

/// Watches one folder of files, and one file elsewhere.
#[derive(Debug)]
pub struct Changes {
    folder: PathBuf,
    file: PathBuf,
    told: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    watched: (u64, u64),
    stamps: Stamps,
    looks: Interval,
}

impl Changes {
    /// Begins to watch.
    pub fn of(folder: &Path, file: &Path) -> Self {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (folder, file, told) = (folder.to_owned(), file.to_owned(), Arc::default());
        let mut changes = Self { folder, file, told, watcher: None, watched: (0, 0), stamps: Stamps::new(), looks };
        changes.watch();
        changes.stamps = changes.look();
        changes
    }

    /// Ends when something may have changed.
    pub async fn next(&mut self) {
        loop {
            tokio::select! {
                () = self.told.notified() => return self.settle().await,
                _ = self.looks.tick() => {
                    let stamps = self.look();
                    if stamps != self.stamps {
                        self.stamps = stamps;
                        self.watch();
                        return;
                    }
                }
            }
        }
    }

    async fn settle(&mut self) {
        let began = Instant::now();
        while began.elapsed() < BURST && timeout(QUIET, self.told.notified()).await.is_ok() {}
        self.stamps = self.look();
        self.watch();
    }

    /// Watches the folder, unless it is the one that is watched already.
    fn watch(&mut self) {
        let folder = fs::metadata(&self.folder).map(|found| (found.dev(), found.ino())).unwrap_or_default();
        if self.watcher.is_some() && folder == self.watched {
            return;
        }
        self.watched = folder;
        let told = Arc::clone(&self.told);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is what we do ourselves.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                told.notify_one();
            }
        });
        let beside = self.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let watched = watcher.and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            watcher.watch(beside, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        self.watcher = watched
            .inspect_err(
                |error| tracing::warn!(%error, "changed files are found every 2 s only: the system tells nothing"),
            )
            .ok();
    }

    fn look(&self) -> Stamps {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = entries.chain([self.folder.clone(), self.file.clone()]);
        files.filter_map(|path| Some((path.clone(), stamp(&path)?))).collect()
    }
}

fn stamp(path: &Path) -> Option<(u64, u64, u64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    async fn noticed(changes: &mut Changes) {
        timeout(Duration::from_secs(20), changes.next()).await.expect("a change is noticed");
    }

    #[tokio::test]
    async fn every_way_to_change_a_file_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let (folder, config) = (root.path().join("pages"), root.path().join("proxy.toml"));
        fs::create_dir(&folder).unwrap();
        fs::write(&config, "").unwrap();
        let mut changes = Changes::of(&folder, &config);
        fs::write(folder.join("a.toml"), "1").unwrap();
        noticed(&mut changes).await;
        fs::write(folder.join("b.tmp"), "2").unwrap();
        noticed(&mut changes).await;
        fs::rename(folder.join("b.tmp"), folder.join("a.toml")).unwrap();
        noticed(&mut changes).await;
        fs::remove_file(folder.join("a.toml")).unwrap();
        noticed(&mut changes).await;
        fs::write(&config, "x = 1").unwrap();
        noticed(&mut changes).await;
    }

    #[tokio::test]
    async fn a_folder_that_is_another_one_now_is_noticed_and_watched() {
        let root = tempfile::tempdir().unwrap();
        let [one, two, folder] = ["one", "two", "pages"].map(|name| root.path().join(name));
        for real in [&one, &two] {
            fs::create_dir(real).unwrap();
        }
        symlink(&one, &folder).unwrap();
        let mut changes = Changes::of(&folder, &one.join("proxy.toml"));
        fs::remove_file(&folder).unwrap();
        symlink(&two, &folder).unwrap();
        noticed(&mut changes).await;
        fs::write(two.join("a.toml"), "1").unwrap();
        noticed(&mut changes).await;
    }
}
