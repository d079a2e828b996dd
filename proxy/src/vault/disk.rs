//! The vault's folder: `bytes/<sha256>` holds contents, `index/<sha256 of the path>.json` says which path has which.
//!
//! A file appears under its name only whole and synced, so a crash leaves at most a file in `part/`, which the next
//! start removes. What is read back is verified again: a disk can lie.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is known of one asset path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The fingerprinted path.
    pub path: String,
    /// SHA-256 of the identity bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// Identity bytes.
    pub size: u64,
    /// The page that brought it first.
    pub page: String,
    /// The release that brought it first.
    pub release: String,
}

/// What an index holds.
#[derive(Debug, Default)]
pub struct Entries {
    /// Entries and when each was last live.
    pub good: Vec<(IndexEntry, SystemTime)>,
    /// Files that are no entry, and why.
    pub bad: Vec<(PathBuf, io::Error)>,
}

/// The folder of a vault.
#[derive(Debug, Clone)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes the folder where it is missing, and clears what a crash left.
    ///
    /// # Errors
    /// When it can't be made or cleared.
    pub fn open(folder: &Path) -> io::Result<Self> {
        for part in ["bytes", "index", "part"] {
            fs::create_dir_all(folder.join(part))?;
        }
        for part in fs::read_dir(folder.join("part"))? {
            let part = part?.path();
            if !is_being_written(&part) {
                fs::remove_file(part)?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The folder as it is, for reading; nothing is made or cleared.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Every entry whose bytes are there in full length, with the time when it was last live. The files of others come
    /// apart, with what is wrong with them.
    ///
    /// # Errors
    /// When the index can't be listed.
    pub fn entries(&self) -> io::Result<Entries> {
        let mut entries = Entries::default();
        for file in fs::read_dir(self.folder.join("index"))? {
            let file = file?.path();
            match self.read_entry(&file) {
                Ok(entry) => entries.good.push(entry),
                Err(error) => entries.bad.push((file, error)),
            }
        }
        Ok(entries)
    }

    fn read_entry(&self, file: &Path) -> io::Result<(IndexEntry, SystemTime)> {
        let entry: IndexEntry = serde_json::from_slice(&fs::read(file)?).map_err(io::Error::other)?;
        let is_hex = entry.sha256.len() == 64 && entry.sha256.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex || self.index_file(&entry.path) != file {
            return Err(io::Error::other("it is not the entry of its name"));
        }
        if fs::metadata(self.bytes_file(&entry.sha256))?.len() != entry.size {
            return Err(io::Error::other("its bytes are not of its size"));
        }
        Ok((entry, fs::metadata(file)?.modified()?))
    }

    /// The contents with this hash, verified.
    ///
    /// # Errors
    /// When they can't be read, or are not what their name says.
    pub fn read(&self, sha256: &str) -> io::Result<Vec<u8>> {
        let bytes = fs::read(self.bytes_file(sha256))?;
        if hex_sha256(&bytes) != sha256 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the bytes on disk are not those of their hash"));
        }
        Ok(bytes)
    }

    /// Saves contents, then the entry that names them.
    ///
    /// # Errors
    /// When the disk is full or read-only, say; nothing that was there before is harmed.
    pub fn save(&self, entry: &IndexEntry, bytes: &[u8]) -> io::Result<()> {
        let target = self.bytes_file(&entry.sha256);
        if fs::metadata(&target).map(|found| found.len()).ok() != Some(entry.size) {
            self.write_whole(&target, bytes)?;
        }
        let text = serde_json::to_vec(entry).map_err(io::Error::other)?;
        self.write_whole(&self.index_file(&entry.path), &text)
    }

    fn write_whole(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple());
        let part = self.folder.join("part").join(name);
        let written = (|| {
            let mut file = File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, target)?;
            File::open(target.parent().unwrap_or(&self.folder))?.sync_all()
        })();
        if written.is_err() {
            // What could not be finished is only in the way.
            let _ = fs::remove_file(&part);
        }
        written
    }

    /// Notes that an entry is live now.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn touch(&self, path: &str) -> io::Result<()> {
        File::options().write(true).open(self.index_file(path))?.set_modified(SystemTime::now())
    }

    /// Removes an entry; its contents too when `last` says that no other entry has them.
    ///
    /// # Errors
    /// When the disk does not let it go.
    pub fn remove(&self, entry: &IndexEntry, last: bool) -> io::Result<()> {
        fs::remove_file(self.index_file(&entry.path))?;
        if last { fs::remove_file(self.bytes_file(&entry.sha256)) } else { Ok(()) }
    }

    fn bytes_file(&self, sha256: &str) -> PathBuf {
        self.folder.join("bytes").join(sha256)
    }

    fn index_file(&self, path: &str) -> PathBuf {
        self.folder.join("index").join(format!("{}.json", hex_sha256(path.as_bytes())))
    }
}

/// Whether the proxy that began the file, whose process id its name begins with, may still be writing it: while one proxy
/// takes over from another, both have the folder.
fn is_being_written(part: &Path) -> bool {
    let name = part.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let writer = name.split_once('-').and_then(|(pid, _)| rustix::process::Pid::from_raw(pid.parse().ok()?));
    writer.is_some_and(|pid| pid != rustix::process::getpid() && rustix::process::test_kill_process(pid).is_ok())
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, bytes: &[u8]) -> IndexEntry {
        let (page, release) = ("front".to_owned(), "1".to_owned());
        IndexEntry { path: path.to_owned(), sha256: hex_sha256(bytes), size: bytes.len() as u64, page, release }
    }

    #[test]
    fn what_is_saved_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry("/assets/a-0000000000000000.css", b"a{}");
        Disk::open(folder.path()).unwrap().save(&entry, b"a{}").unwrap();
        for begun in ["half", &format!("{}-half", std::process::id()), "1-half"] {
            fs::write(folder.path().join("part").join(begun), b"a").unwrap();
        }
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.entries().unwrap().good[0].0, entry);
        assert_eq!(disk.read(&entry.sha256).unwrap(), b"a{}");
        let parts: Vec<_> =
            fs::read_dir(folder.path().join("part")).unwrap().flatten().map(|part| part.file_name()).collect();
        assert_eq!(parts, ["1-half"], "process 1 is always there");
        disk.remove(&entry, true).unwrap();
        assert!(disk.entries().unwrap().good.is_empty() && disk.read(&entry.sha256).is_err());
    }

    #[test]
    fn bytes_that_rotted_are_never_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let (short, flipped) = (entry("/assets/s-0.css", b"short"), entry("/assets/f-0.css", b"flipped"));
        disk.save(&short, b"short").unwrap();
        disk.save(&flipped, b"flipped").unwrap();
        fs::write(folder.path().join("bytes").join(&short.sha256), b"sho").unwrap();
        fs::write(folder.path().join("bytes").join(&flipped.sha256), b"flippeD").unwrap();
        fs::write(folder.path().join("index/junk.json"), b"{").unwrap();
        let paths: Vec<_> = disk.entries().unwrap().good.into_iter().map(|(entry, _)| entry.path).collect();
        assert_eq!(paths, [flipped.path.as_str()]);
        assert!(disk.read(&flipped.sha256).is_err());
    }
}
