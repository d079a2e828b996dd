//! What a visitor sees while a service is slow, wrong or dead. Time is paused, so hanging takes no time.

use std::time::Duration;

use page_kit::testing::{Answer, Fault, Faulty, Visitor};
use tokio::time::{Instant, advance};

use super::*;
use crate::page::Sources;
use crate::sample;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The page and the services that it asks.
struct Shop {
    visitor: Visitor,
    catalog: Faulty,
    orders: Faulty,
    accounts: Faulty,
}

impl Shop {
    fn new() -> Self {
        Self::with_catalog(sample::catalog::routes())
    }

    fn with_catalog(catalog: Router) -> Self {
        let config = Config::standalone(PAGE);
        let catalog = Faulty::new("catalog", catalog);
        let orders = Faulty::new("orders", sample::orders::routes());
        let accounts = Faulty::new("accounts", sample::accounts::routes());
        let source = |faulty: &Faulty| Source::new(faulty.service(), config.metrics());
        let sources = Sources { catalog: source(&catalog), orders: source(&orders), accounts: source(&accounts) };
        let routes = page::routes_with(&config, &sources);
        let app = page_kit::app(&config, &[shared_assets::ALL, assets::ALL], routes).unwrap();
        Self { visitor: Visitor::of(app), catalog, orders, accounts }
    }

    /// Goes to a path, and doesn't wait long for it, whatever is wrong.
    async fn get(&mut self, path: &str) -> Answer {
        let started = Instant::now();
        let answer = self.visitor.get(path).await;
        assert!(started.elapsed() <= Duration::from_millis(1_100), "{path}: {:?}", started.elapsed());
        answer
    }
}

fn is_degraded(answer: &Answer) -> bool {
    (answer.status, answer.header("cache-control")) == (200, "no-store")
}

