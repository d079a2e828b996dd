//! One child: a process, what it prints, and how it is asked to end.

use crate::error::Error;
use crate::folder::Folder;
use crate::leftovers::RunFile;
use crate::output::{Listening, Output, Sink};
use crate::process::Process;
use rustix::process::Signal;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// A running page, service or proxy.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    output: Output,
    /// Goes after the process.
    run_file: Option<RunFile>,
}

/// How a child that was asked to end did so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// By itself.
    InTime,
    /// It had to be killed.
    Killed,
}

impl Child {
    /// Starts it, with nothing to read and with both its streams going to `sink`.
    pub(crate) async fn spawn(command: &mut Command, sink: Sink) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(command).await?;
        let stdout = process.stdout().expect("stdout is piped");
        let stderr = process.stderr().expect("stderr is piped");
        Ok(Self { process, output: Output::read(stdout, stderr, sink), run_file: None })
    }

    /// Writes its run file under `name`, so that it is found again if this supervisor is killed.
    pub(crate) fn recorded(mut self, folder: &Folder, name: &str) -> Result<Self, Error> {
        self.run_file = Some(RunFile::write(folder, name, self.pid())?);
        Ok(self)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Ends when it says that it listens, or when it has ended instead.
    pub(crate) async fn listening(&mut self) -> Result<Listening, ExitStatus> {
        tokio::select! {
            biased;
            listening = self.output.listening() => Ok(listening),
            status = self.process.ended() => Err(status),
        }
    }

    /// Ends when it has.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// The last lines it printed; all of them, if it has ended.
    pub(crate) async fn last_lines(&mut self) -> Vec<String> {
        self.output.last_lines().await
    }

    /// Tells the proxy that a successor accepts on its sockets: SIGUSR2.
    pub(crate) fn hand_over(&self) {
        self.process.signal(Signal::USR2);
    }

    /// SIGTERM, then, for what still hangs after `bound`, SIGKILL to the whole group. A stopped process ends too.
    pub(crate) async fn stop(&mut self, bound: Duration) -> Stopped {
        self.process.signal(Signal::TERM);
        match tokio::time::timeout(bound, self.process.ended()).await {
            Ok(_) => Stopped::InTime,
            Err(_) => self.kill().await,
        }
    }

    /// SIGKILL to the whole group.
    pub(crate) async fn kill(&mut self) -> Stopped {
        self.process.signal(Signal::KILL);
        self.process.ended().await;
        Stopped::Killed
    }
}

/// How a process ended, in words.
pub(crate) fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "unknown how".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, test_kill_process_group};

    async fn shell(script: &str) -> Child {
        Child::spawn(Command::new("sh").args(["-c", script]), Sink::Terminal).await.unwrap()
    }

    const LISTENING: &str = r#"echo '{"message":"listening","address":"127.0.0.1:41231"}'"#;

    fn group_of(child: &Child) -> Pid {
        Pid::from_raw(child.pid()).unwrap()
    }

    #[tokio::test]
    async fn a_child_that_heeds_sigterm_ends_in_time() {
        let mut child = shell(&format!("{LISTENING}; exec sleep 60")).await;
        assert!(child.listening().await.unwrap().address.is_some());
        assert_eq!(child.stop(Duration::from_secs(30)).await, Stopped::InTime);
        assert_eq!(how(child.ended().await), "signal 15");
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_is_killed_with_its_whole_group() {
        let mut child = shell(&format!("trap '' TERM; sleep 60 & {LISTENING}; wait; wait")).await;
        child.listening().await.unwrap();
        assert_eq!(child.stop(Duration::from_millis(100)).await, Stopped::Killed);
        gone(group_of(&child)).await;
    }

    #[tokio::test]
    async fn a_child_that_was_stopped_by_sigstop_is_killed() {
        let mut child = shell(&format!("{LISTENING}; kill -STOP $$; sleep 60")).await;
        let stat = format!("/proc/{}/stat", child.pid());
        until(|| std::fs::read_to_string(&stat).unwrap().contains(") T ")).await;
        assert_eq!(child.stop(Duration::from_millis(100)).await, Stopped::Killed);
    }

    #[tokio::test]
    async fn a_child_that_ends_before_it_listens_says_how_and_why() {
        let mut child = shell("echo 'PAGEFLEET_SERVICE_CATALOG is not set' >&2; exit 3").await;
        assert_eq!(how(child.listening().await.unwrap_err()), "exit code 3");
        assert_eq!(child.last_lines().await, ["PAGEFLEET_SERVICE_CATALOG is not set"]);
    }

    #[tokio::test]
    async fn a_dropped_child_takes_its_group_with_it() {
        let mut child = shell(&format!("sleep 60 & {LISTENING}; wait")).await;
        child.listening().await.unwrap();
        let group = group_of(&child);
        drop(child);
        gone(group).await;
    }

    /// Killed processes are there until they are reaped: ours by tokio, their children by init.
    async fn gone(group: Pid) {
        until(|| test_kill_process_group(group).is_err()).await;
    }

    async fn until(holds: impl Fn() -> bool) {
        let polled = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), polled).await.expect("it holds in time");
    }
}
