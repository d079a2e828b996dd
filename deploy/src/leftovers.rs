//! Children of a supervisor that was killed. Each living child has a run file; at the next start, what still runs under
//! the same pid *and* start time is ended. A pid alone proves nothing: the system gives it to others.

use crate::error::Error;
use crate::folder::{self, Folder};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a leftover may take to end after SIGTERM, and again after SIGKILL.
const BOUND: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// What a run file says of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its process id.
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since boot; absent where the system doesn't tell.
    pub(crate) start_time: Option<u64>,
    /// Its process group.
    pub(crate) group: i32,
}

/// The run file of a living child; removed when this is dropped, which a killed supervisor does not do.
#[derive(Debug)]
pub(crate) struct RunFile {
    path: PathBuf,
}

impl RunFile {
    /// Records a child that leads its own group.
    pub(crate) fn write(folder: &Folder, name: &str, pid: i32) -> Result<Self, Error> {
        let record = Record { pid, start_time: start_time(pid), group: pid };
        let path = folder.run_file(name);
        folder::write(&path, &serde_json::to_string(&record).expect("numbers can be written as JSON"))?;
        Ok(Self { path })
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        // One that stays names a process that has ended, which the next start finds out.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Ends all leftovers and removes their run files; says how many there were. Only for the holder of the folder's lock.
pub(crate) async fn end(folder: &Folder) -> Result<usize, Error> {
    let mut leftovers = Vec::new();
    for path in run_files(&folder.runs())? {
        let record = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Record>(&text).ok());
        leftovers.extend(record.filter(is_alive));
        std::fs::remove_file(&path).map_err(Error::at(&path))?;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        let deadline = Instant::now() + BOUND;
        for leftover in leftovers.iter().filter(|leftover| is_alive(leftover)) {
            send(leftover.group, signal);
        }
        while leftovers.iter().any(is_alive) && Instant::now() < deadline {
            sleep(POLL).await;
        }
    }
    Ok(leftovers.len())
}

fn run_files(runs: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(runs).map_err(Error::at(runs))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(Error::at(runs))).collect()
}

fn send(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = kill_process_group(group, signal);
    }
}

fn is_alive(record: &Record) -> bool {
    is_same(record, start_time(record.pid))
}

/// Whether the process that has the record's pid now, if any, is the one that was recorded.
fn is_same(record: &Record, start_time_now: Option<u64>) -> bool {
    record.start_time.is_some() && record.start_time == start_time_now
}

/// When the living process `pid` was started.
fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of `/proc/<pid>/stat`, unless the process has ended and only waits to be reaped (proc_pid_stat(5)). The name
/// in field 2 may hold spaces and parentheses, so fields are counted from its last one.
fn parse_start_time(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    #[test]
    fn only_the_process_that_was_recorded_is_a_leftover() {
        let record = |start_time| Record { pid: 41, start_time, group: 41 };
        assert!(is_same(&record(Some(7)), Some(7)));
        assert!(!is_same(&record(Some(7)), Some(8)), "the pid is another process's now");
        assert!(!is_same(&record(Some(7)), None), "it has ended");
        assert!(!is_same(&record(None), None), "a record without a start time proves nothing");
    }

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let rest = "1 41 41 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 123456 1000 10";
        assert_eq!(parse_start_time(&format!("41 (page) S {rest}")), Some(123_456));
        assert_eq!(parse_start_time(&format!("41 (a) b (c)) R {rest}")), Some(123_456));
        assert_eq!(parse_start_time(&format!("41 (page) Z {rest}")), None);
        assert_eq!(parse_start_time("41"), None);
    }

    fn orphan(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap()
    }

    fn pid_of(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    #[tokio::test]
    async fn what_a_killed_supervisor_left_is_ended_and_strangers_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path());
        folder.create().unwrap();
        let mut left = orphan("exec sleep 60");
        let mut stranger = orphan("exec sleep 60");
        std::mem::forget(RunFile::write(&folder, "catalog", pid_of(&left)).unwrap());
        let reused = Record { pid: pid_of(&stranger), start_time: Some(1), group: pid_of(&stranger) };
        folder::write(&folder.run_file("orders"), &serde_json::to_string(&reused).unwrap()).unwrap();
        folder::write(&folder.run_file("garbled"), "{").unwrap();

        assert_eq!(end(&folder).await.unwrap(), 1);

        left.wait().unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "a process that was never ours goes on");
        assert_eq!(std::fs::read_dir(folder.runs()).unwrap().count(), 0);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
