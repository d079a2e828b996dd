//! An answer is its release's: what becomes of it in a rollout, and of the assets that it names.

use super::origin::{Origin, Reply, ok};
use super::{get, told};
use crate::harness::{Proxy, Stub, header, page_file, wait_until};

const KEPT: &str = "Cache-Control: public, max-age=600, stale-if-error=600\r\n";

async fn release(release: &'static str, css: &str) -> Origin {
    Origin::of_release(release, css, move |_| Reply::Now(ok(KEPT, release))).await
}

async fn wait_for_release(proxy: &Proxy, release: &str) {
    wait_until(&format!("only {release} is there"), async || {
        let instances = proxy.instances("p").await;
        let is_only = instances.iter().all(|one| one["release"] == release && one["state"] == "healthy");
        (is_only && !instances.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_used_while_its_release_is_the_only_one_and_when_there_is_none() {
    let (old, new) = (release("1", "a{}").await, release("2", "b{}").await);
    let proxy = old.proxy("").await;
    let seen = async || {
        let answer = get(&proxy, "/p", &[]).await;
        let caching = header(&answer, "cache-control").to_owned();
        let (cache, body) = told(answer).await;
        format!("{cache} {body} {caching}")
    };
    let public = "public, max-age=600, stale-if-error=600";
    assert_eq!([seen().await, seen().await], [format!("miss 1 {public}"), format!("hit 1 {public}")]);

    // Two releases: nothing is kept, nothing used.
    let both = format!("instances = [\"{}\", \"{}\"]", old.address, new.address);
    proxy.page_files().write("p", &format!("routes = [\"/p\", \"/p/{{*rest}}\"]\n{both}\n"));
    proxy.wait_for_state("p", "healthy", 2).await;
    for _ in 0..4 {
        let seen = seen().await;
        assert!(seen.starts_with("bypass") && seen.contains(" private, max-age=600"), "{seen}");
    }

    proxy.page_files().write("p", &new.page_file());
    wait_for_release(&proxy, "2").await;
    assert_eq!([seen().await, seen().await], [format!("miss 2 {public}"), format!("hit 2 {public}")]);
    drop(new);
    proxy.wait_for_state("p", "unhealthy", 1).await;
    assert_eq!(seen().await, format!("hit 2 {public}"));
}

#[tokio::test]
async fn what_a_kept_answer_names_stays_in_the_vault() {
    for (cache, asset_status) in [("", 200), ("[cache]\nmemory_bytes = 0\n", 404)] {
        let (old, new) = (release("1", &"a{}\n".repeat(5_000)).await, release("2", &"b{}\n".repeat(5_000)).await);
        let checkout = Stub::start("checkout", &["--filler", "1x20000"]).await;
        let proxy = old.proxy(&format!("{cache}[vault_limits]\ntotal_bytes = 45000")).await;
        get(&proxy, "/p", &[]).await.text().await.unwrap();
        proxy.page_files().write("p", &new.page_file());
        wait_for_release(&proxy, "2").await;
        assert_eq!(proxy.get(&old.asset()).await.status(), 200);
        // The vault has room for two of three; what is kept in the cache holds on to what no instance has any more.
        proxy.page_files().write("checkout", &page_file("checkout", &[checkout.address]));
        proxy.wait_for_state("checkout", "healthy", 1).await;
        assert_eq!(proxy.get(&old.asset()).await.status(), asset_status, "{cache}");
        assert_eq!(proxy.get(&new.asset()).await.status(), 200);
    }
}

#[tokio::test]
async fn while_another_page_has_shares_a_visitor_gets_a_bucket_and_a_kept_answer() {
    let checkout = Stub::start("checkout", &[]).await;
    let origin = release("1", "a{}").await;
    let proxy = origin.proxy("").await;
    get(&proxy, "/p", &[]).await.text().await.unwrap();
    let shares = format!("routes = [\"/checkout\"]\ninstances = [\"{}\"]\n[shares]\n\"2\" = 10\n", checkout.address);
    proxy.page_files().write("checkout", &shares);
    proxy.wait_for_state("checkout", "healthy", 1).await;
    let new = get(&proxy, "/p", &[]).await;
    assert!(header(&new, "set-cookie").starts_with("pagefleet-bucket="));
    assert!(header(&new, "cache-control").starts_with("private"), "the bucket is for one visitor");
    assert_eq!(told(new).await, ("hit".to_owned(), "1".to_owned()));
    let known = get(&proxy, "/p", &[("cookie", "pagefleet-bucket=5")]).await;
    assert_eq!(header(&known, "set-cookie"), "");
    assert!(header(&known, "cache-control").starts_with("public"));
    assert_eq!(told(known).await, ("hit".to_owned(), "1".to_owned()));
    assert_eq!(origin.count("/p"), 1);
}
