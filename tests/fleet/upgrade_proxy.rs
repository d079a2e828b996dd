//! A new proxy process takes over the listening sockets: nobody is refused, nobody is cut off.

use crate::harness::{Fleet, Process, Socket, wait_until};
use crate::load::{Client, Load, SHOP};
use std::path::PathBuf;
use std::time::Instant;

fn proxy_file(fleet: &Fleet) -> PathBuf {
    fleet.folder().join(".fleet/proxy.toml")
}

/// Changes the operator's file as an editor does.
fn edit(fleet: &Fleet, change: impl Fn(&str) -> String) {
    let file = proxy_file(fleet);
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text);
    std::fs::write(file, changed).unwrap();
}

async fn needs_upgrade(fleet: &Fleet) -> Option<Vec<String>> {
    let keys = fleet.seen().await?["config"]["needs_upgrade"].as_array()?.clone();
    Some(keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect())
}

/// Waits until another process answers; the old one may still finish what it has begun.
async fn start_upgrade(fleet: &Fleet) -> Process {
    let before = fleet.pid_of("proxy").await;
    let tool = fleet.start(&["upgrade-proxy"]);
    wait_until("another process answers", async || {
        (fleet.seen().await?["pid"] != before && fleet.pid_of("proxy").await != before).then_some(())
    })
    .await;
    tool
}

#[tokio::test]
async fn three_upgrades_under_load_lose_nothing_not_even_on_connections_that_were_idle() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let others = || ["frontpage", "my-account", "catalog"].map(|name| fleet.children_of(name));
    let before = others();
    let load = Load::start(fleet.address, &SHOP, 6);
    let release = fleet.release("checkout", "2", &["--check", "/checkout"]);
    let mut rollout = fleet.start_rollout("checkout", &release, &["--canary", "30", "--bake", "5s"]);
    fleet.wait_until_baking("checkout", "2").await;
    let mut idle: Vec<_> = (100..120).map(|host| Client::new(host, fleet.address)).collect();
    for _ in 0..3 {
        for client in &mut idle {
            assert_eq!(client.get("/checkout", &[]).await.unwrap().status, 200);
        }
        let started = Instant::now();
        let mut tool = start_upgrade(&fleet).await;
        let accepted = started.elapsed();
        for client in &mut idle {
            client.ask_until_told_to_close("/checkout").await;
        }
        assert_eq!(tool.wait().await, Some(0), "{}", tool.output());
        println!(
            "upgrade: the new proxy answered after {accepted:.2?}, the old one ended after {:.2?}",
            started.elapsed()
        );
    }
    assert_eq!(rollout.wait().await, Some(0), "a rollout goes on meanwhile: {}", rollout.output());
    let opened: u64 = idle.iter().map(|client| client.connections).sum();
    let reopened: u64 = idle.iter().map(|client| client.reopened).sum();
    let report = load.stop().await;
    println!("{report}");
    println!("upgrade: 20 idle clients, {opened} connections, {reopened} found closed while idle");
    report.assert_nothing_failed();
    assert_eq!((opened, reopened), (60, 0), "an idle connection is closed after an answer that says so");
    assert_eq!(others(), before);
}

#[tokio::test]
async fn what_is_open_goes_on_in_the_old_process() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let stub = fleet.release("checkout", "2", &[]);
    fleet.rollout("checkout", &stub, &["--canary", "0", "--bake", "0s"]).await.well();
    let mut socket = Socket::open(&fleet.url("/checkout/ws")).await;
    socket.assert_echoes("before").await;
    let slow = tokio::spawn(reqwest::get(fleet.url("/checkout/slow/8000")));
    wait_until("both are in flight", async || {
        let page = fleet.page("checkout").await?;
        let in_flight: u64 = page["instances"].as_array()?.iter().map(|one| one["in_flight"].as_u64().unwrap()).sum();
        (in_flight == 2).then_some(())
    })
    .await;
    let mut tool = start_upgrade(&fleet).await;
    socket.assert_echoes("after").await;
    let slow = slow.await.unwrap().unwrap();
    assert_eq!((slow.status().as_u16(), slow.headers()["connection"].to_str().unwrap()), (200, "close"));
    socket.assert_echoes("and on").await;
    drop(socket);
    assert_eq!(tool.wait().await, Some(0), "{}", tool.output());
}

#[tokio::test]
async fn a_proxy_that_does_not_start_changes_nothing() {
    let fleet = Fleet::up(&[]).await;
    let before = fleet.children();
    let bad = fleet.folder().join("bad-proxy");
    std::fs::copy("/bin/false", &bad).unwrap();
    let load = Load::start(fleet.address, &SHOP, 4);
    fleet.tool(&["upgrade-proxy", "--binary", bad.to_str().unwrap()]).await.refused(&["bad-proxy"]);
    edit(&fleet, |text| format!("colour = 1\n{text}"));
    fleet.tool(&["upgrade-proxy"]).await.refused(&["proxy.toml", "colour"]);
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    assert_eq!(fleet.children(), before);
    assert_eq!(fleet.seen().await.unwrap()["pid"], before.iter().find(|(name, _)| name == "proxy").unwrap().1);
}

#[tokio::test]
async fn what_can_be_changed_without_an_upgrade_is_and_the_rest_is_named() {
    let fleet = Fleet::up(&[]).await;
    assert_eq!(needs_upgrade(&fleet).await.unwrap(), [""; 0]);
    let mut visitor = Client::new(10, fleet.address).without_keep_alive();
    assert_ne!(visitor.get("/checkout", &[]).await.unwrap().header("x-release"), "");
    edit(&fleet, |text| text.replace("debug_headers = true", "debug_headers = false"));
    wait_until("it says no more which release it is", async || {
        (visitor.get("/checkout", &[]).await.unwrap().header("x-release").is_empty()).then_some(())
    })
    .await;
    assert_eq!(needs_upgrade(&fleet).await.unwrap(), [""; 0]);

    edit(&fleet, |text| format!("threads = 1\n{text}"));
    wait_until("it says what needs an upgrade", async || {
        needs_upgrade(&fleet).await.filter(|keys| *keys == ["threads"]).map(drop)
    })
    .await;
    let status = fleet.tool(&["status"]).await.well();
    assert!(status.contains("threads") && status.contains("upgrade-proxy"), "{status}");
    fleet.tool(&["upgrade-proxy"]).await.well();
    wait_until("nothing needs one", async || needs_upgrade(&fleet).await.filter(Vec::is_empty).map(drop)).await;

    edit(&fleet, |text| format!("colour = 1\n{text}"));
    wait_until("it says what is wrong", async || {
        let error = fleet.seen().await?["config"]["error"].as_str()?.to_owned();
        (error.contains("proxy.toml:1") && error.contains("colour")).then_some(())
    })
    .await;
    assert_eq!(visitor.get("/checkout", &[]).await.unwrap().status, 200);
}
