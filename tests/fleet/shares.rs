//! Which release a visitor gets while a page has two: by a cookie that the proxy alone sets, or by chance for each request.

use crate::harness::{Proxy, Setup, Stub, header, page_file, wait_until};
use crate::load::Client;
use std::net::SocketAddr;

const COOKIE: &str = "pagefleet-bucket";

/// Two releases of checkout with an asset each that only they have, and one URL that both have.
async fn two_releases() -> [Stub; 2] {
    let start = async |release: &str| {
        let asset = format!("site.css=.release{{order:{release}}}");
        Stub::start("checkout", &["--release", release, "--asset", &asset]).await
    };
    [start("1").await, start("2").await]
}

fn with_share(instances: &[Stub; 2], percent: u8) -> String {
    let addresses = [instances[0].address, instances[1].address];
    format!("{}[shares]\n\"2\" = {percent}\n", page_file("checkout", &addresses))
}

async fn proxy_with_share(instances: &[Stub; 2], percent: u8) -> Proxy {
    let proxy = Setup::new().page_file("checkout", &with_share(instances, percent)).start_cold().await;
    proxy.wait_for_state("checkout", "healthy", 2).await;
    proxy
}

async fn change_share(proxy: &Proxy, instances: &[Stub; 2], percent: u8) {
    proxy.page_files().rename_in("checkout", &with_share(instances, percent));
    wait_until("the share has changed", async || {
        let fleet = proxy.fleet().await;
        (fleet["pages"][0]["shares"]["2"] == percent).then_some(())
    })
    .await;
}

/// The release that somebody with this cookie gets.
async fn release_for(proxy: &Proxy, bucket: &str) -> String {
    let answer = proxy.request("GET", "/checkout").header("cookie", format!("{COOKIE}={bucket}")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "with bucket {:.20}", bucket);
    header(&answer, "x-stub-release").to_owned()
}

/// The releases of 200 visitors, each at an address of his own, evenly over all buckets.
async fn releases_of_200(proxy: &Proxy) -> Vec<String> {
    let mut releases = Vec::new();
    for visitor in 0..200 {
        let mut client = Client::new(visitor + 10, proxy.address).without_cookies();
        let bucket = format!("{COOKIE}={}", u16::from(visitor) * 50);
        let answer = client.get("/checkout", &[("cookie", &bucket)]).await.unwrap();
        assert_eq!(answer.status, 200, "with {bucket}");
        releases.push(answer.header("x-stub-release").to_owned());
    }
    releases
}

fn count_new(releases: &[String]) -> usize {
    releases.iter().filter(|release| *release == "2").count()
}

/// How many of so many visitors without cookies get the new release.
async fn count_without_cookies(address: SocketAddr, visitors: usize) -> usize {
    let ask = async |host: u8| {
        let mut client = Client::new(host, address).without_cookies();
        let mut new = 0;
        for _ in 0..visitors / 4 {
            let answer = client.get("/checkout", &[]).await.unwrap();
            assert_eq!(answer.status, 200);
            new += usize::from(answer.header("x-stub-release") == "2");
        }
        new
    };
    futures_util::future::join_all([10, 11, 12, 13].map(ask)).await.into_iter().sum()
}

#[tokio::test]
async fn a_tenth_of_all_visitors_without_cookies_get_a_release_with_a_share_of_ten_percent() {
    let instances = two_releases().await;
    let proxy = proxy_with_share(&instances, 10).await;
    let new = count_without_cookies(proxy.address, 2000).await;
    println!("shares: {new} of 2000 visitors without cookies got the release with 10 %");
    assert!((140..=260).contains(&new), "{new} of 2000");
    change_share(&proxy, &instances, 0).await;
    assert_eq!(count_without_cookies(proxy.address, 200).await, 0);
    change_share(&proxy, &instances, 100).await;
    assert_eq!(count_without_cookies(proxy.address, 200).await, 200);
}

