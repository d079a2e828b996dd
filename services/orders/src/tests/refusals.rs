//! Orders that are refused: for good, or until a field is put right.

use serde_json::json;
use uuid::Uuid;

use super::{Shop, code, order_of, place};

#[tokio::test]
async fn a_key_that_was_refused_stays_refused_and_the_basket_gets_another() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("tent", 3)]).await;
    let key = async |shop: &Shop| -> Uuid {
        shop.get(&format!("/baskets/{basket}")).await.1["order_key"].as_str().unwrap().parse().unwrap()
    };
    let refused = key(&shop).await;
    shop.catalog.set_stock("tent", 2);
    let (status, answer) = shop.order(refused, &basket).await;
    assert_eq!((status, code(&answer)), (409, "out_of_stock"));
    shop.catalog.set_stock("tent", 9);
    let shop = shop.reopened().await;
    assert_eq!(shop.order(refused, &basket).await, (409, answer), "a request that was overtaken by its repeat");
    let other = shop.basket_with(&[("mug", 1)]).await;
    assert_eq!(code(&shop.order(refused, &other).await.1), "key_reused");
    assert_ne!(key(&shop).await, refused);
    assert_eq!(shop.order(key(&shop).await, &basket).await.0, 201);
    assert_eq!(shop.catalog.stock("tent"), 6);
}

#[tokio::test]
async fn one_key_has_one_outcome_however_many_race_while_the_stock_changes() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("tent", 3)]).await;
    let key = Uuid::new_v4();
    shop.catalog.set_stock("tent", 2);
    let sending: Vec<_> = (0..8).map(|_| tokio::spawn(place(shop.router.clone(), key, order_of(&basket)))).collect();
    shop.catalog.set_stock("tent", 9);
    let mut made = Vec::new();
    for sent in sending {
        let (status, answer) = sent.await.unwrap();
        assert!([200, 201, 409].contains(&status), "{answer}");
        made.push(status != 409);
    }
    assert!(made.iter().all(|one| *one == made[0]), "{made:?}");
}

#[tokio::test]
async fn a_field_that_is_put_right_is_ordered_under_the_same_key() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 1)]).await;
    let key = Uuid::new_v4();
    let mut body = order_of(&basket);
    body["email"] = json!("ada");
    assert_eq!(place(shop.router.clone(), key, body).await.0, 422);
    assert_eq!(shop.order(key, &basket).await.0, 201);
}

#[tokio::test]
async fn a_refusal_that_could_not_be_written_is_none_yet() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("tent", 3)]).await;
    let key = Uuid::new_v4();
    shop.catalog.set_stock("tent", 2);
    shop.break_table("refusals").await;
    assert_eq!(shop.order(key, &basket).await.0, 500);
    shop.repair().await;
    shop.catalog.set_stock("tent", 3);
    assert_eq!(shop.order(key, &basket).await.0, 201);
}