#[tokio::test(start_paused = true)]
async fn yesterdays_catalogue_is_shown_with_its_age_and_without_its_stock() {
    for fault in Fault::ALL {
        let mut shop = Shop::new();
        assert!(shop.get("/").await.says("Sold out"));
        assert!(shop.get("/products/speckle-mug").await.says("Only 3 left"));
        shop.catalog.has(Some(fault));
        advance(20 * HOUR).await;
        for path in ["/", "/products/speckle-mug"] {
            let view = shop.get(path).await;
            assert!(is_degraded(&view), "{fault:?} {path}: {} {}", view.status, view.header("cache-control"));
            for text in ["Prices as of <time datetime=\"20", "20 hours ago</time>", "Speckle", "€12.50"] {
                assert!(view.says(text), "{fault:?} {path}: {text} in {}", view.body);
            }
            for text in ["Only 3 left", "Sold out", ">In stock<"] {
                assert!(!view.says(text), "{fault:?} {path}: {text} in {}", view.body);
            }
        }
        assert!(shop.get("/products/speckle-mug").await.says("Add to basket"), "the checkout prices it anew");
        shop.catalog.has(None);
        advance(Duration::from_millis(1_250)).await;
        shop.get("/").await; // finds out that it is back
        let view = shop.get("/").await;
        assert!(view.says("Sold out") && !view.says("Prices as of"), "{fault:?}: {}", view.body);
        assert_eq!(view.header("cache-control"), "public, max-age=60");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_catalogue_the_page_is_friendly() {
    for fault in Fault::ALL {
        let mut shop = Shop::new();
        shop.catalog.has(Some(fault));
        let home = shop.get("/").await;
        assert!(is_degraded(&home), "{fault:?}");
        for text in ["The shelves are in the clouds", "Search the shop", "Gear for slow mountains"] {
            assert!(home.says(text), "{text} in {}", home.body);
        }
        assert!(!home.says("What are you packing for?") && !home.says("0 products"), "{}", home.body);
        let product = shop.get("/products/speckle-mug").await;
        assert!(is_degraded(&product) && product.says("In the clouds for a moment"), "{}", product.body);
        let part = shop.visitor.send("GET /?q=mug", &[("x-fragment", "results")], "").await;
        assert!(is_degraded(&part) && part.says("Show all gear") && !part.says("<html"), "{}", part.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_catalogue_without_stock_numbers_says_so() {
    let catalog = Router::new()
        .route("/categories", axum::routing::get(async || Json(json!({ "categories": [] }))))
        .fallback(async || Json(json!({ "total": 1, "products": [without_stock()] })));
    let home = Shop::with_catalog(catalog).get("/").await;
    assert!(home.says("so we don’t say what is in stock") && home.says("€14.00"), "{}", home.body);
    assert!(!home.says("Sold out") && !home.says("Prices as of"), "{}", home.body);
    let catalog = Router::new().fallback(async || {
        let mut product = without_stock();
        product["description"] = json!(["Blue."]);
        product["specs"] = json!([]);
        product["related"] = json!([]);
        Json(product)
    });
    let product = Shop::with_catalog(catalog).get("/products/mug").await;
    assert!(product.says("We can’t see our shelves just now") && product.says("Add to basket"), "{}", product.body);
    assert!(!product.says("Goes well with it"), "{}", product.body);
}

fn without_stock() -> serde_json::Value {
    json!({
        "slug": "mug", "name": "Mug", "summary": "For tea.", "category": { "slug": "kitchen", "name": "Kitchen" },
        "price": { "amount": 1400, "currency": "EUR" }, "drawing": "enamel-mug", "badge": null,
    })
}

#[tokio::test(start_paused = true)]
async fn a_product_that_is_unknown_stays_unknown() {
    let mut shop = Shop::new();
    assert_eq!(shop.get("/products/nothing").await.status, 404);
    shop.catalog.has(Some(Fault::Hangs));
    advance(HOUR).await;
    assert_eq!(shop.get("/products/nothing").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn categories_that_are_missing_take_nothing_from_the_gear() {
    let products = async || Json(json!({ "total": 1, "products": [without_stock()] }));
    let catalog = Router::new()
        .route("/categories", axum::routing::get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/products", axum::routing::get(products));
    let home = Shop::with_catalog(catalog).get("/").await;
    assert!(is_degraded(&home) && home.says("We can’t sort the gear by kind") && home.says("Mug"), "{}", home.body);
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_of_a_visitor_is_said_and_nobody_is_signed_out() {
    let mut shop = Shop::new();
    shop.visitor.take_cookie("session", "ada");
    shop.visitor.post("/products/speckle-mug", "quantity=2").await;
    for fault in Fault::ALL {
        shop.accounts.has(Some(fault));
        let who = shop.get("/visitor.json").await;
        assert_eq!((who.status, who.header("set-cookie")), (200, ""), "{fault:?}");
        assert_eq!(who.body, r#"{"name":null,"basket":2,"unknown":["name"]}"#, "{fault:?}");
        shop.orders.has(Some(fault));
        let who = shop.get("/visitor.json").await;
        assert_eq!(who.body, r#"{"name":null,"basket":0,"unknown":["name","basket"]}"#, "{fault:?}");
        shop.orders.has(None);
        shop.accounts.has(None);
        advance(Duration::from_millis(1_250)).await;
        assert_eq!(shop.get("/visitor.json").await.body, r#"{"name":"Ada","basket":2}"#, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_put_into_the_basket_now_comes_back_with_its_quantity() {
    for fault in Fault::ALL {
        let mut shop = Shop::new();
        shop.orders.has(Some(fault));
        let refused = shop.visitor.post("/products/speckle-mug", "quantity=2").await;
        assert_eq!((refused.status, refused.header("cache-control")), (503, "no-store"), "{fault:?}");
        assert!(!refused.header("retry-after").is_empty());
        for text in ["We can’t tell whether that was added", "value=\"2\"", "data-form-error", "<title>Error: Speckle"]
        {
            assert!(refused.says(text), "{fault:?}: {text} in {}", refused.body);
        }
        shop.catalog.has(Some(fault));
        advance(25 * HOUR).await;
        let refused = shop.visitor.post("/products/speckle-mug", "quantity=2").await;
        assert_eq!(refused.status, 503, "{fault:?}");
        assert!(refused.says("We can’t tell whether that was added"), "{}", refused.body);
    }
}

#[tokio::test]
async fn services_that_are_not_there_at_all_are_no_error_either() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = Config::standalone(PAGE);
    let source = |name| Source::new(Service::at(name, &address).unwrap(), config.metrics());
    let sources = Sources { catalog: source("catalog"), orders: source("orders"), accounts: source("accounts") };
    let routes = page::routes_with(&config, &sources);
    let mut visitor = Visitor::of(page_kit::app(&config, &[shared_assets::ALL, assets::ALL], routes).unwrap());
    let home = visitor.get("/").await;
    assert!(is_degraded(&home) && home.says("The shelves are in the clouds"), "{}", home.body);
    let refused = visitor.post("/products/mug", "quantity=1").await;
    assert_eq!(refused.status, 503);
    assert!(refused.says("so nothing was added"), "{}", refused.body);
    let counters = config.metrics().text();
    let counted = r#"page_queries_total{outcome="unavailable",query="products",service="catalog"} 1"#;
    assert!(counters.contains(counted), "{counters}");
}
