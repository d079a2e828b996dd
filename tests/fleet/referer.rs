//! Whose bundle a bundle request gets.

use crate::harness::{Setup, Stub, header};

#[tokio::test]
async fn one_bundle_url_reaches_the_page_in_its_referer() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=a{color:red}"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=a{color:blue}"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).setting("vault = \"off\"").start().await;
    for (referer, stub, bytes) in [
        ("/", &frontpage, "a{color:red}"),
        ("/checkout", &checkout, "a{color:blue}"),
        ("/checkout/x?y=/", &checkout, "a{color:blue}"),
    ] {
        let before = stub.requests().await;
        let response = proxy.get_from("/assets/site.css", referer).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-page"), stub.page);
        assert_eq!(header(&response, "x-route-reason"), "referer");
        assert_eq!(header(&response, "cache-control"), "private, no-cache");
        assert_eq!(header(&response, "vary"), "accept-encoding");
        assert_eq!(response.text().await.unwrap(), bytes, "{referer}");
        assert_eq!(stub.requests().await, before + 1, "{referer}");
    }
}

#[tokio::test]
async fn a_fingerprint_is_found_wherever_it_is() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=blue"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).start().await;
    let (red, blue) = (frontpage.fingerprinted("site.css").await, checkout.fingerprinted("site.css").await);
    for (path, referer, page, reason) in [
        (&blue, "/checkout", "checkout", "referer"),
        (&blue, "/", "checkout", "fingerprint"),
        (&red, "/checkout", "frontpage", "fingerprint"),
        (&red, "/assets/site.css", "frontpage", "fingerprint"),
    ] {
        let response = proxy.get_from(path, referer).await;
        assert_eq!(
            (header(&response, "x-page"), header(&response, "x-route-reason")),
            (page, reason),
            "{path} {referer}"
        );
        assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
    }
    let missing = proxy.get_from("/assets/site-0123456789abcdef.css", "/checkout").await;
    assert_eq!(missing.status(), 404);
    assert_eq!((header(&missing, "cache-control"), header(&missing, "x-route-reason")), ("no-store", "unknown"));
}

#[tokio::test]
async fn no_referer_ever_causes_an_error() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=blue"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).start().await;
    let fingerprinted = checkout.fingerprinted("site.css").await;
    let huge = format!("{}/{}", proxy.url("/checkout"), "a".repeat(10 << 10));
    let foreign = "http://evil.example/checkout";
    for referer in
        ["", "%%%", "about:client", "/checkout", foreign, "http://", "http://127.0.0.1/../checkout", huge.as_str()]
    {
        let ask = |path: &str| proxy.request("GET", path).header("referer", referer).send();
        let stable = ask("/assets/site.css").await.unwrap();
        assert_eq!((stable.status().as_u16(), header(&stable, "x-route-reason")), (200, "fallback"), "{referer:.40}");
        assert_eq!(stable.text().await.unwrap(), "red");
        let known = ask(&fingerprinted).await.unwrap();
        assert_eq!(known.text().await.unwrap(), "blue", "{referer:.40}");
    }
    let none = proxy.get("/assets/site.css").await;
    assert_eq!(header(&none, "x-route-reason"), "fallback");
}

#[tokio::test]
async fn assets_are_read_only() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let proxy = Setup::new().stub(&frontpage).start().await;
    let posted = proxy.request("POST", "/assets/site.css").body("x").send().await.unwrap();
    assert_eq!((posted.status().as_u16(), header(&posted, "allow")), (405, "GET, HEAD"));
    let head = proxy.request("HEAD", "/assets/site.css").send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, "3"));
}

#[tokio::test]
async fn a_release_that_changed_behind_its_address_is_looked_at_again() {
    let old = Stub::start("frontpage", &["--asset", "site.css=old"]).await;
    let address = old.address.to_string();
    // A long interval: only the unknown fingerprint makes the proxy look.
    let proxy = Setup::new().stub(&old).setting("[health]\ninterval = \"10m\"").start().await;
    drop(old);
    let new = loop {
        // The port is free as soon as the old process is gone.
        if std::net::TcpListener::bind(&address).is_ok() {
            break Stub::start("frontpage", &["--listen", &address, "--release", "2.0.0", "--asset", "site.css=new"])
                .await;
        }
        tokio::task::yield_now().await;
    };
    let path = new.fingerprinted("site.css").await;
    let response = proxy.get_from(&path, "/").await;
    assert_eq!((response.status().as_u16(), header(&response, "x-route-reason")), (200, "referer"));
    assert_eq!(header(&response, "x-release"), "2.0.0");
}

#[tokio::test]
async fn an_old_site_without_a_manifest_is_served_by_referer_alone() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let old = Stub::start("old", &["--no-manifest", "--asset", "app-0123456789abcdef.js=legacy"]).await;
    let file =
        format!("routes = [\"/{{*rest}}\"]\ninstances = [\"{}\"]\nmanifest = false\nhealth = \"/\"\n", old.address);
    let proxy = Setup::new().stub(&frontpage).page_file("old", &file).start().await;
    proxy.wait_for_state("old", "healthy", 1).await;
    assert_eq!(proxy.get("/about/us").await.text().await.unwrap(), "old 1.0.0\n");
    let asset = proxy.get_from("/assets/app-0123456789abcdef.js", "/about/us").await;
    assert_eq!(header(&asset, "x-route-reason"), "referer");
    assert_eq!(asset.text().await.unwrap(), "legacy");
    let again = proxy.get_from("/assets/app-0123456789abcdef.js", "/about/us").await;
    assert_eq!(again.text().await.unwrap(), "legacy");
    let looks = proxy.process.output().matches("asset not taken in").count();
    assert_eq!(looks, 1, "that its name is of its own making is remembered");
    assert_eq!(proxy.get("/health/live").await.status(), 404);
}
