//! The shop in headless Chromium, as a visitor sees it: with scripts and without, with both kinds of asset URLs.

use crate::browser_harness::Browser;
use crate::harness::{Fleet, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;

const EMAIL: &str = "ada@example.com";

/// Gives the path of the order's confirmation.
async fn buys_a_kettle(browser: &Browser, email: &str, scripts: bool) -> String {
    browser.goto("/").await;
    browser.fill("input[name=q]", "kettle").await;
    browser.click(".finder__button").await;
    browser.wait_for_text("[data-results-heading]", "kettle").await;
    browser.click(".card__name a").await;
    browser.wait_for(".product__name").await;
    browser.click(".product__add").await;
    if scripts {
        browser.wait_for_text(".toast", "basket").await;
        browser.wait_for_text("[data-basket-count]", "1").await;
    } else {
        browser.wait_for_text(".notice--done", "Added to your basket").await;
    }

    browser.goto("/my-account/sign-up").await;
    browser.fill("input[name=name]", "Ada Beck").await;
    browser.fill("input[name=email]", email).await;
    browser.fill("input[name=password]", "a long enough one").await;
    browser.click("main form button[type=submit]").await;
    browser.wait_for_text("h1", "Hello, Ada Beck").await;

    browser.click(".site-nav a[href='/checkout']").await;
    browser.wait_for_text("h1", "Basket").await;
    browser.click("a[href='/checkout/details']").await;
    browser.wait_for("input[name=line1]").await;
    for (field, value) in [("name", "Ada Beck"), ("line1", "1 Tarn Lane"), ("postcode", "8000"), ("city", "Aarhus")] {
        browser.fill(&format!("input[name={field}]"), value).await;
    }
    browser.choose("select[name=country]", "DK").await;
    browser.click(".summary button[type=submit]").await;
    let number = browser.wait_for(".confirmation__number").await.text().await.unwrap();
    let confirmation = browser.path().await;

    browser.click(".site-nav a[href='/my-account']").await;
    browser.wait_for_text("h1", "Hello, Ada Beck").await;
    // The account hears of an order by a feed, a moment after it is made.
    browser.reload_until_text("/my-account", ".order-row__number", &number).await;
    browser.click(".account__link[href='/my-account/orders']").await;
    browser.wait_for_text("h1", "Orders").await;
    browser.click(".order-row__number").await;
    browser.wait_for_text("h1", &number).await;
    confirmation
}

#[tokio::test]
async fn a_visitor_buys_with_scripts_on_and_fingerprinted_urls() {
    let fleet = Fleet::up(&[]).await;
    let browser = Browser::at(&fleet.url("")).start().await;
    buys_a_kettle(&browser, EMAIL, true).await;
    browser.assert_no_console_error().await;
}

#[tokio::test]
async fn a_visitor_buys_with_scripts_on_and_stable_urls() {
    let fleet = Fleet::up(&["--asset-urls", "stable"]).await;
    let browser = Browser::at(&fleet.url("")).start().await;
    buys_a_kettle(&browser, EMAIL, true).await;
    browser.assert_no_console_error().await;
}

#[tokio::test]
async fn a_visitor_buys_with_scripts_off() {
    let fleet = Fleet::up(&[]).await;
    let browser = Browser::at(&fleet.url("")).without_scripts().start().await;
    buys_a_kettle(&browser, EMAIL, false).await;
}

#[tokio::test]
async fn a_visitor_buys_with_scripts_off_and_stable_urls() {
    let fleet = Fleet::up(&["--asset-urls", "stable"]).await;
    let browser = Browser::at(&fleet.url("")).without_scripts().start().await;
    buys_a_kettle(&browser, EMAIL, false).await;
}

/// Requests under /assets/ that reached the proxy: path and status.
fn asset_requests(fleet: &Fleet) -> Vec<(String, u64)> {
    let log = std::fs::read_to_string(fleet.folder().join(".fleet/logs/proxy.log")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let assets = lines.filter(|line| line["path"].as_str().is_some_and(|path| path.starts_with("/assets/")));
    assets.map(|line| (line["path"].as_str().unwrap().to_owned(), line["status"].as_u64().unwrap())).collect()
}

/// Visits the three pages by links, in one tab; what each asked for under /assets/, beyond what only that page has.
async fn walk(fleet: &Fleet, browser: &Browser) -> Vec<Vec<(String, u64)>> {
    let mut seen = 0;
    let mut asked = Vec::new();
    browser.goto("/").await;
    for (link, arrived) in [
        ("", ".hero"),
        (".site-nav a[href='/checkout']", "#basket"),
        (".site-nav a[href='/my-account']", "input[name=email]"),
    ] {
        if !link.is_empty() {
            browser.click(link).await;
        }
        browser.wait_for(arrived).await;
        browser.wait_until_idle().await;
        wait_until("the log has what the browser asked for", async || {
            let asked_by_browser = browser.resources().await;
            let logged = asset_requests(fleet);
            asked_by_browser.iter().all(|path| logged.iter().any(|(logged, _)| logged == path)).then_some(())
        })
        .await;
        let all = asset_requests(fleet);
        let shared = ["site", "icons", "products", "hills", "figtree", "bricolage", "favicon"];
        let of_all_pages = |path: &str| shared.iter().any(|name| path.starts_with(&format!("/assets/{name}")));
        asked.push(all[seen..].iter().filter(|(path, _)| of_all_pages(path)).cloned().collect());
        seen = all.len();
    }
    asked
}

#[tokio::test]
async fn the_browser_keeps_one_cache_entry_over_three_pages() {
    let fleet = Fleet::up(&[]).await;
    let browser = Browser::at(&fleet.url("")).start().await;
    let asked = walk(&fleet, &browser).await;
    assert!(asked[0].iter().any(|(path, status)| path.starts_with("/assets/site-") && *status == 200), "{asked:?}");
    assert_eq!(asked[1..], [vec![], vec![]], "fingerprinted URLs cost no request from page to page");
}

#[tokio::test]
async fn with_stable_urls_the_browser_asks_and_is_told_that_nothing_changed() {
    let fleet = Fleet::up(&["--asset-urls", "stable"]).await;
    let browser = Browser::at(&fleet.url("")).start().await;
    let asked = walk(&fleet, &browser).await;
    assert!(asked[0].contains(&("/assets/site.css".to_owned(), 200)), "{asked:?}");
    for page in &asked[1..] {
        assert!(page.contains(&("/assets/site.css".to_owned(), 304)), "{asked:?}");
        assert!(page.iter().all(|(_, status)| *status == 304), "{asked:?}");
    }
}

/// The proxy's log lines of answered requests under /assets/.
fn asset_lines(fleet: &Fleet) -> Vec<Value> {
    let log = std::fs::read_to_string(fleet.folder().join(".fleet/logs/proxy.log")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["path"].as_str().is_some_and(|path| path.starts_with("/assets/"))).collect()
}

#[tokio::test]
async fn two_rounds_over_every_page_download_each_asset_once() {
    let fleet = Fleet::up(&[]).await;
    let browser = Browser::at(&fleet.url("")).start().await;
    // Which pages use an asset: what each would download if every page had a prefix of its own.
    let mut users: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for _ in 0..2 {
        for path in ["/", "/checkout", "/my-account/sign-in"] {
            browser.goto(path).await;
            browser.wait_until_idle().await;
            for asset in browser.resources().await {
                let pages = users.entry(asset).or_default();
                pages.extend((!pages.contains(&path)).then_some(path));
            }
        }
    }
    wait_until("the log has what the browser asked for", async || {
        let logged = asset_lines(&fleet);
        users.keys().all(|path| logged.iter().any(|line| line["path"] == *path)).then_some(())
    })
    .await;
    let lines = asset_lines(&fleet);
    let (mut shared, mut with_prefixes) = (0, 0);
    for (path, pages) in &users {
        let downloads: Vec<_> = lines.iter().filter(|line| line["path"] == *path && line["status"] == 200).collect();
        assert_eq!(downloads.len(), 1, "{path} is downloaded once");
        let bytes = downloads[0]["body_bytes"].as_u64().unwrap();
        if pages.len() > 1 {
            shared += bytes;
            with_prefixes += bytes * pages.len() as u64;
        }
    }
    println!("shared assets over three pages: {shared} bytes; with a prefix for each page: {with_prefixes} bytes");
    assert!(shared > 0 && shared * 2 < with_prefixes);
}

#[tokio::test]
async fn no_page_has_an_accessibility_violation() {
    let Some(axe) = std::env::var_os("PAGEFLEET_AXE") else {
        eprintln!("SKIPPED: axe-core is not here (no npm); `cargo fleet test` installs it where npm is");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let fleet = Fleet::up(&[]).await;
    for dark in [false, true] {
        let browser = Browser::at(&fleet.url("")).dark(dark).start().await;
        for path in [
            "/",
            "/?q=nothing-like-it",
            "/products/little-tarn-kettle",
            "/my-account/sign-in",
            "/my-account/sign-up",
            "/checkout",
            "/no-such-page",
            "/products/no-such-thing",
        ] {
            browser.goto(path).await;
            browser.assert_accessible(&axe, path).await;
        }
        browser.goto("/products/little-tarn-kettle").await;
        browser.click(".product__add").await;
        browser.wait_for(".toast").await;
        for path in ["/checkout", "/checkout/details"] {
            browser.goto(path).await;
            browser.assert_accessible(&axe, path).await;
        }

        let browser = Browser::at(&fleet.url("")).dark(dark).start().await;
        browser.goto("/my-account/sign-up").await;
        browser.click("main form button[type=submit]").await;
        browser.wait_for("[aria-invalid=true]").await;
        browser.assert_accessible(&axe, "a form with errors").await;
        let confirmation = buys_a_kettle(&browser, &format!("{dark}@example.com"), true).await;
        browser.assert_accessible(&axe, "an order").await;
        let account = ["/my-account", "/my-account/profile", "/my-account/address", "/my-account/orders"];
        for path in account.into_iter().chain([confirmation.as_str()]) {
            browser.goto(path).await;
            browser.assert_accessible(&axe, path).await;
        }
    }
}

#[tokio::test]
async fn nothing_scrolls_sideways_or_shifts_on_a_phone_or_a_desk() {
    let fleet = Fleet::up(&[]).await;
    for (width, height) in [(375, 812), (1280, 900)] {
        let browser = Browser::at(&fleet.url("")).window(width, height).start().await;
        for path in ["/", "/products/little-tarn-kettle", "/my-account/sign-in", "/checkout", "/no-such-page"] {
            browser.goto(path).await;
            browser.wait_until_idle().await;
            let shift = browser.layout_shift().await;
            assert!(shift < 0.01, "{path} at {width}: layout shift {shift}");
            assert!(!browser.scrolls_sideways().await, "{path} at {width}");
            browser.screenshot(&format!("{}-{width}", path.trim_matches('/').replace('/', "-"))).await;
        }
    }
}
