//! An order from the button to its end, while orders fails in every way.

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use page_kit::testing::{Fault, Working};
use serde_json::Value;
use tokio::task::JoinSet;

use super::degraded::{Shop, until};
use super::*;
use crate::sample;

/// The form, filled in.
async fn filled(shop: &mut Shop) -> (String, String) {
    let form = shop.visitor.get("/checkout/details").await;
    let (key, total) = (key_of(&form), hidden("total", &form));
    (format!("{ADDRESS}&key={key}&total={total}&currency=EUR"), format!("/checkout/orders/{key}"))
}

/// Orders whose answer to a new order is this one.
fn answering(status: u16, body: Value) -> Router {
    let status = StatusCode::from_u16(status).unwrap();
    sample::orders::routes().layer(from_fn(move |request: Request, next: Next| {
        let body = body.clone();
        async move {
            match *request.method() {
                Method::POST => (status, Json(body)).into_response(),
                _ => next.run(request).await,
            }
        }
    }))
}

#[tokio::test]
async fn an_order_that_is_sent_while_orders_is_down_is_accepted_and_made_once() {
    let mut all: JoinSet<()> = Fault::ALL.into_iter().map(sent_while_down).collect();
    while let Some(one) = all.join_next().await {
        one.unwrap();
    }
}

async fn sent_while_down(fault: Fault) {
    let mut shop = Shop::open().await;
    let (form, place) = filled(&mut shop).await;
    shop.orders.has(Some(fault));
    for _ in 0..2 {
        let sent = shop.visitor.post("/checkout/details", &form).await;
        assert_eq!((sent.status, sent.header("location")), (303, place.as_str()), "{fault:?}");
    }
    let pending = shop.visitor.get(&place).await;
    assert_eq!((pending.status, pending.header("cache-control")), (200, "no-store"), "{fault:?}");
    assert!(pending.says("We have your order.") && pending.says("<noscript><meta http-equiv=\"refresh\""));
    assert!(!pending.says("TW-"), "{}", pending.body);

    let working = Working::on(shop.page.outbox.work());
    shop.orders.has(None);
    let made = until(&mut shop.visitor, &place, "Thank you.").await;
    assert!(made.says("TW-10042") && made.says("10115 Berlin"), "{fault:?}: {}", made.body);
    assert!(shop.visitor.get("/checkout").await.says("Your basket is empty"));
    working.stop().await;
}

#[tokio::test]
async fn an_order_on_its_way_is_not_sent_again_by_its_form() {
    let unavailable = json!({ "error": { "code": "catalog_unavailable", "message": "Not now." } });
    let mut shop = Shop::with(answering(503, unavailable)).await;
    let (form, place) = filled(&mut shop).await;
    shop.visitor.post("/checkout/details", &form).await;
    let again = shop.visitor.get("/checkout/details").await;
    assert_eq!((again.status, again.header("location")), (303, place.as_str()));

    let other = shop.visitor.post("/checkout/details", &form.replace("Berlin", "Bonn")).await;
    assert_eq!((other.status, other.header("cache-control")), (409, "no-store"));
    assert!(other.says("This basket is ordered already") && other.says(&format!("href=\"{place}\"")), "{}", other.body);
}

#[tokio::test]
async fn an_order_that_is_refused_later_says_why_and_what_to_do() {
    let refusal = json!({ "error": { "code": "out_of_stock", "message": "Only 2 left of The tent." } });
    let mut shop = Shop::with(answering(409, refusal)).await;
    let (form, place) = filled(&mut shop).await;
    shop.orders.has(Some(Fault::Fails));
    shop.visitor.post("/checkout/details", &form).await;
    shop.orders.has(None);
    let working = Working::on(shop.page.outbox.work());
    let failed = until(&mut shop.visitor, &place, "Your order could not be placed").await;
    assert_eq!((failed.status, failed.header("cache-control")), (200, "no-store"));
    for text in ["Only 2 left of The tent.", "Your basket is as you left it", "href=\"/checkout\""] {
        assert!(failed.says(text), "{text} in {}", failed.body);
    }
    assert!(!failed.says("http-equiv"), "nothing more will happen");
    working.stop().await;
}

#[tokio::test]
async fn a_refusal_that_no_form_can_put_right_is_told_on_the_orders_page() {
    let mut shop =
        Shop::with(answering(403, json!({ "error": { "code": "closed", "message": "We are closed." } }))).await;
    let (form, place) = filled(&mut shop).await;
    let sent = shop.visitor.post("/checkout/details", &form).await;
    assert_eq!((sent.status, sent.header("location")), (303, place.as_str()));
    assert!(shop.visitor.get(&place).await.says("We are closed."));
}

#[tokio::test]
async fn an_order_that_was_made_is_shown_while_orders_is_down() {
    let mut shop = Shop::open().await;
    let (form, place) = filled(&mut shop).await;
    shop.visitor.post("/checkout/details", &form).await;
    shop.orders.has(Some(Fault::Fails));
    let made = shop.visitor.get(&place).await;
    assert!(made.says("TW-10042") && made.says("€236.00"), "{}", made.body);
    let unknown = shop.visitor.get(&format!("/checkout/orders/{NOBODYS}")).await;
    assert_eq!((unknown.status, unknown.header("cache-control")), (200, "no-store"));
    assert!(unknown.says("We can’t look up this order right now"), "{}", unknown.body);
}

#[tokio::test]
async fn an_order_from_before_the_outbox_remembers_is_asked_for() {
    let mut shop = Shop::with(sample::orders::routes()).await;
    let (_, place) = filled(&mut shop).await;
    let key = Key::parse(place.rsplit('/').next().unwrap()).unwrap();
    let wanted = orders::Wanted {
        basket: "sample".to_owned(),
        customer: None,
        email: "ada@example.com".to_owned(),
        address: serde_json::from_value(json!({
            "name": "Ada", "line1": "Here 1", "postcode": "10115", "city": "Berlin", "country": "DE",
        }))
        .unwrap(),
        total: None,
    };
    shop.page.orders.place(key, &wanted).await.unwrap();
    assert!(shop.visitor.get(&place).await.says("TW-10042"));
}

#[tokio::test]
async fn an_order_that_cannot_be_kept_is_not_accepted_and_the_form_keeps_its_input() {
    let mut shop = Shop::open().await;
    let (form, place) = filled(&mut shop).await;
    Working::on(shop.page.outbox.work()).stop().await;
    let refused = shop.visitor.post("/checkout/details", &form).await;
    assert_eq!((refused.status, refused.header("cache-control")), (503, "no-store"));
    for text in ["We can’t take orders at this moment", "value=\"Berlin\"", "Place order"] {
        assert!(refused.says(text), "{text} in {}", refused.body);
    }
    assert!(shop.visitor.get("/checkout").await.says("4 pieces"), "nothing was tried");
    assert_eq!(shop.visitor.get(&place).await.status, 200);
}

#[test]
fn a_payload_of_the_first_release_is_read_by_this_one() {
    let first = r#"{"basket":"b","customer":null,"email":"ada@example.com","address":{"name":"Ada","line1":"Here 1",
        "line2":"","postcode":"10115","city":"Berlin","country":"DE"},"total":{"amount":23600,"currency":"EUR"}}"#;
    let wanted: orders::Wanted = serde_json::from_str(first).unwrap();
    assert_eq!((wanted.basket.as_str(), wanted.address.city.as_str()), ("b", "Berlin"));
    let known = orders::Wanted { customer: Some("ada".to_owned()), ..wanted.clone() };
    assert!(known == wanted && wanted != orders::Wanted { email: String::new(), ..wanted.clone() });
}
