use super::*;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use tokio::time::timeout;

/// A folder of its own, with run files.
struct Runs {
    _parent: tempfile::TempDir,
    folder: Folder,
}

fn runs() -> Runs {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    folder.create().unwrap();
    Runs { _parent: parent, folder }
}

impl Runs {
    /// Records a child as its supervisor does, and forgets to remove the record, as a killed one does.
    fn record(&self, name: &str, process: Identity, supervisor: Identity) {
        let group = process.pid;
        std::mem::forget(RunFile::record(&self.folder, name, Record { process, group, supervisor }).unwrap());
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.runs()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A shell in a group of its own that has printed a line.
fn shell(script: &str) -> Child {
    let mut command = Command::new("sh");
    let mut shell = command.args(["-c", script]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    shell
}

fn sleeper() -> Child {
    shell("echo; exec sleep 60")
}

fn identity(child: &Child) -> Identity {
    Identity::of(i32::try_from(child.id()).unwrap())
}

/// Of a process that had this process's pid before it.
fn killed() -> Identity {
    Identity { start_time: Some(1), ..Identity::own() }
}

fn end_stranger(mut stranger: Child) {
    assert!(stranger.try_wait().unwrap().is_none(), "a process that is not a leftover goes on");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn what_a_killed_supervisor_left_is_ended_and_strangers_are_not() {
    let runs = runs();
    let (mut left, stranger) = (sleeper(), sleeper());
    runs.record("catalog", identity(&left), killed());
    runs.record("orders", Identity { start_time: Some(1), ..identity(&stranger) }, killed());
    folder::write(&runs.folder.run_file("garbled"), "{").unwrap();
    assert_eq!(end(&runs.folder).await.unwrap(), 1);
    left.wait().unwrap();
    assert_eq!(runs.names(), [""; 0]);
    end_stranger(stranger);
}

#[tokio::test]
async fn a_child_whose_supervisor_lives_is_left_to_it() {
    let runs = runs();
    let (child, mut left) = (sleeper(), sleeper());
    let run_file = RunFile::write(&runs.folder, "dev-checkout", identity(&child).pid).unwrap();
    runs.record("checkout-1", identity(&left), killed());
    assert_eq!(end(&runs.folder).await.unwrap(), 1);
    left.wait().unwrap();
    assert_eq!(runs.names(), ["dev-checkout.json"]);
    end_stranger(child);
    drop(run_file);
    assert_eq!(runs.names(), [""; 0]);
}

#[tokio::test]
async fn a_clean_up_that_is_cut_short_is_continued_by_the_next() {
    let runs = runs();
    let mut stubborn = shell("trap '' TERM; echo; while :; do sleep 1; done");
    runs.record("catalog", identity(&stubborn), killed());
    assert!(timeout(Duration::from_millis(100), end(&runs.folder)).await.is_err(), "it ignores SIGTERM");
    assert_eq!(runs.names(), ["catalog.json"], "it still runs");
    assert_eq!(end(&runs.folder).await.unwrap(), 1);
    stubborn.wait().unwrap();
    assert_eq!(runs.names(), [""; 0]);
}

#[tokio::test]
async fn what_a_leftover_started_ends_with_it() {
    let runs = runs();
    let mut left = shell("(trap '' TERM; echo; exec sleep 60) & trap 'exit 0' TERM; wait");
    runs.record("catalog", identity(&left), killed());
    let group = Pid::from_raw(identity(&left).pid).unwrap();
    end(&runs.folder).await.unwrap();
    left.wait().unwrap();
    let reaped = async {
        while rustix::process::test_kill_process_group(group).is_ok() {
            sleep(POLL).await;
        }
    };
    timeout(Duration::from_secs(10), reaped).await.expect("the group is gone");
}

#[test]
fn a_run_file_that_was_written_anew_stays_for_its_new_child() {
    let runs = runs();
    let first = RunFile::write(&runs.folder, "dev-checkout", 41).unwrap();
    let second = RunFile::write(&runs.folder, "dev-checkout", 42).unwrap();
    drop(first);
    assert_eq!(runs.names(), ["dev-checkout.json"]);
    drop(second);
    assert_eq!(runs.names(), [""; 0]);
}
