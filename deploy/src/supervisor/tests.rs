use super::*;
use crate::state_file::{self, Fleet};
use axum::http::StatusCode;
use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A fleet of shell scripts in a folder of its own.
struct Scripts {
    _parent: tempfile::TempDir,
    folder: Folder,
    supervisor: Supervisor,
}

const LISTENS: &str = r#"echo '{"message":"listening"}'"#;

fn scripts() -> Scripts {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    folder.create().unwrap();
    let listen = "127.0.0.1:8080".parse().unwrap();
    let client = readiness::client().unwrap();
    let supervisor = Supervisor::new(folder.clone(), listen, listen, client).unwrap();
    Scripts { _parent: parent, folder, supervisor }
}

fn script(name: &str, kind: Kind, address: SocketAddr, script: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        kind,
        page: None,
        address,
        program: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: Vec::new(),
    }
}

fn proxy(text: &str) -> Spec {
    script("proxy", Kind::Proxy, crate::address::pick(1, &[]).unwrap()[0], text)
}

impl Scripts {
    fn state(&self) -> Fleet {
        state_file::read(&self.folder).unwrap()
    }

    fn pid(&self) -> i32 {
        self.state().children[0].pid.unwrap()
    }

    fn run_files(&self) -> usize {
        std::fs::read_dir(self.folder.runs()).unwrap().count()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Fleet) -> bool) {
        let polled = async {
            while !holds(&self.state()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), polled).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

/// Killed processes are there until they are reaped: ours by tokio, their children by init.
async fn gone(group: i32) {
    let group = Pid::from_raw(group).unwrap();
    let reaped = async {
        while test_kill_process_group(group).is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reaped).await.expect("the group is gone");
}

#[tokio::test]
async fn a_child_that_ends_is_started_again_and_the_state_file_says_so() {
    let mut fleet = scripts();
    fleet.supervisor.start(vec![proxy(&format!("{LISTENS}; exec sleep 60"))]).await.unwrap();
    let first = fleet.pid();
    assert_eq!(fleet.run_files(), 1);
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    fleet.until("a restart", |state| state.children[0].restarts == 1 && state.children[0].pid.is_some()).await;
    assert_ne!(fleet.pid(), first);
    assert_eq!(fleet.run_files(), 1);
    fleet.supervisor.stop().await;
    assert_eq!(fleet.run_files(), 0);
}

#[tokio::test]
async fn stop_ends_the_last_stage_first() {
    let mut fleet = scripts();
    let order = fleet.folder.path().join("order");
    for name in ["services", "proxy"] {
        let goodbye =
            format!("trap 'echo {name} >> {}; exit 0' TERM; {LISTENS}; while :; do sleep 0.05; done", order.display());
        let address = crate::address::pick(1, &[]).unwrap()[0];
        fleet.supervisor.start(vec![script(name, Kind::Proxy, address, &goodbye)]).await.unwrap();
    }
    fleet.supervisor.stop().await;
    assert_eq!(std::fs::read_to_string(order).unwrap(), "proxy\nservices\n");
}

#[tokio::test]
async fn a_second_wish_to_end_kills_a_child_that_hangs() {
    let mut fleet = scripts();
    fleet.supervisor.start(vec![proxy(&format!("trap '' TERM; {LISTENS}; while :; do sleep 1; done"))]).await.unwrap();
    let pid = fleet.pid();
    let begun = Instant::now();
    let stopped = tokio::time::timeout(Duration::from_millis(100), fleet.supervisor.stop()).await;
    assert!(stopped.is_err(), "it ignores SIGTERM");
    fleet.supervisor.kill().await;
    assert!(begun.elapsed() < STOP_BOUND);
    assert_eq!(fleet.run_files(), 0);
    gone(pid).await;
}

#[tokio::test]
async fn a_dropped_supervisor_leaves_no_child() {
    let mut fleet = scripts();
    fleet.supervisor.start(vec![proxy(&format!("{LISTENS}; exec sleep 60"))]).await.unwrap();
    let pid = fleet.pid();
    drop(fleet.supervisor);
    gone(pid).await;
}

#[tokio::test]
async fn a_child_that_ends_before_it_is_ready_is_told_with_its_last_lines() {
    let mut fleet = scripts();
    let error = fleet.supervisor.start(vec![proxy("echo 'no such page' >&2; exit 64")]).await.unwrap_err().to_string();
    assert!(error.starts_with("proxy is not ready: it ended (exit code 64) before it listened"), "{error}");
    assert!(error.contains("| no such page"), "{error}");
    assert_eq!(fleet.run_files(), 0);
}

#[tokio::test]
async fn a_child_whose_port_was_taken_meanwhile_is_told_apart() {
    let mut fleet = scripts();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = script("catalog", Kind::Service, other.local_addr().unwrap(), "exit 1");
    assert!(matches!(fleet.supervisor.start(vec![taken]).await, Err(Error::AddressTaken { .. })));
}

#[tokio::test]
async fn a_service_is_waited_for_until_it_says_that_it_is_ready() {
    let mut fleet = scripts();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let counted = Arc::clone(&asked);
    let answer = move || async move {
        match counted.swap(true, Ordering::Relaxed) {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    let health = axum::Router::new().route("/health/ready", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, health).await });
    let service = script("catalog", Kind::Service, address, &format!("{LISTENS}; exec sleep 60"));
    fleet.supervisor.start(vec![service]).await.unwrap();
    assert!(asked.load(Ordering::Relaxed));
    fleet.supervisor.stop().await;
}
