//! The feed: every order once, in order, from any cursor.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Shop;

async fn order_some(shop: &Shop, orders: usize) -> Vec<Value> {
    let mut placed = Vec::new();
    for _ in 0..orders {
        let basket = shop.basket_with(&[("mug", 1)]).await;
        let (status, order) = shop.order(Uuid::new_v4(), &basket).await;
        assert_eq!(status, 201);
        placed.push(order);
    }
    placed
}

#[tokio::test]
async fn a_feed_without_events_stays_at_its_cursor() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/events").await, (200, json!({ "events": [], "next": 0 })));
    assert_eq!(shop.get("/events?after=7&limit=").await, (200, json!({ "events": [], "next": 7 })));
}

#[tokio::test]
async fn every_order_is_an_event_and_repeats_are_none() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 1)]).await;
    let key = Uuid::new_v4();
    let (_, order) = shop.order(key, &basket).await;
    shop.order(key, &basket).await;
    let (_, feed) = shop.get("/events").await;
    let event = json!({ "cursor": 1, "type": "order_placed", "at": order["placed_at"], "order": order });
    assert_eq!(feed, json!({ "events": [event], "next": 1 }));
}

#[tokio::test]
async fn reading_on_from_next_gives_each_event_once_in_ascending_order() {
    let shop = Shop::open().await;
    let placed = order_some(&shop, 5).await;
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let (_, feed) = shop.get(&format!("/events?after={after}&limit=2")).await;
        let events = feed["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        assert!(events.len() <= 2);
        assert!(events.iter().map(|event| event["cursor"].as_i64().unwrap()).is_sorted());
        seen.extend(events.iter().map(|event| event["order"].clone()));
        after = feed["next"].as_i64().unwrap();
    }
    assert_eq!(seen, placed);
}

#[tokio::test]
async fn the_feed_survives_a_restart() {
    let shop = Shop::open().await;
    order_some(&shop, 2).await;
    let (_, before) = shop.get("/events").await;
    let shop = shop.reopened().await;
    assert_eq!(shop.get("/events").await.1, before);
    order_some(&shop, 1).await;
    assert_eq!(shop.get("/events?after=2").await.1["events"][0]["cursor"], 3);
}
