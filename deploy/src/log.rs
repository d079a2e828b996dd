//! A child's log: raw lines, appended. A log that would grow over its bound becomes `<name>.log.1`, in place of the one
//! before, and is begun anew: a child's logs never take more than twice the bound.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const BOUND: u64 = 8 << 20;

/// An open log.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Opens the log at `path`, behind what an earlier run wrote.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = append_to(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length })
    }

    /// Writes a line at the end.
    pub(crate) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let added = line.len() as u64;
        if self.length > 0 && self.length + added > BOUND {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.length += added;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        match std::fs::rename(&self.path, old) {
            // Somebody took it away; it is begun anew all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    #[test]
    fn a_log_goes_on_behind_what_an_earlier_run_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.log");
        for line in ["one\n", "two\n"] {
            Log::open(path.clone()).unwrap().append(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_log_that_is_full_is_kept_once_and_begun_anew_while_its_child_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("catalog.log"), folder.path().join("catalog.log.1"));
        let mut log = Log::open(path.clone()).unwrap();
        let line = [&[b'x'; 1 << 20][..], b"\n"].concat();
        for _ in 0..20 {
            log.append(&line).unwrap();
            assert!(length(&path) <= BOUND);
        }
        assert_eq!(length(&path) + length(&old), (6 + 7) * line.len() as u64);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_log_that_somebody_took_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.log");
        let mut log = Log::open(path.clone()).unwrap();
        log.append(&vec![b'x'; 8 << 20]).unwrap();
        std::fs::remove_file(&path).unwrap();
        log.append(b"one\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    }
}
