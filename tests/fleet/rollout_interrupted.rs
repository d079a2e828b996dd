//! What is killed, or in each other's way, while a page rolls: the site stays up, and what comes next begins from a sane
//! state.

use crate::harness::{Fleet, Visitor, send, wait_until};
use crate::load::{Load, SHOP};
use rustix::process::Signal;
use std::path::PathBuf;

/// Long enough to do something meanwhile.
const BAKING: [&str; 4] = ["--canary", "50", "--bake", "1s"];
/// Not to end by itself while a test looks.
const BAKING_LONG: [&str; 4] = ["--canary", "50", "--bake", "120s"];

fn release(fleet: &Fleet, page: &str, release: &str) -> PathBuf {
    fleet.release(page, release, &["--check", &format!("/{page}")])
}

#[tokio::test]
async fn a_rollout_goes_on_when_the_tool_is_interrupted_or_killed() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let load = Load::start(fleet.address, &SHOP, 4);
    for (number, signal) in [("2", Signal::INT), ("3", Signal::KILL)] {
        let mut tool = fleet.start_rollout("checkout", &release(&fleet, "checkout", number), &BAKING);
        fleet.wait_until_baking("checkout", number).await;
        tool.signal(signal);
        assert_ne!(tool.wait().await, Some(0));
        fleet.wait_until_serves("checkout", number, 2).await;
    }
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    fleet.tool(&["rollback", "checkout"]).await.well();
    fleet.wait_until_serves("checkout", "2", 2).await;
}

#[tokio::test]
async fn a_rollout_goes_on_when_the_proxy_is_killed_and_no_connection_is_refused() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let new = release(&fleet, "checkout", "2");
    let load = Load::start(fleet.address, &SHOP, 6);
    let mut tool = fleet.start_rollout("checkout", &new, &BAKING);
    fleet.wait_until_baking("checkout", "2").await;
    let before = fleet.pid_of("proxy").await;
    send(before, Signal::KILL);
    assert_eq!(tool.wait().await, Some(0), "{}", tool.output());
    fleet.wait_until_serves("checkout", "2", 2).await;
    assert_ne!(fleet.pid_of("proxy").await, before);
    let report = load.stop().await;
    println!("{report}");
    // What was in flight in the process that was killed is lost, and nothing else.
    report.assert_only_failed(&|_, failure| {
        let cut = ["Connection reset", "connection closed", "IncompleteMessage"];
        cut.iter().any(|words| failure.what.contains(words)) && !failure.what.contains("not connected")
    });
    let lost: usize = report.pages.values().map(|page| page.failures.len()).sum();
    println!("rollout: {lost} requests in flight were lost with the proxy");
    assert!(lost <= 6, "each of 6 visitors has one request in flight at most");
}

#[tokio::test]
async fn a_rollout_goes_back_when_a_new_instance_is_killed() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let (old, new) = (fleet.release_of("checkout").await, release(&fleet, "checkout", "2"));
    let load = Load::start(fleet.address, &SHOP, 4);
    let mut tool = fleet.start_rollout("checkout", &new, &BAKING_LONG);
    fleet.wait_until_baking("checkout", "2").await;
    send(fleet.pid_of_release("checkout", "2").await, Signal::KILL);
    assert_eq!(tool.wait().await, Some(1), "{}", tool.output());
    fleet.wait_until_serves("checkout", &old, 2).await;
    let report = load.stop().await;
    println!("{report}");
    // The process may have been answering somebody.
    report.assert_only_failed(&|page, failure| page == "checkout" && !failure.what.contains("not connected"));
    let lost = report.page("checkout").failures.len();
    assert!(lost <= 4, "{lost} requests lost with one instance");
    fleet.rollout("checkout", &new, &["--canary", "10", "--bake", "0s"]).await.well();
    fleet.wait_until_serves("checkout", "2", 2).await;
}

#[tokio::test]
async fn the_site_stays_up_when_the_supervisor_is_killed_and_the_next_one_begins_with_the_release_that_was_recorded() {
    let mut fleet = Fleet::up(&["--instances", "2"]).await;
    let (two, three) = (release(&fleet, "checkout", "2"), release(&fleet, "checkout", "3"));
    fleet.rollout("checkout", &two, &["--canary", "10", "--bake", "0s"]).await.well();
    let load = Load::start(fleet.address, &SHOP, 4);
    let mut tool = fleet.start_rollout("checkout", &three, &BAKING_LONG);
    fleet.wait_until_baking("checkout", "3").await;
    fleet.process.kill().await;
    assert_ne!(tool.wait().await, Some(0), "{}", tool.output());
    let so_far = load.so_far().page("checkout").requests;
    wait_until("visitors go on", async || (load.so_far().page("checkout").requests > so_far + 200).then_some(())).await;
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();

    let fleet = fleet.up_again(&["--instances", "2"]).await;
    fleet.wait_until_serves("checkout", "2", 2).await;
    fleet.rollout("checkout", &three, &["--canary", "10", "--bake", "0s"]).await.well();
    fleet.wait_until_serves("checkout", "3", 2).await;
    fleet.tool(&["rollback", "checkout"]).await.well();
    fleet.wait_until_serves("checkout", "2", 2).await;
}

#[tokio::test]
async fn a_page_rolls_once_at_a_time_beside_others_and_a_rollback_ends_it() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let (old, new) = (fleet.release_of("checkout").await, release(&fleet, "checkout", "2"));
    let front = release(&fleet, "frontpage", "2");
    let load = Load::start(fleet.address, &SHOP, 4);
    let mut tool = fleet.start_rollout("checkout", &new, &BAKING_LONG);
    fleet.wait_until_baking("checkout", "2").await;
    let second = fleet.rollout("checkout", &release(&fleet, "checkout", "3"), &BAKING).await;
    second.refused(&["a rollout of checkout is running"]);
    fleet.rollout("frontpage", &front, &["--canary", "10", "--bake", "0s"]).await.well();
    fleet.wait_until_serves("frontpage", "2", 2).await;
    fleet.wait_until_baking("checkout", "2").await;

    fleet.tool(&["rollback", "checkout"]).await.well();
    assert_eq!(tool.wait().await, Some(1), "{}", tool.output());
    fleet.wait_until_serves("checkout", &old, 2).await;
    assert_eq!(Visitor::of(&fleet).get("/checkout").await.header("x-release"), old);
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    report.assert_in_order("checkout", &[&old, "2", &old]);
}

#[tokio::test]
async fn what_cannot_be_rolled_is_refused_at_once() {
    let fleet = Fleet::up(&[]).await;
    let new = release(&fleet, "checkout", "2");
    fleet.rollout("chekout", &new, &[]).await.refused(&["chekout", "checkout"]);
    fleet.tool(&["rollback", "checkout"]).await.refused(&["nothing to roll back to"]);
    fleet.rollout("checkout", &new, &["--canary", "10", "--bake", "0s"]).await.well();
    fleet
        .rollout("checkout", &new, &["--canary", "10", "--bake", "0s"])
        .await
        .refused(&["checkout runs this binary already"]);
}
