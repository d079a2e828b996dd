//! A release that is no good, whichever way: the old one serves, the tool says why and exits with code 1, and visitors
//! see no more of it than its share.

use crate::harness::Fleet;
use crate::load::{Load, SHOP};
use std::path::Path;
use std::time::Instant;

/// Half of the visitors, so that there are enough requests to judge by soon.
const HALF: [&str; 4] = ["--canary", "50", "--bake", "10s"];

/// That rolling it out fails with this in the reason, and the page has its old instances and no other.
async fn assert_goes_back(fleet: &Fleet, page: &str, bad: &Path, words: &[&str]) {
    let (old, children) = (fleet.release_of(page).await, fleet.children_of(page));
    let started = Instant::now();
    let said = fleet.rollout(page, bad, &HALF).await.refused(words);
    let reason = said.lines().rfind(|line| line.starts_with("error: ")).unwrap_or(&said);
    println!("rollout: failed after {:.2?} with {reason}", started.elapsed());
    fleet.wait_until_serves(page, &old, 2).await;
    assert_eq!(fleet.children_of(page), children, "the old ones run on, the new ones are gone");
}

/// What is found out before anybody sees it.
async fn assert_bad_frontpages_go_back(fleet: &Fleet) {
    let incomplete = fleet.release("frontpage", "incomplete", &["--fault", "frontpage.js=missing"]);
    assert_goes_back(fleet, "frontpage", &incomplete, &["incomplete", "/assets/frontpage-", "missing"]).await;
    let checks = ["--check", "/frontpage", "--check", "/frontpage/status/500"];
    let unchecked = fleet.release("frontpage", "unchecked", &checks);
    assert_goes_back(fleet, "frontpage", &unchecked, &["check path /frontpage/status/500 gave 500"]).await;
    let stillborn = fleet.script("stillborn", "echo PAGEFLEET_X is not set; exit 3");
    assert_goes_back(fleet, "frontpage", &stillborn, &["it ended (exit code 3) before", "PAGEFLEET_X is not set"])
        .await;
    let misplaced = fleet.release("checkout", "misplaced", &[]);
    assert_goes_back(fleet, "frontpage", &misplaced, &["says that it is page `checkout`"]).await;
    let no_program = fleet.folder().join("no-program");
    std::fs::write(&no_program, "#!/no/such/interpreter\n").unwrap();
    assert_goes_back(fleet, "frontpage", &no_program, &["no-program", "not an executable"]).await;
    assert_goes_back(fleet, "frontpage", Path::new("/no/such/file"), &["/no/such/file"]).await;
}

/// What only visitors bring to light.
async fn assert_bad_checkouts_go_back(fleet: &Fleet) {
    // Quick, so that what is slow is slow beside it.
    let good = fleet.release("checkout", "good", &["--check", "/checkout"]);
    fleet.rollout("checkout", &good, &["--canary", "0", "--bake", "0s"]).await.well();
    fleet.wait_until_serves("checkout", "good", 2).await;
    let readers = Load::of_readers(fleet.address, ("checkout", "/checkout"), 80);

    let failing = fleet.release("checkout", "failing", &["--check", "/checkout", "--fail-percent", "5"]);
    assert_goes_back(fleet, "checkout", &failing, &["checkout failed: errors ", "old release 0.0 % of"]).await;
    let slow = fleet.release("checkout", "slow", &["--check", "/checkout", "--latency", "600ms"]);
    assert_goes_back(fleet, "checkout", &slow, &["checkout failed: p99 "]).await;
    let before = readers.so_far().page("checkout").failures.len();
    let dying = fleet.release("checkout", "dying", &["--check", "/checkout", "--exit-after-requests", "100"]);
    assert_goes_back(fleet, "checkout", &dying, &["died; the old release good serves"]).await;

    let report = readers.stop().await;
    println!("{report}");
    report.assert_only_failed(&|_, failure| failure.what.starts_with("500") && failure.what.contains("\"failing\""));
    let page = report.page("checkout");
    assert_eq!(page.failures.len(), before, "nobody noticed that the dying one died");
    assert!(before > 0 && ["failing", "slow", "dying"].iter().all(|bad| page.documents_of(bad) > 0));
}

#[tokio::test]
async fn a_bad_release_of_any_kind_is_taken_back_on_three_pages_at_once() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let never_ready = fleet.release("my-account", "unready", &["--not-ready"]);
    let load = Load::start(fleet.address, &SHOP, 3);
    tokio::join!(
        assert_bad_frontpages_go_back(&fleet),
        assert_bad_checkouts_go_back(&fleet),
        assert_goes_back(&fleet, "my-account", &never_ready, &["was never ready"]),
    );
    let report = load.stop().await;
    println!("{report}");
    report.assert_only_failed(&|page, failure| page == "checkout" && failure.what.contains("\"failing\""));
    for page in ["frontpage", "my-account"] {
        assert_eq!(report.page(page).releases.len(), 1, "nobody saw another release of {page}");
    }
}
