//! `.fleet/fleet.json`: the supervisor's control state, for other verbs and other programs to read. It is there while a
//! fleet is up, and always whole.

use crate::error::Error;
use crate::folder::{self, Folder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// A fleet that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fleet {
    /// Where visitors reach it.
    pub(crate) listen: SocketAddr,
    /// The proxy's admin address.
    pub(crate) admin: SocketAddr,
    /// The process id of the supervisor.
    pub(crate) supervisor: u32,
    /// Whether it was built with optimisation.
    #[serde(default)]
    pub(crate) release_build: bool,
    /// In the order of their start.
    pub(crate) children: Vec<Entry>,
    /// Those under way, a rollback included.
    #[serde(default)]
    pub(crate) rollouts: Vec<Rollout>,
}

/// A rollout that is under way, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rollout {
    /// Tells it from another one of the page.
    pub(crate) id: u64,
    /// Of which page.
    pub(crate) page: String,
    /// What it does now: `start`, `gate`, `bake`.
    pub(crate) step: String,
    /// The percentage of visitors that the new release has.
    pub(crate) share: u8,
    /// The new release, once it is known.
    pub(crate) release: Option<String>,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// A child, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// `catalog`, `checkout-1`, `proxy`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Of which page it is an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
    /// Where it listens, over all its restarts.
    pub(crate) address: SocketAddr,
    /// The process id; absent while it is down.
    pub(crate) pid: Option<i32>,
    /// How often it was started again.
    pub(crate) restarts: u32,
}

/// What a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A domain service.
    Service,
    /// An instance of a page.
    Page,
    /// The proxy.
    Proxy,
}

/// The file, kept up to date; removed when this is dropped.
#[derive(Debug)]
pub(crate) struct StateFile {
    folder: Folder,
    fleet: Mutex<Fleet>,
}

impl StateFile {
    /// Writes the file of a fleet without children yet.
    pub(crate) fn begin(folder: Folder, listen: SocketAddr, admin: SocketAddr) -> Result<Self, Error> {
        let supervisor = std::process::id();
        let (children, rollouts) = (Vec::new(), Vec::new());
        let fleet = Fleet { listen, admin, supervisor, release_build: false, children, rollouts };
        let state = Self { folder, fleet: Mutex::new(fleet) };
        state.change(|_| {})?;
        Ok(state)
    }

    /// Changes the state and the file. The lock is held over the write, so that files follow states in order.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Fleet)) -> Result<(), Error> {
        let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut fleet);
        let text = serde_json::to_string_pretty(&*fleet).expect("names and numbers can be written as JSON");
        folder::write(&self.folder.state_file(), &text)
    }

    /// The state as it is now.
    pub(crate) fn now(&self) -> Fleet {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that a child that ran as `was`, or was down, now runs as `is`, or is down. One that another process has
    /// taken the place of meanwhile is none of the state any more.
    pub(crate) fn note(&self, name: &str, was: Option<i32>, is: Option<i32>) -> Result<(), Error> {
        self.change(|fleet| {
            if let Some(entry) = fleet.children.iter_mut().find(|entry| entry.name == name && entry.pid == was) {
                entry.restarts += u32::from(is.is_some());
                entry.pid = is;
            }
        })
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.folder.state_file());
    }
}

/// The fleet of a folder, if its file is there.
pub(crate) fn read(folder: &Folder) -> Option<Fleet> {
    serde_json::from_str(&std::fs::read_to_string(folder.state_file()).ok()?).ok()
}

/// Where the fleet of a folder can be browsed.
pub(crate) fn site_of(folder: &Folder) -> Option<String> {
    read(folder).map(|fleet| format!("http://{}", crate::address::reachable(fleet.listen)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_follows_each_change_and_goes_with_the_fleet() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path());
        folder.create().unwrap();
        let address = "127.0.0.1:8080".parse().unwrap();
        let state = StateFile::begin(folder.clone(), address, address).unwrap();
        let entry = Entry {
            name: "checkout-1".to_owned(),
            kind: Kind::Page,
            page: Some("checkout".to_owned()),
            address,
            pid: Some(41),
            restarts: 0,
        };
        state.change(|fleet| fleet.children.push(entry)).unwrap();
        state.note("checkout-1", Some(40), None).unwrap();
        assert_eq!(read(&folder).unwrap().children[0].pid, Some(41), "what ran before it has ended later");
        state.note("checkout-1", Some(41), None).unwrap();
        assert_eq!(read(&folder).unwrap().children[0].pid, None);
        state.note("checkout-1", None, Some(42)).unwrap();
        let child = read(&folder).unwrap().children.remove(0);
        assert_eq!((child.pid, child.restarts), (Some(42), 1));
        drop(state);
        assert_eq!(read(&folder), None);
    }
}
