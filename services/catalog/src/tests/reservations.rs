//! Taking stock for an order, and giving it back.

use serde_json::json;
use service_kit::testing;
use uuid::Uuid;

use super::{SMALL_SHOP, Shop};

#[tokio::test]
async fn a_reservation_takes_stock_and_keeps_the_price() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    let (status, body) = shop.reserve(key, &[("tarp", 2), ("ridge-tent", 1)]).await;
    assert_eq!(status, 201);
    let line = json!({ "slug": "tarp", "name": "Tarp", "drawing": "tarp", "quantity": 2,
        "unit_price": { "amount": 5900, "currency": "EUR" } });
    assert_eq!(body["lines"][0], line);
    assert_eq!(shop.stock("tarp").await["quantity"], 18);
    assert_eq!(shop.stock("ridge-tent").await["quantity"], 2);
}

#[tokio::test]
async fn a_repeated_reservation_gets_the_saved_one_and_takes_nothing_more() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    let (_, first) = shop.reserve(key, &[("tarp", 2), ("ridge-tent", 1)]).await;
    let (status, again) = shop.reserve(key, &[("ridge-tent", 1), ("tarp", 2)]).await;
    assert_eq!((status, again), (200, first));
    assert_eq!(shop.stock("tarp").await["quantity"], 18);
}

#[tokio::test]
async fn a_key_is_not_taken_for_other_lines() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    shop.reserve(key, &[("tarp", 2)]).await;
    let (status, body) = shop.reserve(key, &[("tarp", 3)]).await;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("key_reused")));
    assert_eq!(shop.stock("tarp").await["quantity"], 18);
}

#[tokio::test]
async fn a_reservation_is_all_or_nothing_and_names_what_is_short() {
    let shop = Shop::open().await;
    let (status, body) = shop.reserve(Uuid::new_v4(), &[("tarp", 1), ("ridge-tent", 4), ("stove", 1)]).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("out_of_stock")));
    assert_eq!(body["error"]["message"], "Only 3 left of Ridge tent. Gas stove is sold out.");
    let short = json!([
        { "slug": "ridge-tent", "name": "Ridge tent", "available": 3 },
        { "slug": "stove", "name": "Gas stove", "available": 0 },
    ]);
    assert_eq!(body["error"]["lines"], short);
    assert_eq!(shop.stock("tarp").await["quantity"], 20);
}

#[tokio::test]
async fn a_released_reservation_gives_its_stock_back_once() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    shop.reserve(key, &[("tarp", 2), ("ridge-tent", 3)]).await;
    assert_eq!(shop.release(key).await, 204);
    assert_eq!(shop.release(key).await, 204);
    assert_eq!(shop.release(Uuid::new_v4()).await, 204);
    assert_eq!(shop.stock("tarp").await["quantity"], 20);
    assert_eq!(shop.stock("ridge-tent").await["quantity"], 3);
    assert_eq!(shop.reserve(key, &[("tarp", 1)]).await.0, 201, "a released key is free again");
}

#[tokio::test]
async fn the_last_ones_are_sold_once_however_many_ask_at_the_same_time() {
    let shop = Shop::open().await;
    let asking: Vec<_> = (0..12)
        .map(|_| {
            let router = shop.router.clone();
            let body = json!({ "key": Uuid::new_v4(), "lines": [{ "slug": "ridge-tent", "quantity": 1 }] });
            tokio::spawn(async move { testing::call(&router, "POST /reservations", &[], body).await.0 })
        })
        .collect();
    let mut statuses = Vec::new();
    for answer in asking {
        statuses.push(answer.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 9, "{statuses:?}");
    assert_eq!(shop.stock("ridge-tent").await["quantity"], 0);
}

#[tokio::test]
async fn reservations_that_make_no_sense_are_told_by_field() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4().to_string();
    for (body, field) in [
        (json!({ "key": "today", "lines": [{ "slug": "tarp", "quantity": 1 }] }), "key"),
        (json!({ "key": key, "lines": [] }), "lines"),
        (json!({ "key": key, "lines": [{ "slug": "tarp", "quantity": 0 }] }), "lines.0.quantity"),
        (json!({ "key": key, "lines": [{ "slug": "tarp", "quantity": -5 }] }), "lines.0.quantity"),
        (
            json!({ "key": key, "lines": [{ "slug": "tarp", "quantity": 1 }, { "slug": "tarp", "quantity": 1 }] }),
            "lines.1.slug",
        ),
    ] {
        let (status, answer) = testing::call(&shop.router, "POST /reservations", &[], body.clone()).await;
        assert_eq!(status, 422, "{body}");
        assert!(answer["error"]["fields"][field].is_string(), "{body}: {answer}");
    }
    let (status, answer) = shop.reserve(Uuid::new_v4(), &[("boat", 1)]).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("unknown_product")));
}

#[tokio::test]
async fn stock_and_reservations_survive_a_restart_with_a_changed_seed() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    shop.reserve(key, &[("ridge-tent", 2)]).await;
    let dearer = SMALL_SHOP.replace("18900", "19900").replace("stock = 3", "stock = 99");
    let shop = shop.reopened_with(&dearer).await;
    let (_, body) = shop.get("/products/ridge-tent").await;
    assert_eq!((&body["stock"]["quantity"], &body["price"]["amount"]), (&json!(1), &json!(19900)));
    let (status, body) = shop.reserve(key, &[("ridge-tent", 2)]).await;
    assert_eq!((status, &body["lines"][0]["unit_price"]["amount"]), (200, &json!(18900)));
}
