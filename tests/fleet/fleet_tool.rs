//! `cargo fleet` as its users run it.

use crate::harness::{Fleet, Process, Visitor, alive, fleet_command, wait_until};
use rustix::process::Signal;
use serde_json::Value;

#[tokio::test]
async fn one_signal_stops_all_of_it_and_data_survives() {
    let mut fleet = Fleet::up(&[]).await;
    let visitor = Visitor::of(&fleet);
    let sign_up = [("name", "Ada"), ("email", "ada@example.com"), ("password", "a long enough one")];
    assert_eq!(visitor.post("/my-account/sign-up", &sign_up).await.status, 303);
    let pids = fleet.pids().await;
    assert!(pids.len() >= 7, "{pids:?}");
    fleet.process.signal(Signal::INT);
    assert_eq!(fleet.process.wait().await, Some(0));
    assert!(pids.iter().all(|pid| !alive(*pid)), "{pids:?}");

    let fleet = fleet.up_again(&[]).await;
    let visitor = Visitor::of(&fleet);
    let signed_in =
        visitor.post("/my-account/sign-in", &[("email", "ada@example.com"), ("password", "a long enough one")]).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text);
}

#[tokio::test]
async fn a_child_that_hangs_is_stopped_all_the_same() {
    let mut fleet = Fleet::up(&[]).await;
    let pids = fleet.pids().await;
    let checkout = fleet.pid_of("checkout").await;
    let hanging = rustix::process::Pid::from_raw(checkout.try_into().unwrap()).unwrap();
    rustix::process::kill_process(hanging, Signal::STOP).unwrap();
    fleet.process.signal(Signal::INT);
    assert_eq!(fleet.process.wait().await, Some(0));
    assert!(pids.iter().all(|pid| !alive(*pid)), "{pids:?}");
}

#[tokio::test]
async fn what_crashes_is_started_again_and_the_tool_says_so() {
    let mut fleet = Fleet::up(&["--instances", "2"]).await;
    let before = fleet.pid_of("checkout").await;
    let pid = rustix::process::Pid::from_raw(before.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    fleet
        .process
        .wait_for_line("the restart", |line| {
            (line.contains("checkout") && line.contains("started again")).then_some(())
        })
        .await;
    wait_until("a new process serves", async || (fleet.pid_of("checkout").await != before).then_some(())).await;
    let visitor = Visitor::of(&fleet);
    wait_until("the page answers", async || (visitor.get("/checkout").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn status_shows_every_page_with_its_instances() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let json = fleet.run(&["status", "--json"]).await;
    assert!(json.status.success(), "{}", String::from_utf8_lossy(&json.stderr));
    let status: Value = serde_json::from_slice(&json.stdout).unwrap();
    let pages = status["pages"].as_array().unwrap();
    assert_eq!(
        pages.iter().map(|page| page["page"].as_str().unwrap()).collect::<Vec<_>>(),
        ["checkout", "frontpage", "my-account"]
    );
    for page in pages {
        let instances = page["instances"].as_array().unwrap();
        assert_eq!(instances.len(), 2);
        for instance in instances {
            assert_eq!(instance["state"], "healthy");
            assert!(alive(instance["pid"].as_u64().unwrap().try_into().unwrap()));
            assert!(instance["in_flight"].is_u64() && instance["release"].is_string());
        }
    }
    let table = fleet.run(&["status"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.matches("healthy").count() >= 6, "{table}");
}

#[tokio::test]
async fn a_taken_port_is_one_clear_error_and_nothing_is_left_running() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = fleet_command(folder.path())
        .args(["up", "--listen", &address, "--admin", "127.0.0.1:0"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&address) && error.contains("in use"), "{error}");
    assert!(!folder.path().join(".fleet/fleet.json").exists());
}

#[tokio::test]
async fn two_fleets_in_two_folders_do_not_meet_and_one_folder_has_one() {
    let one = Fleet::up(&[]).await;
    let two = Fleet::up(&[]).await;
    assert_ne!(one.address, two.address);
    let again = one.run(&["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).await;
    assert!(!again.status.success(), "a second fleet in the folder of the first");
    drop(two);
    assert_eq!(Visitor::of(&one).get("/").await.status, 200);
}

#[tokio::test]
async fn a_supervisor_that_was_killed_leaves_nothing_that_the_next_one_does_not_end() {
    let mut fleet = Fleet::up(&[]).await;
    let pids = fleet.pids().await;
    fleet.process.kill().await;
    let fleet = fleet.up_again(&[]).await;
    assert!(pids.iter().all(|pid| !alive(*pid)), "{pids:?}");
    assert_eq!(Visitor::of(&fleet).get("/").await.status, 200);
}

#[tokio::test]
async fn one_page_alone_is_served_by_dev_with_no_other_process() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut process = Process::start(fleet_command(folder.path()).args(["dev", "checkout", "--listen", "127.0.0.1:0"]));
    let url = process.wait_for_line("ready", |line| line.strip_prefix("ready ").map(str::to_owned)).await;
    let page = reqwest::get(&url).await.unwrap();
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(html.contains("/.pagefleet/reload.js") && html.contains("Basket"), "{html}");
    process.signal(Signal::INT);
    assert_eq!(process.wait().await, Some(0));
    let unknown = fleet_command(folder.path()).args(["dev", "chekout"]).output().await.unwrap();
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("my-account"), "the error lists the pages");
}
