//! The gate: a release gets traffic only when all of its assets are what its manifest promises.

use crate::harness::{Proxy, Setup, Stub, free_address, wait_until};
use serde_json::Value;
use std::time::{Duration, Instant};

const CSS: &str = "site.css=a{color:red;margin:1px}";

async fn instance_at(proxy: &Proxy, stub: &Stub) -> Value {
    let address = stub.address.to_string();
    proxy.instances(&stub.page).await.into_iter().find(|instance| instance["address"] == address).unwrap()
}

/// Waits until the admin address says why the stub's release is refused.
async fn refusal(proxy: &Proxy, stub: &Stub) -> String {
    wait_until("the release is refused", async || instance_at(proxy, stub).await["refused"].as_str().map(str::to_owned))
        .await
}

/// A proxy in front of a good instance of `frontpage`, and another instance that comes later.
async fn beside_a_good_one(good: &Stub, other: &[&str]) -> (Proxy, Stub) {
    let address = free_address();
    let proxy = Setup::new().page("frontpage", &[good.address, address]).start_cold().await;
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    let listen = ["--listen", &address.to_string()];
    (proxy, Stub::start("frontpage", &[&listen, other].concat()).await)
}

/// That the other instance stays out, is named with its reason in the log, and the good one serves.
async fn assert_refused(proxy: &mut Proxy, good: &Stub, bad: &Stub, reason: &[&str]) {
    let refused = refusal(proxy, bad).await;
    assert!(reason.iter().all(|part| refused.contains(part)), "{refused} says {reason:?}");
    let logged = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["level"] == "ERROR" && line.to_string().contains(reason[0])).then_some(line)
    };
    let line = proxy.process.wait_for_line("the refusal", logged).await;
    assert_eq!(line["page"], bad.page);
    assert_ne!(instance_at(proxy, bad).await["state"], "healthy");
    assert_eq!(instance_at(proxy, bad).await["ungated"], Value::Null);
    assert_eq!(instance_at(proxy, good).await["state"], "healthy");
    for _ in 0..4 {
        let answer = proxy.get("/frontpage").await;
        assert_eq!(answer.headers()["x-stub-release"], "1", "the old release serves");
    }
}

#[tokio::test]
async fn a_release_with_a_bad_asset_is_refused_by_name_and_the_old_one_keeps_serving() {
    let good = Stub::start("frontpage", &["--release", "1", "--asset", CSS]).await;
    for (fault, reason) in [
        ("missing", "missing (status 404)"),
        ("immutable404", "missing (status 404)"),
        ("truncated", "not received whole"),
        ("short", "bytes, not"),
        ("html", "HTML in place of the asset"),
        ("html200", "HTML in place of the asset"),
        ("other-type", "of type `text/plain`, not `text/css"),
        ("flipped", "its bytes are not those of its fingerprint"),
    ] {
        let asset = format!("page.css=.page{{content:\"something new with {fault}\"}}");
        let fault = format!("page.css={fault}");
        let arguments = ["--release", "2", "--asset", CSS, "--asset", &asset, "--fault", &fault];
        let (mut proxy, bad) = beside_a_good_one(&good, &arguments).await;
        let file = bad.fingerprinted("page.css").await;
        assert_refused(&mut proxy, &good, &bad, &[&file, "release 2", reason]).await;
        let fetched = proxy.get_from(&file, "/").await;
        assert_eq!(fetched.status(), 404, "{fault}");
    }
}

#[tokio::test]
async fn a_stylesheet_that_references_what_the_release_does_not_have_is_refused() {
    let good = Stub::start("frontpage", &["--release", "1", "--asset", CSS]).await;
    for reference in ["url(/assets/gone-0123456789abcdef.svg)", "url(\"gone.svg\")"] {
        let asset = format!("page.css=a{{background:{reference}}}");
        let (mut proxy, bad) = beside_a_good_one(&good, &["--release", "2", "--asset", &asset]).await;
        let file = bad.fingerprinted("page.css").await;
        assert_refused(&mut proxy, &good, &bad, &[&file, "gone", "not in the manifest"]).await;
    }
}

#[tokio::test]
async fn a_refused_release_joins_when_it_is_mended() {
    let good = Stub::start("frontpage", &["--release", "1", "--asset", CSS]).await;
    let arguments = ["--release", "2", "--asset", "page.css=new", "--fault", "page.css=missing"];
    let (proxy, mut other) = beside_a_good_one(&good, &arguments).await;
    refusal(&proxy, &other).await;
    other.replace(&arguments[..4]).await;
    proxy.wait_for_state("frontpage", "healthy", 2).await;
    assert_eq!(instance_at(&proxy, &other).await["refused"], Value::Null);
    assert_eq!(proxy.get_from(&other.fingerprinted("page.css").await, "/").await.text().await.unwrap(), "new");
}

