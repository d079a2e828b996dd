//! The vault: the assets of every release that was admitted, by content. It outlives instances and restarts, so a page
//! opened before a rollout still finds its bytes after it.
//!
//! What goes in was verified by the gate ([`crate::gate`]); what comes out of the disk is verified again. Memory is
//! bounded by `memory_bytes`, a cache over the disk; only while the disk takes nothing, assets stay in memory alone, up to
//! `total_bytes`.

pub mod compress;
pub mod disk;

use crate::asset_answer::{Coding, Encoded, Held};
use crate::content_type;
use arc_swap::ArcSwap;
use bytes::Bytes;
use disk::{Disk, Entries, IndexEntry, hex_sha256};
use foldhash::HashMap;
use foldhash::fast::RandomState;
use moka::future::Cache;
use pagefleet_config::VaultLimits;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long after its last note on disk a live entry is noted again.
const TOUCH_EVERY: Duration = Duration::from_secs(3600);

/// The vault; shared by all threads.
#[derive(Debug)]
pub struct Vault {
    disk: Option<Disk>,
    limits: VaultLimits,
    index: ArcSwap<HashMap<String, Arc<Record>>>,
    /// Held while the index is changed, never by a request that only reads.
    changing: Mutex<()>,
    memory: Cache<String, Arc<Held>, RandomState>,
    /// What the log said last; the truth is whether an asset is in memory alone.
    disk_works: AtomicBool,
}

#[derive(Debug)]
struct Record {
    entry: IndexEntry,
    /// Seconds since 1970 when a live release last had it.
    last_live: AtomicU64,
    /// When the disk has it: seconds since 1970 of the last note there.
    noted: AtomicU64,
    /// The bytes, while the disk does not have them.
    unsaved: Option<Arc<Held>>,
    /// Under which key they are in memory.
    key: String,
}

/// An asset whose bytes are those of its hash.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What the index says of it.
    pub entry: IndexEntry,
    /// The identity bytes.
    pub bytes: Bytes,
}

/// Why assets are not taken in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VaultError {
    /// One fingerprint with two contents.
    #[error("{path}: the vault has other bytes under this fingerprint, from {page} {release}")]
    Conflict {
        /// The path.
        path: String,
        /// Who brought the first bytes.
        page: String,
        /// In which release.
        release: String,
    },
    /// Taking them in panicked.
    #[error("the vault did not take the assets in")]
    Interrupted,
    /// Live assets alone need more than the budget.
    #[error("the vault is full: {needed} bytes do not fit beside what live releases need")]
    Full {
        /// Bytes that were to be taken in.
        needed: u64,
    },
}

/// One line of `GET /api/fleet` and `/metrics` about the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct VaultStatus {
    /// Asset paths.
    pub assets: usize,
    /// Identity bytes of all of them.
    pub bytes: u64,
    /// Bytes in memory, all encodings.
    pub memory_bytes: u64,
    /// Whether all of it is on disk; if not, some assets live in memory alone.
    pub disk_works: bool,
}

impl Vault {
    /// The vault in `folder`. A folder that can't be used is told in the log, and the vault lives in memory.
    pub fn open(folder: &Path, limits: VaultLimits) -> Self {
        let opened = Disk::open(folder).and_then(|disk| disk.entries().map(|entries| (disk, entries)));
        let (disk, entries) = match opened {
            Ok((disk, entries)) => (Some(disk), entries),
            Err(error) => {
                tracing::error!(folder = %folder.display(), %error, "vault folder unusable; assets stay in memory");
                (None, Entries::default())
            }
        };
        for (file, error) in &entries.bad {
            tracing::warn!(file = %file.display(), %error, "vault entry dropped");
            // If it can't be removed it is dropped again at the next start.
            let _ = std::fs::remove_file(file);
        }
        let index = entries.good.into_iter().map(|(entry, noted)| {
            let noted = seconds(noted);
            let key = memory_key(&entry);
            let record = Record { last_live: noted.into(), noted: noted.into(), unsaved: None, key, entry };
            (record.entry.path.clone(), Arc::new(record))
        });
        Self {
            disk_works: AtomicBool::new(disk.is_some()),
            disk,
            index: ArcSwap::from_pointee(index.collect()),
            changing: Mutex::new(()),
            memory: Cache::builder()
                .max_capacity(limits.memory_bytes)
                .weigher(|_, held: &Arc<Held>| u32::try_from(held.weight()).unwrap_or(u32::MAX))
                .build_with_hasher(RandomState::default()),
            limits,
        }
    }

    /// Whether a path is held.
    pub fn has(&self, path: &str) -> bool {
        self.index.load().contains_key(path)
    }

