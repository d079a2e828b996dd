//! Checkout by itself, in process.

mod degraded;
mod progress;

use axum::http::StatusCode;
use axum::{Json, Router};
use page_kit::outbox::{Key, Settings};
use page_kit::testing::{Answer, Visitor};
use page_kit::{Config, Service, Source};
use serde_json::json;

use crate::page::Checkout;
use crate::{PAGE, accounts, assets, orders, page};

/// A key that nobody has.
const NOBODYS: &str = "5a3b1e00-0000-4000-9000-000000000001";

const ADDRESS: &str = "email=ada%40example.com&name=Ada&line1=Here+1&line2=&postcode=10115&city=Berlin&country=DE";

async fn visitor() -> Visitor {
    let config = Config::standalone(PAGE);
    let page = Checkout::open(&config, &Settings::default()).await.unwrap();
    visitor_of(&config, page)
}

fn visitor_of(config: &Config, page: Checkout) -> Visitor {
    Visitor::of(page_kit::app(config, &[shared_assets::ALL, assets::ALL], page::routes(page)).unwrap())
}

fn hidden(name: &str, form: &Answer) -> String {
    let (_, rest) = form.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn key_of(form: &Answer) -> String {
    hidden("key", form)
}

#[tokio::test]
async fn a_basket_is_shown_with_what_orders_say_it_costs() {
    let basket = visitor().await.get("/checkout").await;
    assert_eq!((basket.status, basket.header("cache-control")), (200, "private, no-cache"));
    for text in ["Drystone 35", "€28.00", "€236.00", "Free", "4 pieces"] {
        assert!(basket.says(text), "{text}");
    }
}

#[tokio::test]
async fn who_has_seen_the_empty_basket_is_told_so_until_something_is_in_it() {
    let mut visitor = visitor().await;
    visitor.take_cookie("basket", "");
    let empty = visitor.get("/checkout").await;
    let (control, tag) = (empty.header("cache-control"), empty.header("etag").to_owned());
    assert!(empty.says("Your basket is empty") && control == "private, no-cache", "{empty:?}");
    let known = [("if-none-match", tag.as_str())];
    let again = visitor.send("GET /checkout", &known, "").await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
    assert_eq!((again.header("content-type"), again.header("content-security-policy")), ("", ""));
    visitor.take_cookie("basket", "sample");
    let filled = visitor.send("GET /checkout", &known, "").await;
    assert_eq!((filled.status, filled.header("etag")), (200, ""));
    assert!(filled.says("4 pieces"));
}

#[tokio::test]
async fn quantities_are_changed_and_lines_removed() {
    let mut visitor = visitor().await;
    let sent = visitor.post("/checkout/lines/wee-ember-stove", "quantity=3").await;
    assert_eq!((sent.status, sent.header("location")), (303, "/checkout"));
    assert!(visitor.get("/checkout").await.says("€147.00"));
    visitor.post("/checkout/lines/wee-ember-stove", "quantity=3&remove=1").await;
    assert!(!visitor.get("/checkout").await.says("Wee Ember"));
    for slug in ["drystone-35", "speckle-mug"] {
        visitor.post(&format!("/checkout/lines/{slug}"), "quantity=0").await;
    }
    assert!(visitor.get("/checkout").await.says("Your basket is empty"));
    assert_eq!(visitor.get("/checkout/details").await.header("location"), "/checkout");
}

#[tokio::test]
async fn a_quantity_that_can_not_be_comes_back_beside_its_line() {
    let mut visitor = visitor().await;
    for (typed, message) in [("9", "Only 3 in stock."), ("-1", "Enter 0 or more."), ("x", "Enter a whole number.")] {
        let refused = visitor.post("/checkout/lines/speckle-mug", &format!("quantity={typed}")).await;
        assert_eq!(refused.status, 422, "{typed}");
        assert!(refused.says(message) && refused.says(&format!("value=\"{typed}\"")), "{}", refused.body);
        assert!(refused.says("aria-describedby=\"error-speckle-mug\""), "{}", refused.body);
        assert!(refused.says("<title>Error: Basket"), "{}", refused.body);
    }
}

#[tokio::test]
async fn an_order_is_placed_once_however_often_its_form_is_sent() {
    let mut visitor = visitor().await;
    let key = key_of(&visitor.get("/checkout/details").await);
    let form = format!("{ADDRESS}&key={key}");
    for _ in 0..2 {
        let sent = visitor.post("/checkout/details", &form).await;
        assert_eq!((sent.status, sent.header("location")), (303, format!("/checkout/orders/{key}").as_str()));
    }
    let made = visitor.get(&format!("/checkout/orders/{key}")).await;
    for text in ["Thank you.", "TW-10042", "10115 Berlin", "Germany", "€236.00"] {
        assert!(made.says(text), "{text}");
    }
    assert!(visitor.get("/checkout").await.says("Your basket is empty"));
}

#[tokio::test]
async fn a_form_that_is_shown_again_is_the_same_order_until_it_is_made() {
    let mut visitor = visitor().await;
    let first = visitor.get("/checkout/details").await;
    assert_eq!(key_of(&visitor.get("/checkout/details").await), key_of(&first));
    let refused = visitor.post("/checkout/details", "email=&key=somebody+elses").await;
    assert_eq!(key_of(&refused), key_of(&first));

    let form = format!("{ADDRESS}&key={}", key_of(&first));
    let made = visitor.post("/checkout/details", &form).await;
    visitor.post("/checkout/lines/speckle-mug", "quantity=1").await;
    assert_ne!(key_of(&visitor.get("/checkout/details").await), key_of(&first));
    let again = visitor.post("/checkout/details", &form).await;
    assert_eq!((again.status, again.header("location")), (303, made.header("location")), "the answer that was lost");
}

#[tokio::test]
async fn nothing_is_ordered_at_another_total_than_the_form_showed() {
    let mut visitor = visitor().await;
    let seen = visitor.get("/checkout/details").await;
    let (key, total, currency) = (key_of(&seen), hidden("total", &seen), hidden("currency", &seen));
    assert_eq!((total.as_str(), currency.as_str()), ("23600", "EUR"));
    let refused = visitor.post("/checkout/details", &format!("{ADDRESS}&key={key}&total=100&currency=EUR")).await;
    assert_eq!((refused.status, hidden("total", &refused)), (422, total.clone()));
    assert_ne!(key_of(&refused), key, "a key that was refused stays refused");
    for text in ["A price changed since you saw it", "<title>Error: Checkout", "value=\"Berlin\""] {
        assert!(refused.says(text), "{text} in {}", refused.body);
    }
    assert!(visitor.get("/checkout").await.says("4 pieces"));
    let key = key_of(&refused);
    let form = format!("{ADDRESS}&key={key}&total={total}&currency={currency}");
    assert_eq!(visitor.post("/checkout/details", &form).await.status, 303);
}

#[tokio::test]
async fn a_refusal_that_nobody_expects_is_an_error_and_not_nothing() {
    let refuses = async || (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "error": { "code": "slow_down" } })));
    let service = Service::in_process("any", Router::new().fallback(refuses));
    let source = Source::new(service, Config::standalone(PAGE).metrics());
    assert!(accounts::Client::new(&source).account("ada").await.is_err());
    let orders = orders::Client::new(&source);
    assert!(orders.basket(Some("full")).await.is_err());
    assert!(orders.placed(Key::parse(NOBODYS).unwrap()).await.is_err());
}

