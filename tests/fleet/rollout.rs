//! Rolling one page out and back, through the tool and under load: no visitor notices, and no other page does.

use crate::harness::{Fleet, Visitor, between};
use crate::load::{Client, Load, SHOP};
use crate::two_builds::plum_checkout;
use std::time::{Duration, Instant};

/// The steps of a canary, without time to look at it.
const NO_BAKE: [&str; 4] = ["--canary", "10", "--bake", "0s"];
/// Long enough that many visitors see both releases.
const SHORT_BAKE: [&str; 4] = ["--canary", "30", "--bake", "400ms"];
const CHECK: [&str; 2] = ["--check", "/checkout"];

fn told(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    format!("{:.2?} in the middle, {:.2?} at most", sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

#[tokio::test]
async fn twenty_rollouts_and_rollbacks_in_a_row_lose_no_request_and_touch_no_other_page() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let (others, first) = (fleet.children_but("checkout"), fleet.release_of("checkout").await);
    let next = [fleet.release("checkout", "2", &CHECK), fleet.release("checkout", "3", &CHECK)];
    let load = Load::start(fleet.address, &SHOP, 6);
    let (mut forward, mut back, mut order) = (Vec::new(), Vec::new(), vec![first.as_str()]);
    for turn in 0..10 {
        let (release, terms) = [("2", &NO_BAKE), ("3", &SHORT_BAKE)][turn % 2];
        let started = Instant::now();
        fleet.rollout("checkout", &next[turn % 2], terms).await.well();
        if terms == &NO_BAKE {
            forward.push(started.elapsed());
        }
        fleet.wait_until_serves("checkout", release, 2).await;
        let started = Instant::now();
        fleet.tool(&["rollback", "checkout"]).await.well();
        back.push(started.elapsed());
        fleet.wait_until_serves("checkout", &first, 2).await;
        order.extend([release, first.as_str()]);
    }
    let report = load.stop().await;
    println!("rollout: 5 rollouts with no bake took {}, 10 rollbacks {}", told(&forward), told(&back));
    println!("{report}");
    report.assert_nothing_failed();
    report.assert_in_order("checkout", &order);
    assert!(report.page("checkout").documents_of("2") > 0 && report.page("checkout").documents_of("3") > 0);
    assert_eq!(fleet.children_but("checkout"), others);
}

#[tokio::test]
async fn rolling_out_checkout_changes_no_other_page() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let plum = plum_checkout().await;
    let (others, old) = (fleet.children_but("checkout"), fleet.release_of("checkout").await);
    let visitor = Visitor::of(&fleet);
    let front = visitor.get("/").await.text;
    let slug = between(&front, "href=\"/products/", "\"").to_owned();
    assert_eq!(visitor.post(&format!("/products/{slug}"), &[("quantity", "2")]).await.status, 303);
    let asset = |html: &str| format!("/assets/site-{}", between(html, "/assets/site-", "\""));
    let of_old = asset(&visitor.get("/checkout").await.text);
    let load = Load::start(fleet.address, &SHOP, 6);

    let said = fleet.rollout("checkout", &plum, &NO_BAKE).await.well();
    assert!(said.contains("0.1.0+plum"), "{said}");
    fleet.wait_until_serves("checkout", "0.1.0+plum", 2).await;
    let checkout = visitor.get("/checkout").await;
    assert_eq!(checkout.header("x-release"), "0.1.0+plum");
    assert!(checkout.text.contains(&slug), "the basket is still there");
    let of_new = asset(&checkout.text);
    assert_ne!(of_old, of_new, "another bundle");
    assert_eq!(asset(&visitor.get("/").await.text), of_old, "the others have theirs");
    for path in [&of_old, &of_new] {
        assert_eq!(visitor.get(path).await.status, 200, "{path}");
    }
    fleet.tool(&["rollback", "checkout"]).await.well();
    fleet.wait_until_serves("checkout", &old, 2).await;
    assert_eq!(visitor.get(&of_new).await.status, 200, "for the documents that are still open");

    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    report.assert_in_order("checkout", &[&old, "0.1.0+plum", &old]);
    assert_eq!(fleet.children_but("checkout"), others);
    for page in ["frontpage", "my-account"] {
        assert_eq!(report.page(page).releases.keys().collect::<Vec<_>>(), [&old]);
    }
}

