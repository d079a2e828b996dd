//! Which process is meant, for as long as the system runs: a pid and its start time. A pid alone proves nothing, because
//! the system gives it to others.

use serde::{Deserialize, Serialize};

/// A process, alive or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its process id.
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since boot; absent where the system doesn't tell.
    pub(crate) start_time: Option<u64>,
}

impl Identity {
    /// Of the process that has `pid` now.
    pub(crate) fn of(pid: i32) -> Self {
        Self { pid, start_time: start_time(pid) }
    }

    /// Of the process that asks.
    pub(crate) fn own() -> Self {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Whether it still runs. One whose start time is unknown counts as gone: nothing is ended on a guess.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_same(start_time(self.pid))
    }

    fn is_same(&self, start_time_now: Option<u64>) -> bool {
        self.start_time.is_some() && self.start_time == start_time_now
    }
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

    #[test]
    fn a_process_is_alive_when_its_pid_has_its_start_time() {
        let identity = |start_time| Identity { pid: 41, start_time };
        assert!(identity(Some(7)).is_same(Some(7)));
        assert!(!identity(Some(7)).is_same(Some(8)), "the pid is another process's now");
        assert!(!identity(Some(7)).is_same(None), "it has ended");
        assert!(!identity(None).is_same(None), "a start time that is unknown proves nothing");
        assert!(Identity::own().is_alive());
    }

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let rest = "1 41 41 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 123456 1000 10";
        assert_eq!(parse_start_time(&format!("41 (page) S {rest}")), Some(123_456));
        assert_eq!(parse_start_time(&format!("41 (a) b (c)) R {rest}")), Some(123_456));
        assert_eq!(parse_start_time(&format!("41 (page) Z {rest}")), None);
        assert_eq!(parse_start_time("41"), None);
    }
}