#[tokio::test]
async fn what_is_sent_in_no_way_we_read_is_refused_in_the_shell_of_the_site() {
    let mut visitor = visitor().await;
    for (request, status) in
        [("POST /checkout/details", 415), ("PUT /checkout", 405), ("GET /checkout/orders/%ff", 400)]
    {
        let refused = visitor.send(request, &[("accept", "text/html")], "").await;
        assert_eq!(refused.status, status, "{request}");
        assert!(refused.says("Tarnwell") && refused.says("hing was changed"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_form_with_errors_comes_back_with_its_input_and_its_key() {
    let mut visitor = visitor().await;
    let key = key_of(&visitor.get("/checkout/details").await);
    let refused = visitor.post("/checkout/details", &format!("email=&name=%3CAda%3E&country=NO&key={key}")).await;
    assert_eq!((refused.status, key_of(&refused)), (422, key));
    for text in ["Enter an email address.", "Enter a town or city.", "value=\"NO\" selected", "#60;Ada"] {
        assert!(refused.says(text), "{text} in {}", refused.body);
    }
    assert!(refused.says("aria-describedby=\"city-error\""), "{}", refused.body);
}

#[tokio::test]
async fn who_is_signed_in_finds_the_form_filled_in() {
    let mut visitor = visitor().await;
    visitor.take_cookie("session", "ada");
    let form = visitor.get("/checkout/details").await;
    for text in
        ["value=\"ada@example.com\"", "value=\"Seestrasse 12\"", "value=\"CH\" selected", "signed in as Ada Lund"]
    {
        assert!(form.says(text), "{text}");
    }
}

#[tokio::test]
async fn the_checkout_has_one_address_and_its_own_not_found() {
    let mut visitor = visitor().await;
    let slash = visitor.get("/checkout/").await;
    assert_eq!((slash.status, slash.header("location")), (308, "/checkout"));
    let nobodys = format!("/checkout/orders/{NOBODYS}");
    for path in ["/checkout/nothing", "/checkout/orders/none", "/checkout/orders/..%2fx", &nobodys] {
        let missing = visitor.get(path).await;
        assert_eq!(missing.status, 404, "{path}");
        assert!(missing.says("No such step"), "{path}");
    }
}
