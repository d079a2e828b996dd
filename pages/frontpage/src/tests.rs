//! The frontpage by itself, in process.

mod degraded;

use std::collections::HashMap;

use axum::http::StatusCode;
use axum::{Json, Router};
use page_kit::testing::Visitor;
use page_kit::{Answer, Config, Metrics, Service, Source, Unavailable};
use serde_json::json;

use crate::{PAGE, accounts, assets, catalog, orders, page, product};

fn visitor() -> Visitor {
    let config = Config::standalone(PAGE);
    let routes = page::routes(&config).unwrap();
    Visitor::of(page_kit::app(&config, &[shared_assets::ALL, assets::ALL], routes).unwrap())
}

#[tokio::test]
async fn the_frontpage_is_the_same_for_everybody() {
    let mut visitor = visitor();
    visitor.take_cookie("session", "ada");
    let home = visitor.get("/").await;
    assert_eq!((home.status, home.header("cache-control")), (200, "public, max-age=60"));
    assert_eq!((home.header("vary"), home.header("set-cookie")), ("x-fragment", ""));
    assert!(home.header("content-security-policy").starts_with("default-src 'self'"));
    assert!(home.says("data-visitor=\"/visitor.json\"") && !home.says("Ada"), "{}", home.body);
    assert!(home.says("Fellside 2") && home.says("€429.00"), "{}", home.body);
}

#[tokio::test]
async fn who_has_a_public_view_is_told_that_it_is_still_the_same() {
    let mut visitor = visitor();
    for path in ["/", "/?q=stove", "/products/fellside-2", "/favicon.ico"] {
        let tag = visitor.get(path).await.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{path}: {tag}");
        let again = visitor.send(&format!("GET {path}"), &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", tag.as_str()), "{path}");
        assert!(again.header("cache-control").starts_with("public"), "{path}");
    }
    assert_eq!(visitor.get("/visitor.json").await.header("etag"), "");
}

#[tokio::test]
async fn a_search_shows_what_it_finds_and_what_was_asked() {
    let mut visitor = visitor();
    let found = visitor.get("/?q=stove&category=kitchen&sort=-price").await;
    assert!(found.says("1 product for “stove”"), "{}", found.body);
    assert!(found.says("value=\"stove\"") && found.says("value=\"-price\" selected"), "{}", found.body);
    let nothing = visitor.get("/?q=%3Cb%3Ezzz").await;
    assert!(nothing.says("0 products for") && !nothing.says("<b>zzz"), "{}", nothing.body);
    for query in ["/?category=cars", "/?sort=colour"] {
        assert_eq!(visitor.get(query).await.status, 404, "{query}");
        let part = visitor.send(&format!("GET {query}"), &[("x-fragment", "results")], "").await;
        assert_eq!((part.status, part.header("cache-control")), (404, "no-store"), "{query}");
    }
}

#[tokio::test]
async fn only_what_says_so_is_in_stock_only() {
    let mut visitor = visitor();
    let all = visitor.get("/?in_stock=false").await;
    assert!(!all.says("value=\"true\" checked") && !all.says("Clear filters"), "{}", all.body);
    let some = visitor.get("/?in_stock=true").await;
    assert!(some.says("value=\"true\" checked") && some.says("Clear filters"), "{}", some.body);
}

#[tokio::test]
async fn the_navigation_tells_the_page_itself_from_a_search_in_it() {
    let mut visitor = visitor();
    assert!(visitor.get("/").await.says("href=\"/\" aria-current=\"page\""));
    assert!(visitor.get("/?q=stove").await.says("href=\"/\" aria-current=\"true\""));
}

#[tokio::test]
async fn a_search_that_is_too_long_for_a_url_is_found_nowhere() {
    let mut visitor = visitor();
    // The one that the catalog would get is three times as long as the visitor's.
    assert_eq!(visitor.get(&format!("/?q={}", "(".repeat(30_000))).await.status, 404);
}

#[tokio::test]
async fn a_refusal_that_nobody_expects_is_an_error_and_not_nothing() {
    let refuses = async || (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "error": { "code": "slow_down" } })));
    let source = Source::new(Service::in_process("any", Router::new().fallback(refuses)), &Metrics::new());
    assert_eq!(accounts::Client::new(&source).name("ada").await, Err(Unavailable));
    assert_eq!(orders::Client::new(&source).count("full").await, Err(Unavailable));
    assert!(orders::Client::new(&source).add(Some("full"), "mug", 1).await.is_err());
    let catalog = catalog::Client::new(&source);
    assert!(matches!(catalog.product("mug").await, Answer::Unavailable));
    assert!(matches!(catalog.products(&HashMap::new()).await, Answer::Unavailable));
}