    /// The SHA-256 of what is held under a path.
    pub fn sha256(&self, path: &str) -> Option<String> {
        self.index.load().get(path).map(|record| record.entry.sha256.clone())
    }

    /// What is held under a path, from memory or verified from disk. Bytes that rotted are dropped, as if never held.
    pub async fn held(&self, path: &str) -> Option<Arc<Held>> {
        let record = self.index.load().get(path).cloned()?;
        if let Some(held) = &record.unsaved {
            return Some(Arc::clone(held));
        }
        if let Some(held) = self.memory.get(record.key.as_str()).await {
            return Some(held);
        }
        // Seldom: so it is no part of every request.
        let loaded = Box::pin(self.memory.try_get_with(record.key.clone(), self.load(&record.entry))).await;
        loaded.map_err(|error| self.lose(&record, &error)).ok()
    }

    async fn load(&self, entry: &IndexEntry) -> io::Result<Arc<Held>> {
        let disk = self.disk.clone().ok_or_else(|| io::Error::other("there is no disk"))?;
        let entry = entry.clone();
        let load = move || disk.read(&entry.sha256).map(|bytes| Arc::new(make_held(&entry.path, bytes.into())));
        tokio::task::spawn_blocking(load).await.map_err(io::Error::other)?
    }

    /// Bytes that rotted or vanished are dropped; those that just can't be read now may be read later.
    fn lose(&self, record: &Record, error: &io::Error) {
        let path = &record.entry.path;
        tracing::error!(path, %error, "vault entry not readable");
        if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) {
            return;
        }
        self.change(|index| {
            index.remove(path);
        });
        if let Some(disk) = &self.disk {
            // Already unreadable; what stays is dropped at the next start.
            let _ = disk.remove(&record.entry, true);
        }
    }

    /// Takes in verified assets, all or none.
    ///
    /// # Errors
    /// When a fingerprint is taken by other bytes, or the budget is spent on live assets. A disk that fails is no
    /// error: the assets are held in memory, and the log and the status say so.
    pub async fn admit(self: &Arc<Self>, assets: Vec<Verified>, live: HashSet<String>) -> Result<(), VaultError> {
        let index = self.index.load_full();
        for asset in &assets {
            let other = index.get(&asset.entry.path).filter(|record| record.entry.sha256 != asset.entry.sha256);
            if let Some(Record { entry, .. }) = other.map(AsRef::as_ref) {
                let (path, page, release) = (entry.path.clone(), entry.page.clone(), entry.release.clone());
                return Err(VaultError::Conflict { path, page, release });
            }
        }
        let new: Vec<_> = assets.into_iter().filter(|asset| !index.contains_key(&asset.entry.path)).collect();
        let needed = new.iter().map(|asset| asset.entry.size).sum();
        self.make_room(needed, &live)?;
        let vault = Arc::clone(self);
        let admitted =
            tokio::task::spawn_blocking(move || new.into_iter().map(|asset| vault.save(asset)).collect::<Vec<_>>());
        let admitted = admitted.await.map_err(|_| VaultError::Interrupted)?;
        for (record, held) in &admitted {
            if record.unsaved.is_none() {
                self.memory.insert(record.key.clone(), Arc::clone(held)).await;
            }
        }
        self.change(|index| {
            index.extend(admitted.into_iter().map(|(record, _)| (record.entry.path.clone(), Arc::new(record))));
        });
        Ok(())
    }

    fn save(&self, asset: Verified) -> (Record, Arc<Held>) {
        let held = Arc::new(make_held(&asset.entry.path, asset.bytes));
        let saved = match &self.disk {
            Some(disk) => disk.save(&asset.entry, &held.identity.bytes),
            None => Err(io::Error::other("there is no vault folder")),
        };
        if let Err(error) = &saved
            && self.disk_works.swap(false, Ordering::Relaxed)
        {
            tracing::error!(%error, "the vault's disk takes nothing more; assets stay in memory");
        }
        let now = seconds(SystemTime::now());
        let unsaved = saved.is_err().then(|| Arc::clone(&held));
        let key = memory_key(&asset.entry);
        (Record { entry: asset.entry, last_live: now.into(), noted: now.into(), unsaved, key }, held)
    }

    /// Removes the longest unused assets that no live release has, until `needed` more bytes fit.
    fn make_room(&self, needed: u64, live: &HashSet<String>) -> Result<(), VaultError> {
        let index = self.index.load_full();
        let used: u64 = index.values().map(|record| record.entry.size).sum();
        let mut excess = (used + needed).saturating_sub(self.limits.total_bytes);
        if excess == 0 {
            return Ok(());
        }
        let mut idle: Vec<_> = index.values().filter(|record| !live.contains(&record.entry.path)).collect();
        idle.sort_by_key(|record| record.last_live.load(Ordering::Relaxed));
        let mut leaving = Vec::new();
        for record in idle {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(record.entry.size);
            leaving.push(Arc::clone(record));
        }
        if excess > 0 {
            return Err(VaultError::Full { needed });
        }
        self.remove(&leaving);
        Ok(())
    }

    /// Notes what is live, tries again to save what the disk did not take, and lets go what no live release had for the
    /// retention time.
    pub fn tend(&self, live: &HashSet<String>) {
        let now = seconds(SystemTime::now());
        let index = self.index.load_full();
        let mut expired = Vec::new();
        for record in index.values() {
            if live.contains(&record.entry.path) {
                record.last_live.store(now, Ordering::Relaxed);
                self.note(record, now);
            } else if now.saturating_sub(record.last_live.load(Ordering::Relaxed)) > self.limits.keep.as_secs() {
                expired.push(Arc::clone(record));
            }
        }
        self.remove(&expired);
        self.save_the_unsaved(&index);
    }

    fn note(&self, record: &Record, now: u64) {
        let due = now.saturating_sub(record.noted.load(Ordering::Relaxed)) >= TOUCH_EVERY.as_secs();
        if let Some(disk) = self.disk.as_ref().filter(|_| due && record.unsaved.is_none()) {
            match disk.touch(&record.entry.path) {
                Ok(()) => record.noted.store(now, Ordering::Relaxed),
                Err(error) => tracing::warn!(path = record.entry.path, %error, "vault entry not noted as live"),
            }
        }
    }

    fn save_the_unsaved(&self, index: &HashMap<String, Arc<Record>>) {
        for record in index.values() {
            let Some(held) = &record.unsaved else { continue };
            let (saved, _) = self.save(Verified { entry: record.entry.clone(), bytes: held.identity.bytes.clone() });
            if saved.unsaved.is_some() {
                return;
            }
            self.change(|index| {
                index.insert(saved.entry.path.clone(), Arc::new(saved));
            });
        }
        if self.disk.is_some() && !self.disk_works.swap(true, Ordering::Relaxed) {
            tracing::info!("the vault's disk works again; nothing is in memory alone");
        }
    }

    fn remove(&self, leaving: &[Arc<Record>]) {
        if leaving.is_empty() {
            return;
        }
        self.change(|index| index.retain(|path, _| !leaving.iter().any(|record| record.entry.path == *path)));
        let index = self.index.load();
        for record in leaving {
            let last = !index.values().any(|other| other.entry.sha256 == record.entry.sha256);
            if let Some(disk) = &self.disk
                && let Err(error) = disk.remove(&record.entry, last)
            {
                tracing::warn!(path = record.entry.path, %error, "vault entry not removed from disk");
            }
            tracing::info!(path = record.entry.path, page = record.entry.page, "vault entry let go");
        }
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<String, Arc<Record>>)) {
        // A panic while it was held left the index whole: it is swapped in one step.
        let _changing = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut index = HashMap::clone(&self.index.load());
        change(&mut index);
        self.index.store(Arc::new(index));
    }

    /// How full it is.
    pub async fn status(&self) -> VaultStatus {
        // The cache counts behind; now it catches up.
        self.memory.run_pending_tasks().await;
        let index = self.index.load();
        let unsaved = index.values().filter_map(|record| record.unsaved.as_ref()).map(|held| held.weight() as u64);
        VaultStatus {
            assets: index.len(),
            bytes: index.values().map(|record| record.entry.size).sum(),
            memory_bytes: self.memory.weighted_size() + unsaved.sum::<u64>(),
            disk_works: self.disk.is_some() && index.values().all(|record| record.unsaved.is_none()),
        }
    }
}

/// One content may have two names of two types.
fn memory_key(entry: &IndexEntry) -> String {
    format!("{} {}", entry.sha256, content_type::of(&entry.path).unwrap_or_default())
}

fn make_held(path: &str, identity: Bytes) -> Held {
    let content_type = content_type::of(path).unwrap_or("application/octet-stream");
    let compressible = content_type::is_compressible(content_type);
    let sha256 = hex_sha256(&identity);
    let encoded = |bytes, coding| Encoded::new(bytes, coding, (&sha256[..16], content_type));
    let compressed = |coding, compress: fn(&Bytes) -> Option<Bytes>| {
        let bytes = compressible.then(|| compress(&identity)).flatten()?;
        Some(encoded(bytes, coding))
    };
    Held {
        brotli: compressed(Coding::Brotli, compress::brotli),
        gzip: compressed(Coding::Gzip, compress::gzip),
        identity: encoded(identity.clone(), Coding::Identity),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