#[tokio::test]
async fn a_visitor_with_cookies_keeps_his_release_and_is_given_one_bucket() {
    let instances = two_releases().await;
    let proxy = proxy_with_share(&instances, 50).await;
    let mut seen = Vec::new();
    for host in 10..30 {
        let mut visitor = Client::new(host, proxy.address);
        let first = visitor.get("/checkout", &[]).await.unwrap();
        let (release, bucket) = (first.header("x-stub-release").to_owned(), visitor.cookie(COOKIE).unwrap().to_owned());
        assert!(bucket.parse::<u16>().unwrap() < 10_000);
        let set = first.header("set-cookie");
        assert!(set.contains("Path=/") && set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
        for _ in 0..10 {
            let again = visitor.get("/checkout", &[]).await.unwrap();
            assert_eq!(again.header("x-stub-release"), release);
            assert_eq!(again.header("set-cookie"), "", "who has a bucket keeps it");
        }
        seen.push(release);
    }
    assert!(seen.contains(&"1".to_owned()) && seen.contains(&"2".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn raising_a_share_moves_visitors_to_the_new_release_only_and_lowering_it_back_only() {
    let instances = two_releases().await;
    let proxy = proxy_with_share(&instances, 10).await;
    let mut before = releases_of_200(&proxy).await;
    for percent in [30, 80, 100, 60, 5, 0] {
        change_share(&proxy, &instances, percent).await;
        let after = releases_of_200(&proxy).await;
        let rises = count_new(&after) >= count_new(&before);
        let right = |(before, after): (&String, &String)| before == after || (after == "2") == rises;
        assert!(before.iter().zip(&after).all(right), "{} to {} at {percent} %", count_new(&before), count_new(&after));
        let wanted = 2 * usize::from(percent);
        assert!(count_new(&after).abs_diff(wanted) <= 20, "{} of 200 at {percent} %", count_new(&after));
        before = after;
    }
}

#[tokio::test]
async fn two_proxies_on_the_same_files_agree_about_every_visitor() {
    let instances = two_releases().await;
    let (one, other) = (proxy_with_share(&instances, 40).await, proxy_with_share(&instances, 40).await);
    assert_eq!(releases_of_200(&one).await, releases_of_200(&other).await);
}

#[tokio::test]
async fn the_cookie_is_the_proxys_and_only_while_some_page_has_shares() {
    let instances = two_releases().await;
    let frontpage = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&frontpage).page_file("checkout", &with_share(&instances, 10)).start().await;
    proxy.wait_for_state("checkout", "healthy", 2).await;
    assert!(header(&proxy.get("/frontpage").await, "set-cookie").starts_with(COOKIE), "for every page, once");
    let with_bucket =
        proxy.request("GET", &format!("/checkout/cookie?{COOKIE}=1")).header("cookie", "pagefleet-bucket=7");
    assert_eq!(header(&with_bucket.send().await.unwrap(), "set-cookie"), "", "a page sets it");
    proxy.page_files().rename_in("checkout", &page_file("checkout", &instances.each_ref().map(|one| one.address)));
    wait_until("no page has shares", async || {
        let fleet = proxy.fleet().await;
        fleet["pages"].as_array()?.iter().all(|page| page["shares"] == serde_json::json!({})).then_some(())
    })
    .await;
    for path in ["/frontpage", "/checkout", &format!("/checkout/cookie?{COOKIE}=1")] {
        assert_eq!(header(&proxy.get(path).await, "set-cookie"), "", "{path}");
    }
    let other = proxy.get("/checkout/cookie?basket=1").await;
    assert!(header(&other, "set-cookie").starts_with("basket=1"), "a page's own cookies go through");
}

#[tokio::test]
async fn a_forged_bucket_does_no_harm() {
    let instances = two_releases().await;
    let proxy = proxy_with_share(&instances, 10).await;
    let long = "1".repeat(20_000);
    for forged in ["x", "99999", "-1", "", "1e3", "0x10", "1; pagefleet-bucket=2", &long] {
        assert!(["1", "2"].contains(&release_for(&proxy, forged).await.as_str()), "{:.20}", forged);
    }
    assert_eq!(release_for(&proxy, "7").await, release_for(&proxy, "0007").await);
}

#[tokio::test]
async fn the_assets_of_both_releases_answer_everybody_and_a_stable_url_is_that_of_the_visitors_release() {
    let instances = two_releases().await;
    let proxy = proxy_with_share(&instances, 50).await;
    for bucket in (0..10_000).step_by(500) {
        let cookie = format!("{COOKIE}={bucket}");
        let release = release_for(&proxy, &bucket.to_string()).await;
        let ask = async |path: &str| {
            let asked = proxy.request("GET", path).header("referer", proxy.url("/checkout")).header("cookie", &cookie);
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} with {cookie}");
            answer.text().await.unwrap()
        };
        for (instance, order) in instances.iter().zip(["1", "2"]) {
            let path = instance.fingerprinted("site.css").await;
            assert_eq!(ask(&path).await, format!(".release{{order:{order}}}"));
        }
        assert_eq!(ask("/assets/site.css").await, format!(".release{{order:{release}}}"), "with {cookie}");
    }
}

#[tokio::test]
async fn the_document_of_a_page_with_two_releases_is_kept_by_no_shared_cache() {
    let instances = two_releases().await;
    let proxy = proxy_with_share(&instances, 10).await;
    for _ in 0..10 {
        let document = proxy.request("GET", "/checkout").header("accept", "text/html").send().await.unwrap();
        let control = header(&document, "cache-control");
        assert!(control.contains("private") && !control.contains("public"), "{control}");
    }
}
