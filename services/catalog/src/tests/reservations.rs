//! Taking stock for an order, and giving it back.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use service_kit::testing;
use uuid::Uuid;

use super::{SMALL_SHOP, Shop};
use crate::reservations;

impl Shop {
    /// As if `minutes` had passed since the reservation was last asked for.
    async fn wait(&self, key: Uuid, minutes: i64) {
        let at = Timestamp::now() - SignedDuration::from_mins(minutes);
        let query = sqlx::query("UPDATE reservations SET at = ?1 WHERE key = ?2").bind(at.to_string());
        query.bind(key.to_string()).execute(&self.database).await.unwrap();
    }

    /// Gives back what was not confirmed within 15 minutes; how many reservations that were.
    async fn expire(&self) -> usize {
        reservations::expire(&self.database, Timestamp::now() - SignedDuration::from_mins(15)).await.unwrap()
    }
}

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
async fn what_nobody_confirms_in_time_goes_back_on_the_shelf() {
    let shop = Shop::open().await;
    let (old, other, young) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    for key in [old, other, young] {
        shop.reserve(key, &[("tarp", 2), ("ridge-tent", 1)]).await;
    }
    for (key, minutes) in [(old, 16), (other, 20), (young, 14)] {
        shop.wait(key, minutes).await;
    }
    assert_eq!(shop.expire().await, 2);
    assert_eq!((shop.stock("tarp").await["quantity"].clone(), shop.expire().await), (json!(18), 0));
    assert_eq!(shop.stock("ridge-tent").await["quantity"], 2);
    assert_eq!((shop.confirm(old).await, shop.confirm(young).await), (404, 204));
}

#[tokio::test]
async fn what_is_confirmed_is_kept_for_good() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    shop.reserve(key, &[("tarp", 2)]).await;
    assert_eq!((shop.confirm(key).await, shop.confirm(key).await), (204, 204));
    shop.wait(key, 1000).await;
    assert_eq!((shop.expire().await, shop.stock("tarp").await["quantity"].clone()), (0, json!(18)));
}

#[tokio::test]
async fn a_repeated_reservation_gets_its_whole_time_again() {
    let shop = Shop::open().await;
    let key = Uuid::new_v4();
    shop.reserve(key, &[("tarp", 2)]).await;
    shop.wait(key, 14).await;
    assert_eq!(shop.reserve(key, &[("tarp", 2)]).await.0, 200);
    let at: String = sqlx::query_scalar("SELECT at FROM reservations").fetch_one(&shop.database).await.unwrap();
    assert!(at.parse::<Timestamp>().unwrap() > Timestamp::now() - SignedDuration::from_mins(1), "{at}");
}

#[tokio::test]
async fn an_unknown_reservation_cannot_be_confirmed() {
    let shop = Shop::open().await;
    let path = format!("PUT /reservations/{}/confirmation", Uuid::new_v4());
    let (status, answer) = testing::call(&shop.router, &path, &[], serde_json::Value::Null).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("unknown_reservation")));
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
