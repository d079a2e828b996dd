use super::supervised::STOP_BOUND;
use super::*;
use crate::sockets::Sockets;
use crate::state_file::{self, Fleet};
use axum::http::StatusCode;
use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Instant, sleep};

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
        sockets: Sockets::default(),
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
    let fleet = scripts();
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
    let fleet = scripts();
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
    let fleet = scripts();
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
    let fleet = scripts();
    fleet.supervisor.start(vec![proxy(&format!("{LISTENS}; exec sleep 60"))]).await.unwrap();
    let pid = fleet.pid();
    drop(fleet.supervisor);
    gone(pid).await;
}

#[tokio::test]
async fn a_child_that_ends_before_it_is_ready_is_told_with_its_last_lines() {
    let fleet = scripts();
    let error = fleet.supervisor.start(vec![proxy("echo 'no such page' >&2; exit 64")]).await.unwrap_err().to_string();
    assert!(error.starts_with("proxy is not ready: it ended (exit code 64) before it listened"), "{error}");
    assert!(error.contains("| no such page"), "{error}");
    assert_eq!(fleet.run_files(), 0);
}

#[tokio::test]
async fn a_child_whose_port_was_taken_meanwhile_is_told_apart() {
    let fleet = scripts();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = script("catalog", Kind::Service, other.local_addr().unwrap(), "exit 1");
    assert!(matches!(fleet.supervisor.start(vec![taken]).await, Err(Error::AddressTaken { .. })));
}

#[tokio::test]
async fn a_service_is_waited_for_until_it_says_that_it_is_ready() {
    let fleet = scripts();
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

fn page(name: &str, text: &str) -> Spec {
    // Kinds other than the proxy are asked whether they are ready, which a script can't say.
    script(name, Kind::Proxy, crate::address::pick(1, &[]).unwrap()[0], text)
}

fn names(state: &Fleet) -> Vec<&str> {
    state.children.iter().map(|child| child.name.as_str()).collect()
}

#[tokio::test]
async fn children_come_and_go_while_the_others_run() {
    let fleet = scripts();
    let sleeps = format!("{LISTENS}; exec sleep 60");
    fleet.supervisor.start(vec![page("checkout-1", &sleeps), page("frontpage-1", &sleeps)]).await.unwrap();
    let before = fleet.state();
    fleet.supervisor.start_more(Kind::Proxy, vec![page("checkout-2", &sleeps)]).await.unwrap();
    assert_eq!(names(&fleet.state()), ["checkout-1", "frontpage-1", "checkout-2"]);
    fleet.supervisor.stop_some(&["checkout-1".to_owned(), "checkout-9".to_owned()]).await.unwrap();
    gone(before.children[0].pid.unwrap()).await;
    let after = fleet.state();
    assert_eq!(names(&after), ["frontpage-1", "checkout-2"]);
    assert_eq!(after.children[0].pid, before.children[1].pid);
    assert_eq!(fleet.run_files(), 2);
    let failed = fleet.supervisor.start_more(Kind::Proxy, vec![page("checkout-3", &sleeps), page("x", "exit 1")]).await;
    assert!(failed.is_err());
    assert_eq!(fleet.run_files(), 2, "none is left of children of which one does not start");
    fleet.supervisor.stop().await;
    assert_eq!(fleet.run_files(), 0);
    gone(after.children[1].pid.unwrap()).await;
}

#[tokio::test]
async fn a_child_that_is_started_later_is_started_again_when_it_ends() {
    let fleet = scripts();
    let sleeps = format!("{LISTENS}; exec sleep 60");
    fleet.supervisor.start(vec![page("checkout-1", &sleeps)]).await.unwrap();
    fleet.supervisor.start_more(Kind::Proxy, vec![page("checkout-2", &sleeps)]).await.unwrap();
    let pid = fleet.state().children[1].pid.unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    fleet.until("a restart", |state| state.children[1].restarts == 1 && state.children[1].pid.is_some()).await;
}

#[tokio::test]
async fn a_proxy_with_a_successor_finishes_what_it_has_begun_and_the_successor_is_watched() {
    let fleet = scripts();
    let done = fleet.folder.path().join("done");
    let old = format!(
        "trap 'while [ ! -e {0} ]; do sleep 0.05; done; echo finished >> {0}; exit 0' USR2; {LISTENS}; \
         while :; do sleep 0.05; done",
        done.display()
    );
    fleet.supervisor.start(vec![proxy(&old)]).await.unwrap();
    let old_pid = fleet.pid();
    let new = proxy(&format!("{LISTENS}; exec sleep 60"));
    let old = fleet.supervisor.replace_proxy(new).await.unwrap();
    let new_pid = fleet.pid();
    assert_ne!(new_pid, old_pid);
    assert_eq!((fleet.state().children.len(), fleet.run_files()), (1, 2));
    std::fs::write(&done, "").unwrap();
    old.ended().await;
    fleet.supervisor.stop_replaced(&old).await;
    assert_eq!(std::fs::read_to_string(&done).unwrap(), "finished\n");
    assert_eq!((fleet.pid(), fleet.run_files()), (new_pid, 1));
    kill_process(Pid::from_raw(new_pid).unwrap(), Signal::KILL).unwrap();
    fleet.until("a restart", |state| state.children[0].restarts == 1 && state.children[0].pid.is_some()).await;
}

#[tokio::test]
async fn an_old_proxy_that_does_not_finish_is_stopped() {
    let fleet = scripts();
    let hangs = format!("trap '' USR2; {LISTENS}; while :; do sleep 0.05; done");
    fleet.supervisor.start(vec![proxy(&hangs)]).await.unwrap();
    let old_pid = fleet.pid();
    let old = fleet.supervisor.replace_proxy(proxy(&format!("{LISTENS}; exec sleep 60"))).await.unwrap();
    fleet.supervisor.stop_replaced(&old).await;
    gone(old_pid).await;
    let new_pid = fleet.pid();
    fleet.supervisor.stop().await;
    gone(new_pid).await;
}

#[tokio::test]
async fn a_successor_that_does_not_listen_changes_nothing() {
    let fleet = scripts();
    fleet.supervisor.start(vec![proxy(&format!("{LISTENS}; exec sleep 60"))]).await.unwrap();
    let before = fleet.state();
    let failed = fleet.supervisor.replace_proxy(proxy("echo 'no such key' >&2; exit 64")).await.unwrap_err();
    assert!(failed.to_string().contains("| no such key"), "{failed}");
    assert_eq!(fleet.state(), before);
    assert_eq!(fleet.run_files(), 1);
}