#[tokio::test]
async fn only_the_last_instance_of_a_page_is_let_in_ungated_and_loudly() {
    let arguments = ["--release", "2", "--asset", CSS, "--asset", "page.css=new", "--fault", "page.css=flipped"];
    let mut good = Stub::start("frontpage", &["--release", "1", "--asset", CSS]).await;
    let (mut proxy, bad) = beside_a_good_one(&good, &arguments).await;
    refusal(&proxy, &bad).await;
    assert_eq!(instance_at(&proxy, &bad).await["ungated"], Value::Null);
    good.process.kill().await;
    wait_until("the last one is let in", async || (instance_at(&proxy, &bad).await["ungated"] == true).then_some(()))
        .await;
    let file = bad.fingerprinted("page.css").await;
    let loud = |line: &str| (line.contains("UNGATED") && line.contains("\"level\":\"ERROR\"")).then(|| line.to_owned());
    assert!(proxy.process.wait_for_line("how loud it is", loud).await.contains(&file));
    assert!(refusal(&proxy, &bad).await.contains(&file));
    wait_until("it serves", async || (proxy.get("/frontpage").await.status() == 200).then_some(())).await;
    // What is right of it is served right, and nothing that is wrong is served as if it were right.
    assert_eq!(proxy.get_from(&bad.fingerprinted("site.css").await, "/").await.status(), 200);
    let wrong = proxy.get_from(&file, "/").await;
    assert_eq!((wrong.status().as_u16(), &wrong.headers()["cache-control"]), (404, &"no-store".parse().unwrap()));

    good.replace(&["--release", "1", "--asset", CSS]).await;
    wait_until("the good one is back, the other out", async || {
        let (good, bad) = (instance_at(&proxy, &good).await, instance_at(&proxy, &bad).await);
        (good["state"] == "healthy" && bad["state"] != "healthy" && bad["ungated"].is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_release_string_with_two_manifests_is_refused() {
    let first = Stub::start("frontpage", &["--release", "1", "--asset", CSS]).await;
    let second = Stub::start("frontpage", &["--release", "1", "--asset", "site.css=other"]).await;
    let mut proxy = Setup::new().page("frontpage", &[first.address, second.address]).start_cold().await;
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    // Either may have been the first to join.
    let (good, bad) = match &instance_at(&proxy, &first).await["state"] {
        state if state == "healthy" => (&first, &second),
        _ => (&second, &first),
    };
    assert_refused(&mut proxy, good, bad, &["release 1 has another manifest"]).await;
}

#[tokio::test]
async fn no_page_can_claim_the_path_of_an_asset_with_other_bytes() {
    let checkout = Stub::start("checkout", &["--asset", CSS]).await;
    let path = checkout.fingerprinted("site.css").await;
    let good = Stub::start("frontpage", &["--release", "1"]).await;
    let bad = Stub::start("frontpage", &["--release", "2", "--claim", &format!("{path}=body{{display:none}}")]).await;
    let pages = [good.address, bad.address];
    let mut proxy = Setup::new().page("frontpage", &pages).stub(&checkout).start_cold().await;
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    proxy.wait_for_state("checkout", "healthy", 1).await;
    assert_refused(&mut proxy, &good, &bad, &[&path]).await;
    let answer = proxy.get_from(&path, "/frontpage").await;
    assert_eq!(answer.text().await.unwrap(), "a{color:red;margin:1px}");
}

#[tokio::test]
async fn a_bad_release_is_not_let_in_while_a_good_one_is_still_being_fetched() {
    let good = Stub::start("frontpage", &["--release", "1", "--filler", "60x300000"]).await;
    let arguments = ["--release", "2", "--asset", CSS, "--fault", "site.css=flipped"];
    let bad = Stub::start("frontpage", &arguments).await;
    let proxy = Setup::new().page("frontpage", &[good.address, bad.address]).start_cold().await;
    wait_until("the good one is in", async || (instance_at(&proxy, &good).await["state"] == "healthy").then_some(()))
        .await;
    let address = bad.address.to_string();
    let joined = |line: &str| line.contains("instance is healthy") && line.contains(&address);
    let output = proxy.process.output();
    assert!(!output.lines().any(joined), "{output}");
}

#[tokio::test]
async fn what_another_page_holds_already_is_never_replaced_by_wrong_bytes() {
    let checkout = Stub::start("checkout", &["--asset", CSS]).await;
    let frontpage = Stub::start("frontpage", &["--asset", CSS, "--fault", "site.css=flipped"]).await;
    let proxy = Setup::new().stub(&checkout).stub(&frontpage).start().await;
    let path = checkout.fingerprinted("site.css").await;
    for (url, referer) in [(path.as_str(), "/frontpage"), (&path, "/checkout"), ("/assets/site.css", "/frontpage")] {
        let answer = proxy.get_from(url, referer).await;
        assert_eq!(answer.text().await.unwrap(), "a{color:red;margin:1px}", "{url} from {referer}");
    }
}

#[tokio::test]
async fn a_refused_release_is_not_fetched_whole_again_and_again() {
    let good = Stub::start("frontpage", &["--release", "1", "--asset", CSS]).await;
    let arguments = ["--release", "2", "--filler", "20x1000", "--asset", "page.css=new", "--fault", "page.css=missing"];
    let (proxy, bad) = beside_a_good_one(&good, &arguments).await;
    refusal(&proxy, &bad).await;
    let (before, started) = (bad.requests().await, Instant::now());
    // Time is what is measured here: the gate looks at the release 50 times in this second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = bad.requests().await - before;
    assert!(asked <= 5 * 21, "{asked} assets fetched in {:?}", started.elapsed());
}