#[tokio::test]
async fn with_a_canary_of_nobody_all_visitors_change_at_once() {
    let fleet = Fleet::up(&[]).await;
    let old = fleet.release_of("checkout").await;
    let load = Load::start(fleet.address, &SHOP, 4);
    let started = Instant::now();
    let new = fleet.release("checkout", "2", &CHECK);
    fleet.rollout("checkout", &new, &["--canary", "0", "--bake", "500ms"]).await.well();
    println!("rollout: blue/green with a bake of 0.5 s took {:.2?}", started.elapsed());
    fleet.wait_until_serves("checkout", "2", 1).await;
    let mut anybody = Client::new(99, fleet.address).without_cookies();
    for _ in 0..20 {
        assert_eq!(anybody.get("/checkout", &[]).await.unwrap().header("x-release"), "2");
    }
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    report.assert_in_order("checkout", &[&old, "2"]);
}

#[tokio::test]
async fn a_rollout_says_each_step_and_how_much_is_still_in_flight_on_the_old_release() {
    let fleet = Fleet::up(&[]).await;
    let later = ["--check", "/checkout", "--ready-after", "500ms"];
    let (one, two) = (fleet.release("checkout", "1", &CHECK), fleet.release("checkout", "2", &later));
    fleet.rollout("checkout", &one, &["--canary", "0", "--bake", "0s"]).await.well();
    let mut events = reqwest::get(fleet.url("/checkout/events")).await.unwrap();
    let mut tool = fleet.start_rollout("checkout", &two, &NO_BAKE);
    tool.wait_for_line("what is still in flight", |line| line.contains("1 in flight").then_some(())).await;
    assert!(events.chunk().await.unwrap().is_some(), "it goes on");
    drop(events);
    assert_eq!(tool.wait().await, Some(0));
    let said = tool.output();
    for word in ["ready", "let in", "/checkout", "10 % of visitors", "100 % of visitors", "2 serves everybody"] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
}

#[tokio::test]
async fn on_few_requests_a_release_is_promoted_and_says_so_unless_it_is_judged_strictly() {
    let fleet = Fleet::up(&[]).await;
    let old = fleet.release_of("checkout").await;
    let new = fleet.release("checkout", "2", &CHECK);
    let strictly = ["--canary", "10", "--bake", "300ms", "--strict"];
    fleet.rollout("checkout", &new, &strictly).await.refused(&["0 requests", "200"]);
    fleet.wait_until_serves("checkout", &old, 1).await;
    let said = fleet.rollout("checkout", &new, &strictly[..4]).await.well();
    assert!(said.contains("on 0 requests"), "{said}");
    fleet.wait_until_serves("checkout", "2", 1).await;
    // Without any visitor, it is still looked at.
    let short_lived = fleet.release("checkout", "3", &["--exit-after", "1500ms"]);
    fleet.rollout("checkout", &short_lived, &["--canary", "10", "--bake", "30s"]).await.refused(&["died"]);
    fleet.wait_until_serves("checkout", "2", 1).await;
}

#[tokio::test]
async fn a_rollout_is_kept_when_the_fleet_is_started_again_unless_a_fresh_one_is_wanted() {
    let mut fleet = Fleet::up(&["--instances", "2"]).await;
    let built = fleet.release_of("checkout").await;
    let new = fleet.release("checkout", "2", &CHECK);
    fleet.rollout("checkout", &new, &NO_BAKE).await.well();
    // What was rolled out is kept, not where it came from.
    std::fs::remove_file(new).unwrap();
    for (arguments, release) in [(&["--instances", "2"][..], "2"), (&["--instances", "2", "--fresh"], &built)] {
        fleet.process.signal(rustix::process::Signal::INT);
        assert_eq!(fleet.process.wait().await, Some(0));
        fleet = fleet.up_again(arguments).await;
        fleet.wait_until_serves("checkout", release, 2).await;
        assert_eq!(Visitor::of(&fleet).get("/checkout").await.header("x-release"), release);
    }
}
