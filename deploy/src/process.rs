//! One process in a group of its own, so that a Ctrl-C at the terminal is ours to pass on and whatever it starts ends with
//! it. Dropping it kills the group: an early error or a panic leaves nothing running.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::time::sleep;

/// How often, and how long after, a program that is busy is tried again: whoever was forked while it was copied has the
/// copy open until it runs its own program.
const BUSY: (u32, Duration) = (50, Duration::from_millis(20));

/// A process that was started, and may have ended.
#[derive(Debug)]
pub(crate) struct Process {
    process: tokio::process::Child,
    group: Pid,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    pub(crate) async fn spawn(command: &mut Command) -> io::Result<Self> {
        command.process_group(0);
        let (mut tries, wait) = BUSY;
        let process = loop {
            match command.spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries > 0 => tries -= 1,
                spawned => break spawned?,
            }
            sleep(wait).await;
        };
        let pid = process.id().and_then(|pid| i32::try_from(pid).ok());
        let group = pid.and_then(Pid::from_raw).expect("a process that nobody has waited for has a pid");
        Ok(Self { process, group, ended: None })
    }

    /// Its id, which is its group's too.
    pub(crate) fn pid(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Its piped stdout, once.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Its piped stderr, once.
    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.process.stderr.take()
    }

    /// Ends when the process has. What it left of its group is killed, lest it keep a port. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        let status = self.process.wait().await.expect("a child that nobody else waits for can be waited for");
        self.signal(Signal::KILL);
        self.ended = Some(status);
        status
    }

    /// Sends the whole group a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // The one way to fail is a group that is gone, which is what the signals we send are for.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::KILL);
        }
    }
}
