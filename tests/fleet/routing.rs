//! Which page a visitor's path reaches, and what nobody reaches.

use crate::harness::{Setup, Stub, header};

async fn site() -> ([Stub; 3], Setup) {
    let pages =
        [Stub::start("frontpage", &[]).await, Stub::start("my-account", &[]).await, Stub::start("checkout", &[]).await];
    let setup = pages.iter().fold(Setup::new(), Setup::stub);
    (pages, setup)
}

#[tokio::test]
async fn every_path_reaches_its_own_page_and_no_other() {
    let (_pages, setup) = site().await;
    let proxy = setup.start().await;
    for (path, page) in [
        ("/", "frontpage"),
        ("/?q=tent", "frontpage"),
        ("/my-account", "my-account"),
        ("/my-account/orders/7?x=/checkout", "my-account"),
        ("/checkout", "checkout"),
        ("/checkout/details", "checkout"),
        ("/%63heckout", "checkout"),
    ] {
        let response = proxy.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, "x-page"), page, "{path}");
        assert_eq!(header(&response, "x-route-reason"), "route");
        assert_eq!(header(&response, "x-release"), "1.0.0");
        assert!(response.text().await.unwrap().starts_with(page), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_gets_a_branded_404_with_its_request_id() {
    let (_pages, setup) = site().await;
    let proxy = setup.start().await;
    for path in ["/nowhere", "/my-accountant", "/My-Account", "/health/live", "/health/ready", "/.well-known/page.json"]
    {
        let response = proxy.request("GET", path).header("accept", "text/html").send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(header(&response, "x-proxy-error"), "no-route");
        assert_eq!(header(&response, "cache-control"), "no-store");
        let id = header(&response, "x-request-id").to_owned();
        assert_eq!(id.len(), 32);
        let body = response.text().await.unwrap();
        assert!(body.contains("<html") && body.contains(&id), "{path}: {body}");
    }
}

#[tokio::test]
async fn path_tricks_never_reach_a_page() {
    let (pages, setup) = site().await;
    let proxy = setup.start().await;
    let long = format!("/my-account/{}", "a".repeat(64 << 10));
    for (target, statuses) in [
        ("//my-account", "404"),
        ("/%2e%2e/my-account", "404"),
        ("/x/../my-account", "404"),
        ("/my-account/..%2fcheckout/..", "404"),
        ("/my-account/%00", "400"),
        ("/my-account/\0", "400"),
        ("/my-account\\x", "400"),
        ("/my-account/%zz", "400"),
        ("my-account", "400"),
        (long.as_str(), "414"),
    ] {
        let answer = proxy
            .raw(format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {statuses}")), "{target:.60}: {answer:.200}");
        assert!(answer.to_ascii_lowercase().contains("x-request-id: "), "{target:.60}: {answer:.200}");
    }
    for page in &pages {
        assert_eq!(page.requests().await, 0, "{}", page.page);
    }
}

#[tokio::test]
async fn a_bad_page_file_takes_only_its_own_page_out() {
    let page = Stub::start("frontpage", &[]).await;
    let mut proxy = Setup::new()
        .stub(&page)
        .page_file("checkout", "routes = [\"/checkout\"]\ninstances = [\"nowhere\"]\n")
        .start()
        .await;
    assert_eq!(proxy.get("/").await.status(), 200);
    assert_eq!(proxy.get("/checkout").await.status(), 404);
    let refused = proxy.fleet().await["refused"].clone();
    assert_eq!(refused[0]["page"], "checkout");
    let error = refused[0]["error"].as_str().unwrap();
    assert!(error.contains("checkout.toml:2: `instances`: `nowhere` is no address"), "{error}");
    proxy.process.wait_for_line("the refusal", |line| line.contains("page file refused").then_some(())).await;
}

#[tokio::test]
async fn the_admin_address_answers_to_its_own_name_only() {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).start().await;
    proxy.get("/").await;
    let ask = async |path: &str, host: &str| {
        let client = reqwest::Client::new();
        client.get(format!("http://{}{path}", proxy.admin)).header("host", host).send().await.unwrap()
    };
    let own = proxy.admin.to_string();
    assert_eq!(ask("/api/fleet", "evil.example").await.status(), 421);
    let fleet: serde_json::Value = ask("/api/fleet", &own).await.json().await.unwrap();
    assert_eq!(fleet["pages"][0]["page"], "frontpage");
    assert_eq!(fleet["pages"][0]["instances"][0]["address"], page.address.to_string());
    assert_eq!(fleet["pages"][0]["instances"][0]["release"], "1.0.0");
    let metrics = ask("/metrics", &own).await.text().await.unwrap();
    assert!(
        metrics
            .contains("pagefleet_requests_total{class=\"2xx\",kind=\"page\",page=\"frontpage\",release=\"1.0.0\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("pagefleet_decisions_total{reason=\"route\"} 1"), "{metrics}");
}
