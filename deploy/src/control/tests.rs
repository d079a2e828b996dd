use super::*;
use crate::error::Error;
use crate::folder::Folder;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// A fleet of one page, none of whose processes runs, which takes requests.
struct Fleet {
    _parent: tempfile::TempDir,
    folder: Folder,
    end: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

async fn fleet() -> Fleet {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    folder.create().unwrap();
    let site = crate::site::tests::site(&folder);
    let control = Control::bind(&folder).unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        control.serve(site, async { drop(ended.await) }).await;
    });
    Fleet { _parent: parent, folder, end, served }
}

fn terms() -> Terms {
    Terms { canary: 10, bake_ms: 0, strict: false }
}

fn rollout(page: &str, binary: &Path) -> Request {
    Request::Rollout { page: page.to_owned(), binary: binary.to_owned(), terms: terms() }
}

async fn refusal(fleet: &Fleet, request: &Request) -> String {
    ask(&fleet.folder, request).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_the_reason() {
    let fleet = fleet().await;
    let unknown = refusal(&fleet, &rollout("chekout", Path::new("/bin/sh"))).await;
    assert_eq!(unknown, "there is no page `chekout`; the pages are checkout");
    let missing = refusal(&fleet, &rollout("checkout", Path::new("/no/such/program"))).await;
    assert!(missing.starts_with("/no/such/program: No such file or directory"), "{missing}");
    let plain = fleet.folder.path().join("fleet.json");
    let plain = refusal(&fleet, &rollout("checkout", &plain)).await;
    assert!(plain.ends_with("fleet.json: is not an executable file"), "{plain}");
    let nothing = refusal(&fleet, &Request::Rollback { page: "checkout".to_owned(), terms: terms() }).await;
    assert!(nothing.starts_with("nothing to roll back to: no rollout of checkout"), "{nothing}");
}

#[tokio::test]
async fn a_malformed_request_is_answered_with_what_is_wrong() {
    let fleet = fleet().await;
    let mut stream = UnixStream::connect(fleet.folder.control_socket()).await.unwrap();
    stream.write_all(b"rollout checkout\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let event: Event = serde_json::from_str(&answer).unwrap();
    assert!(matches!(event, Event::Failed { reason, .. } if reason.starts_with("the request is malformed: ")));
}

#[tokio::test]
async fn only_the_owner_may_ask_and_the_socket_goes_with_the_fleet() {
    let fleet = fleet().await;
    let socket = fleet.folder.control_socket();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    fleet.end.send(()).unwrap();
    fleet.served.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_socket_that_a_killed_supervisor_left_is_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    folder.create().unwrap();
    std::mem::forget(Control::bind(&folder).unwrap());
    drop(Control::bind(&folder).unwrap());
}

#[tokio::test]
async fn whoever_asks_where_no_fleet_takes_requests_is_told_why() {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    let request = Request::UpgradeProxy { binary: "/bin/sh".into() };
    let said = async || ask(&folder, &request).await.unwrap_err();
    assert!(matches!(said().await, Error::NoFleet(_)));
    folder.create().unwrap();
    assert!(matches!(said().await, Error::NoFleet(_)));
    let lock = folder.lock().unwrap();
    assert!(matches!(said().await, Error::FleetBusy(_)));
    drop(lock);
    std::fs::write(folder.state_file(), "{}").unwrap();
    assert!(matches!(said().await, Error::SupervisorKilled(_)));
}
