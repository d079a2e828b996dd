//! Children whose supervisor was killed, an `up` or a `dev`. Each living child has a run file that names it and its
//! supervisor; at the next start in the same folder, what still runs without its supervisor is ended. Children of one that
//! lives are not touched.

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::identity::Identity;
use crate::progress;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a leftover may take to end after SIGTERM, and again after SIGKILL.
const BOUND: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// What a run file says of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    process: Identity,
    /// Its process group.
    group: i32,
    /// Who started it, and ends it while alive.
    supervisor: Identity,
}

/// The run file of a living child; removed when this is dropped, which a killed supervisor does not do.
#[derive(Debug)]
pub(crate) struct RunFile {
    path: PathBuf,
    record: Record,
}

impl RunFile {
    /// Records a child of ours that leads its own group.
    pub(crate) fn write(folder: &Folder, name: &str, pid: i32) -> Result<Self, Error> {
        Self::record(folder, name, Record { process: Identity::of(pid), group: pid, supervisor: Identity::own() })
    }

    fn record(folder: &Folder, name: &str, record: Record) -> Result<Self, Error> {
        let path = folder.run_file(name);
        folder::write(&path, &serde_json::to_string(&record).expect("numbers can be written as JSON"))?;
        Ok(Self { path, record })
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        remove(&self.path, &self.record);
    }
}

/// A child without supervisor, by its run file.
#[derive(Debug)]
struct Leftover {
    run_file: PathBuf,
    record: Record,
}

/// Ends all leftovers of a folder, and tells if there were any.
pub(crate) async fn clear(folder: &Folder) -> Result<(), Error> {
    match end(folder).await? {
        0 => {}
        count => progress::step("leftovers", format_args!("{count} of a run that was killed, ended")),
    }
    Ok(())
}

/// Ends all leftovers and says how many there were. A run file goes when its process has, so that a clean-up
/// that is cut short is continued by the next one.
async fn end(folder: &Folder) -> Result<usize, Error> {
    let mut left = find(&folder.runs())?;
    let count = left.len();
    for signal in [Signal::TERM, Signal::KILL] {
        left.iter().for_each(|leftover| send(leftover.record.group, signal));
        left = still_there(left, Instant::now() + BOUND).await;
    }
    match left.into_iter().next() {
        Some(stuck) => Err(Error::LeftoverStays { run_file: stuck.run_file, pid: stuck.record.process.pid }),
        None => Ok(count),
    }
}

/// The leftovers of a folder; run files of processes that are gone are removed on the way.
fn find(runs: &Path) -> Result<Vec<Leftover>, Error> {
    let mut left = Vec::new();
    for entry in std::fs::read_dir(runs).map_err(Error::at(runs))? {
        let run_file = entry.map_err(Error::at(runs))?.path();
        // What does not end so is a file that is being written.
        if run_file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match read(&run_file) {
            Some(record) if record.supervisor.is_alive() => {}
            Some(record) if record.process.is_alive() => left.push(Leftover { run_file, record }),
            Some(record) => remove(&run_file, &record),
            None => std::fs::remove_file(&run_file).or_else(gone_is_fine).map_err(Error::at(&run_file))?,
        }
    }
    Ok(left)
}

/// Waits until all have ended or `deadline`, and returns those that have not.
async fn still_there(mut left: Vec<Leftover>, deadline: Instant) -> Vec<Leftover> {
    loop {
        let (alive, ended): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|leftover| leftover.record.process.is_alive());
        for leftover in ended {
            // What it left of its group would keep its port.
            send(leftover.record.group, Signal::KILL);
            remove(&leftover.run_file, &leftover.record);
        }
        left = alive;
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        sleep(POLL).await;
    }
}

fn send(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = kill_process_group(group, signal);
    }
}

fn read(run_file: &Path) -> Option<Record> {
    serde_json::from_str(&std::fs::read_to_string(run_file).ok()?).ok()
}

/// Removes a run file, unless a child of the same name was recorded there meanwhile. One that can't be removed names a
/// process that has ended, which the next start finds out.
fn remove(run_file: &Path, record: &Record) {
    if read(run_file).as_ref() == Some(record) {
        let _ = std::fs::remove_file(run_file);
    }
}

fn gone_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