#[tokio::test]
async fn who_may_add_no_more_products_is_told_so_beside_the_quantity() {
    let refuses = async || {
        let fields = json!({ "slug": "A basket holds at most 100 different products." });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": { "code": "invalid", "fields": fields } })))
    };
    let source = Source::new(Service::in_process("orders", Router::new().fallback(refuses)), &Metrics::new());
    let orders = orders::Client::new(&source);
    let error = orders.add(Some("full"), "mug", 1).await.unwrap_err();
    assert_eq!(product::objection(&error).as_deref(), Some("A basket holds at most 100 different products."));
}

#[tokio::test]
async fn a_script_gets_the_results_alone_and_nobody_keeps_them() {
    let results = visitor().send("GET /?q=stove", &[("x-fragment", "results")], "").await;
    assert_eq!((results.header("cache-control"), results.header("vary")), ("no-store", "x-fragment"));
    assert!(results.says("data-results-heading") && !results.says("<html"), "{}", results.body);
}

#[tokio::test]
async fn a_product_goes_into_a_new_basket_when_the_visitors_own_has_gone() {
    let mut visitor = visitor();
    visitor.take_cookie("basket", "gone");
    let sent = visitor.post("/products/fellside-2", "quantity=2").await;
    assert_eq!((sent.status, sent.header("location")), (303, "/products/fellside-2?added=1"));
    assert_ne!(visitor.cookie("basket"), "gone");
    assert_eq!(visitor.get("/visitor.json").await.body, r#"{"name":null,"basket":2}"#);
    let added = visitor.get("/products/fellside-2?added=1").await;
    assert_eq!(added.header("cache-control"), "private, no-cache");
    assert!(added.says("Added to your basket"));
}

#[tokio::test]
async fn a_script_adds_to_the_basket_in_place() {
    let mut visitor = visitor();
    let script = [("x-fragment", "basket")];
    let added = visitor.send("POST /products/speckle-mug", &script, "quantity=3").await;
    assert_eq!(added.body, r#"{"basket":3,"message":"Added to your basket."}"#);
    assert_ne!(visitor.cookie("basket"), "");
    let refused = visitor.send("POST /products/speckle-mug", &script, "quantity=4").await;
    assert_eq!((refused.status, refused.body.as_str()), (422, r#"{"message":"Only 3 in stock."}"#));
}

#[tokio::test]
async fn a_quantity_that_can_not_be_comes_back_beside_the_field() {
    let mut visitor = visitor();
    for (typed, message) in [("4", "Only 3 in stock."), ("0", "Enter at least 1."), ("two", "Enter a whole number.")] {
        let refused = visitor.post("/products/speckle-mug", &format!("quantity={typed}")).await;
        assert_eq!(refused.status, 422, "{typed}");
        assert!(refused.says(message) && refused.says(&format!("value=\"{typed}\"")), "{}", refused.body);
        assert!(refused.says("aria-invalid=\"true\" aria-describedby=\"quantity-error\""), "{}", refused.body);
        assert!(refused.says("<title>Error: Speckle"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let mut visitor = visitor();
    let foreign = [("sec-fetch-site", "cross-site")];
    let refused = visitor.send("POST /products/fellside-2", &foreign, "quantity=1").await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, ""));
    assert!(refused.says("That came from somewhere else"));
}

#[tokio::test]
async fn what_is_not_here_is_said_in_the_shell_of_the_site() {
    let mut visitor = visitor();
    for path in ["/nothing", "/products/nothing", "/products/..%2f", "/products/%00"] {
        let missing = visitor.get(path).await;
        assert_eq!((missing.status, missing.header("cache-control")), (404, "no-store"), "{path}");
        assert!(missing.says("We don’t carry that"), "{path}");
    }
    for (request, status) in [("GET /products/%ff", 400), ("DELETE /", 405), ("POST /products/fellside-2", 415)] {
        let refused = visitor.send(request, &[("accept", "text/html")], "").await;
        assert_eq!(refused.status, status, "{request}");
        assert!(refused.says("Tarnwell"), "{}", refused.body);
        assert!(refused.says("hing was changed"), "{}", refused.body);
        assert_eq!(refused.header("allow"), if status == 405 { "GET,HEAD" } else { "" }, "{request}");
    }
    let missing = visitor.post("/products/nothing", "quantity=1").await;
    assert_eq!((missing.status, visitor.cookie("basket")), (404, ""));
    let icon = visitor.get("/favicon.ico").await;
    assert_eq!((icon.status, icon.header("content-type")), (200, "image/x-icon"));
    assert!(icon.says("PNG"));
    assert!(visitor.get("/robots.txt").await.says("Disallow: /checkout"));
}
