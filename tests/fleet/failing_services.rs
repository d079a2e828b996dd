//! A service that is dead, frozen, slow or wrong costs a page what that service knows, and nothing else.

use crate::harness::{Answer, Passage, Server, Visitor, Way};
use std::time::{Duration, Instant};

/// How long a page may take, whatever its services do.
const AT_MOST: Duration = Duration::from_secs(3);

/// Whether a page says that something is old or missing: in a notice, or under a cloud where it would be.
fn is_degraded(page: &Answer) -> bool {
    ["class=\"notice notice--stale", "class=\"notice notice--missing", "#cloud\""]
        .iter()
        .any(|sign| page.text.contains(sign))
}

/// A frontpage and what is behind it.
struct Front {
    catalog: Server,
    passage: Passage,
    page: Server,
}

impl Front {
    async fn open() -> Self {
        let (catalog, accounts) = (Server::start("catalog", &[]).await, Server::start("accounts", &[]).await);
        let orders = Server::start("orders", &[("catalog", catalog.address)]).await;
        let passage = Passage::to(&catalog).await;
        let services = [("catalog", passage.address), ("accounts", accounts.address), ("orders", orders.address)];
        let page = Server::start("frontpage", &services).await;
        Self { catalog, passage, page }
    }

    async fn look(&self, path: &str) -> Answer {
        let started = Instant::now();
        let page = Visitor::at(self.page.address).get(path).await;
        assert!(started.elapsed() < AT_MOST, "{path} took {:?}", started.elapsed());
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page
    }

    /// That a page says that something is missing, and is kept by nobody.
    async fn assert_degraded(&self, path: &str, when: &str) {
        let page = self.look(path).await;
        assert!(is_degraded(&page), "{path} when {when}: {}", page.text);
        assert!(page.header("cache-control").contains("no-store"), "{path} when {when}");
    }
}

#[tokio::test]
async fn without_a_catalog_that_it_ever_saw_the_frontpage_is_there_and_says_so() {
    let front = Front::open().await;
    for way in [Way::Status500, Way::Garbage, Way::HalfBody, Way::Huge, Way::HeldBefore] {
        front.passage.set(way);
        // What it learned of the one before is forgotten after a moment.
        front.assert_degraded("/", &format!("{way:?}")).await;
    }
    front.passage.set(Way::Open);
    crate::harness::wait_until("the shop is back", async || {
        front.look("/").await.text.contains("66 products").then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_yesterdays_catalog_the_frontpage_shows_it_and_says_how_old_it_is() {
    let mut front = Front::open().await;
    assert!(front.look("/").await.text.contains("66 products"));
    front.catalog.kill().await;
    let stale = crate::harness::wait_until("the catalog is not fresh any more", async || {
        let page = front.look("/").await;
        is_degraded(&page).then_some(page)
    })
    .await;
    assert!(stale.text.contains("/products/"), "products are still shown: {}", stale.text);
    assert!(stale.header("cache-control").contains("no-store"));
    front.catalog.revive().await;
    crate::harness::wait_until("it is fresh again", async || (!is_degraded(&front.look("/").await)).then_some(()))
        .await;
}

#[tokio::test]
async fn a_catalog_that_is_frozen_holds_nobody_up() {
    let front = Front::open().await;
    assert!(front.look("/").await.text.contains("66 products"));
    front.catalog.freeze();
    for _ in 0..20 {
        front.look("/").await;
    }
    front.assert_degraded("/products/nobody-has-looked-at-this", "the catalog is frozen").await;
    front.catalog.thaw();
}

#[tokio::test]
async fn a_basket_that_cannot_be_priced_is_kept_and_cannot_be_ordered() {
    let (catalog, accounts) = (Server::start("catalog", &[]).await, Server::start("accounts", &[]).await);
    let mut orders = Server::start("orders", &[("catalog", catalog.address)]).await;
    let services = [("accounts", accounts.address), ("orders", orders.address)];
    let checkout = Server::start("checkout", &services).await;
    let visitor = Visitor::at(checkout.address);
    let basket = reqwest::Client::new().post(format!("http://{}/baskets", orders.address)).send().await.unwrap();
    let basket: serde_json::Value = basket.json().await.unwrap();
    visitor.bring_cookie(&format!("basket={}", basket["id"].as_str().unwrap()));
    orders.kill().await;
    let page = visitor.get("/checkout").await;
    assert_eq!(page.status, 200);
    assert!(is_degraded(&page), "{}", page.text);
    assert!(page.header("cache-control").contains("no-store"), "{}", page.header("cache-control"));
    assert!(!page.text.contains("href=\"/checkout/details\""), "nothing to order: {}", page.text);
    assert!(!page.header("set-cookie").contains("basket="), "the basket is kept");
    orders.revive().await;
    crate::harness::wait_until("the basket is priced again", async || {
        (!is_degraded(&visitor.get("/checkout").await)).then_some(())
    })
    .await;
}
