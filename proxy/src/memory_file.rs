//! Bytes that the kernel can send as they are (memfd_create(2), sendfile(2)): to copy tens of kilobytes for each answer costs
//! more than all the rest of it. Their `Bytes` stay: not every answer is sent so.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is smaller is copied as quickly.
const SMALLEST: usize = 16 << 10;
/// What is larger is rare, and would be in memory twice.
const LARGEST: usize = 1 << 20;
/// So many at once: connections need file descriptors too.
const MOST: usize = 128;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Bytes in a file that is in memory and never changes.
#[derive(Debug)]
pub struct MemoryFile {
    file: File,
    _one: One,
}

/// One of those that are open.
#[derive(Debug)]
struct One;

impl MemoryFile {
    /// A file with these bytes; `None` when it isn't worth it, there are many already, or the system has none.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if !(SMALLEST..=LARGEST).contains(&bytes.len()) {
            return None;
        }
        let one = One::take()?;
        let mut file: File = memfd_create("pagefleet", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).ok()?.into();
        file.write_all(bytes).ok()?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).ok()?;
        Some(Self { file, _one: one })
    }
}

impl AsFd for MemoryFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl One {
    fn take() -> Option<Self> {
        let below = |open| (open < MOST).then_some(open + 1);
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).ok().map(|_| Self)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn it_has_the_bytes_and_takes_no_others() {
        let bytes = vec![7; SMALLEST];
        let mut file = MemoryFile::of(&bytes).unwrap().file;
        let mut read = Vec::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        assert!(file.write_all(b"x").is_err());
        assert!(MemoryFile::of(&bytes[1..]).is_none() && MemoryFile::of(&vec![7; LARGEST + 1]).is_none());
    }
}
