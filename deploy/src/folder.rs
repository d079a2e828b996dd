//! The `.fleet/` folder of the working directory: where everything about a running fleet is, and the locks that say
//! whether one is running. Two fleets in two folders don't meet.

use crate::error::Error;
use crate::log::Log;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The folder's paths.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// Held for as long as a fleet is up, or a page in `dev`. The system lets go of it however the holder ends; the file itself stays, because
/// removing it would let two holders lock two files of one name.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Folder {
    /// The folder of the working directory, which need not exist.
    pub(crate) fn here() -> Result<Self, Error> {
        Ok(Self::new(&std::env::current_dir()?))
    }

    /// The folder inside `parent`.
    pub(crate) fn new(parent: &Path) -> Self {
        Self::at(parent.join(".fleet"))
    }

    /// The folder at `path`, whatever it is called.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Creates the folder and what a fleet has in it.
    pub(crate) fn create(&self) -> Result<(), Error> {
        [self.pages(), self.runs(), self.releases(), self.path.join("logs")]
            .iter()
            .try_for_each(|folder| create(folder))
    }

    /// Creates the folder and what a page in `dev` has in it.
    pub(crate) fn create_for_dev(&self) -> Result<(), Error> {
        create(&self.runs())
    }

    /// Takes the lock of the fleet, or says that one is up.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let taken = || Error::AlreadyUp { folder: self.path.clone(), site: crate::state_file::site_of(self) };
        self.take("lock", taken)
    }

    /// Takes the lock of one page in `dev`, or says that it is in `dev` already.
    pub(crate) fn lock_dev(&self, page: &str) -> Result<Lock, Error> {
        let taken = || Error::AlreadyInDev { page: page.to_owned(), folder: self.path.clone() };
        self.take(&format!("dev-{page}.lock"), taken)
    }

    /// Whether a fleet has the lock.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.lock(), Err(Error::AlreadyUp { .. }))
    }

    fn take(&self, name: &str, taken: impl FnOnce() -> Error) -> Result<Lock, Error> {
        let path = self.path.join(name);
        let file = File::options().create(true).append(true).open(&path).map_err(Error::at(&path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(taken()),
            Err(error) => Err(Error::File { path, source: error.into() }),
        }
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The proxy's file.
    pub(crate) fn proxy_file(&self) -> PathBuf {
        self.path.join("proxy.toml")
    }

    /// The folder of page files.
    pub(crate) fn pages(&self) -> PathBuf {
        self.path.join("pages")
    }

    /// The supervisor's state, for other verbs to read.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.path.join("fleet.json")
    }

    /// The programs that run and ran, and what was rolled out.
    pub(crate) fn releases(&self) -> PathBuf {
        self.path.join("releases")
    }

    /// Where the supervisor takes requests. Relative if the folder is in the working directory: the path of a Unix
    /// socket has 108 bytes at most (unix(7)).
    pub(crate) fn control_socket(&self) -> PathBuf {
        let path = self.path.join("control.sock");
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(here).map(Path::to_owned).unwrap_or(path)
    }

    /// The folder of run files, one for each living child.
    pub(crate) fn runs(&self) -> PathBuf {
        self.path.join("run")
    }

    /// The run file of one child.
    pub(crate) fn run_file(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.json"))
    }

    /// The data of one service or page.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path.join("data").join(name)
    }

    /// The log of one child.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// Opens the log of one child.
    pub(crate) fn open_log(&self, name: &str) -> Result<Log, Error> {
        let path = self.log(name);
        Log::open(path.clone()).map_err(Error::at(&path))
    }
}

/// Creates a folder and its parents.
pub(crate) fn create(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::at(folder))
}

/// Writes a whole file so that a reader sees the old text or the new one.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    std::fs::write(&unfinished, text).map_err(Error::at(&unfinished))?;
    std::fs::rename(&unfinished, path).map_err(Error::at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_fleet_of_one_folder_is_refused_until_the_first_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path());
        folder.create().unwrap();
        let first = folder.lock().unwrap();
        write(
            &folder.state_file(),
            r#"{"listen":"127.0.0.1:8085","admin":"127.0.0.1:8086","supervisor":1,"children":[]}"#,
        )
        .unwrap();
        let refused = folder.lock().unwrap_err().to_string();
        assert!(refused.contains("already up at http://127.0.0.1:8085"), "{refused}");
        drop(first);
        folder.lock().unwrap();
    }

    #[test]
    fn a_page_is_in_dev_once_in_a_folder_beside_others_and_beside_a_fleet() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path());
        folder.create().unwrap();
        let _fleet = folder.lock().unwrap();
        let _checkout = folder.lock_dev("checkout").unwrap();
        let _frontpage = folder.lock_dev("frontpage").unwrap();
        let refused = folder.lock_dev("checkout").unwrap_err().to_string();
        assert!(refused.contains("`cargo fleet dev checkout` already runs in"), "{refused}");
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("proxy.toml");
        write(&file, "a = 1\n").unwrap();
        write(&file, "a = 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a = 2\n");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
