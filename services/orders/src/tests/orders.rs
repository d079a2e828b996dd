//! Placing orders: once for each key, with stock, or not at all.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shop, code, euros, order_of, place};

async fn count(shop: &Shop, basket: &str) -> Value {
    shop.get(&format!("/baskets/{basket}/count")).await.1["count"].clone()
}

#[tokio::test]
async fn an_order_is_the_basket_at_its_prices_and_empties_it() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("tent", 1), ("mug", 2)]).await;
    let key = Uuid::new_v4();
    let (status, order) = shop.order(key, &basket).await;
    assert_eq!(status, 201, "{order}");
    assert_eq!(order["number"], "TW-10001");
    assert_eq!((&order["key"], &order["status"], &order["customer"]), (&json!(key), &json!("placed"), &Value::Null));
    let mug = json!({ "slug": "mug", "name": "The mug", "drawing": "mug", "quantity": 2, "unit_price": euros(990),
        "line_total": euros(1980) });
    assert_eq!((&order["lines"][1], &order["count"]), (&mug, &json!(3)));
    assert_eq!([&order["subtotal"], &order["shipping"], &order["total"]], [&euros(20880), &euros(0), &euros(20880)]);
    assert_eq!(order["address"]["city"], "Zürich");
    assert!(order["placed_at"].as_str().unwrap().ends_with('Z'));

    assert_eq!(count(&shop, &basket).await, 0);
    assert_eq!((shop.catalog.stock("tent"), shop.catalog.stock("mug")), (2, 48));
    let id = order["id"].as_str().unwrap();
    assert_eq!(shop.get(&format!("/orders/{id}")).await, (200, order.clone()));
    assert_eq!(shop.get(&format!("/orders?key={key}")).await, (200, json!({ "orders": [order] })));
}

#[tokio::test]
async fn a_repeated_order_gets_the_saved_one() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = Uuid::new_v4();
    let (_, first) = shop.order(key, &basket).await;
    shop.add(&basket, "mug", 5).await;
    shop.catalog.is_down(true);
    assert_eq!(
        shop.order(key, &basket).await,
        (200, first),
        "whatever is in the basket by now, and without the catalog"
    );
    shop.catalog.is_down(false);
    assert_eq!(count(&shop, &basket).await, 5);
    let (status, next) = shop.order(Uuid::new_v4(), &basket).await;
    assert_eq!((status, &next["number"]), (201, &json!("TW-10002")), "another key is another order");
}

#[tokio::test]
async fn one_key_makes_one_order_however_often_it_is_sent_at_the_same_time() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = Uuid::new_v4();
    let sending: Vec<_> = (0..8).map(|_| tokio::spawn(place(shop.router.clone(), key, order_of(&basket)))).collect();
    let mut answers = Vec::new();
    for sent in sending {
        answers.push(sent.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 7);
    assert!(answers.iter().all(|(_, order)| *order == answers[0].1));
    assert_eq!(shop.catalog.stock("mug"), 48);
}

#[tokio::test]
async fn one_basket_makes_one_order_however_many_keys_race_for_it() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let sending: Vec<_> =
        (0..6).map(|_| tokio::spawn(place(shop.router.clone(), Uuid::new_v4(), order_of(&basket)))).collect();
    let mut statuses = Vec::new();
    for sent in sending {
        let (status, answer) = sent.await.unwrap();
        assert!(status == 201 || code(&answer) == "empty_basket", "{answer}");
        statuses.push(status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(shop.catalog.stock("mug"), 48, "the others gave their stock back");
}

#[tokio::test]
async fn a_key_of_one_basket_orders_no_other() {
    let shop = Shop::open().await;
    let (mine, other) = (shop.basket_with(&[("mug", 1)]).await, shop.basket_with(&[("mug", 1)]).await);
    let key = Uuid::new_v4();
    shop.order(key, &mine).await;
    let (status, answer) = shop.order(key, &other).await;
    assert_eq!((status, code(&answer)), (422, "key_reused"));
    assert_eq!((count(&shop, &other).await, shop.catalog.stock("mug")), (json!(1), 49));
}

#[tokio::test]
async fn what_is_out_of_stock_is_named_and_the_basket_is_kept() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 1), ("tent", 3)]).await;
    shop.catalog.set_stock("tent", 2);
    let (status, answer) = shop.order(Uuid::new_v4(), &basket).await;
    assert_eq!((status, code(&answer)), (409, "out_of_stock"));
    assert_eq!(answer["error"]["message"], "Only 2 left of The tent.");
    assert_eq!(answer["error"]["lines"][0]["slug"], "tent");
    assert_eq!((count(&shop, &basket).await, shop.catalog.stock("mug")), (json!(4), 50));

    shop.catalog.stop_selling("tent");
    assert_eq!(code(&shop.order(Uuid::new_v4(), &basket).await.1), "out_of_stock");
}

#[tokio::test]
async fn nothing_and_no_basket_cannot_be_ordered() {
    let shop = Shop::open().await;
    let (status, answer) = shop.order(Uuid::new_v4(), &shop.new_basket().await).await;
    assert_eq!((status, code(&answer)), (409, "empty_basket"));
    let (status, answer) = shop.order(Uuid::new_v4(), &Uuid::new_v4().to_string()).await;
    assert_eq!((status, code(&answer)), (404, "unknown_basket"));
}

#[tokio::test]
async fn an_order_tells_every_field_that_is_wrong() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 1)]).await;
    let body =
        json!({ "basket": basket, "email": "ada", "customer": "ada", "address": { "name": "Ada", "country": "US" } });
    let (status, answer) = place(shop.router.clone(), Uuid::new_v4(), body).await;
    assert_eq!((status, code(&answer)), (422, "invalid"));
    let fields = answer["error"]["fields"].as_object().unwrap();
    let wrong = ["address.city", "address.country", "address.line1", "address.postcode", "customer", "email"];
    assert_eq!(fields.keys().collect::<Vec<_>>(), wrong);
    assert_eq!(shop.catalog.reservations(), 0);
}

#[tokio::test]
async fn an_order_needs_a_key() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 1)]).await;
    for headers in [&[][..], &[("idempotency-key", "once")], &[("idempotency-key", "")]] {
        let answer = service_kit::testing::call(&shop.router, "POST /orders", headers, order_of(&basket)).await;
        assert_eq!((answer.0, code(&answer.1)), (422, "no_key"));
    }
}

#[tokio::test]
async fn an_order_that_could_not_be_written_keeps_its_stock_for_the_repeat() {
    let shop = Shop::open().await;
    for table in ["orders", "order_lines", "events"] {
        let basket = shop.basket_with(&[("mug", 2)]).await;
        let before = shop.catalog.stock("mug");
        let key = Uuid::new_v4();
        shop.break_table(table).await;
        let (status, answer) = shop.order(key, &basket).await;
        assert_eq!((status, code(&answer)), (500, "internal"), "{table}");
        assert!(!answer.to_string().contains("broken"), "the cause is not told");
        assert_eq!(shop.get(&format!("/orders?key={key}")).await.1, json!({ "orders": [] }), "{table}");
        assert_eq!((count(&shop, &basket).await, shop.catalog.stock("mug")), (json!(2), before - 2), "{table}");

        shop.repair().await;
        assert_eq!(shop.order(key, &basket).await.0, 201, "{table}");
        assert_eq!(shop.catalog.stock("mug"), before - 2, "{table}");
    }
}

#[tokio::test]
async fn an_answer_of_the_catalog_that_got_lost_costs_no_stock() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = Uuid::new_v4();
    shop.catalog.loses_answers(true);
    let (status, answer) = shop.order(key, &basket).await;
    assert_eq!((status, code(&answer)), (503, "catalog_unavailable"));
    shop.catalog.loses_answers(false);
    assert_eq!(shop.order(key, &basket).await.0, 201);
    assert_eq!(shop.catalog.stock("mug"), 48);
}

#[tokio::test]
async fn a_basket_that_changed_between_two_attempts_is_reserved_anew() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = Uuid::new_v4();
    shop.catalog.loses_answers(true);
    shop.order(key, &basket).await;
    shop.catalog.loses_answers(false);
    shop.add(&basket, "mug", 3).await;
    let (status, order) = shop.order(key, &basket).await;
    assert_eq!((status, &order["lines"][0]["quantity"]), (201, &json!(5)));
    assert_eq!(shop.catalog.stock("mug"), 45);
}

#[tokio::test]
async fn a_basket_that_changes_while_it_is_ordered_is_not_ordered() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let gate = shop.catalog.close_gate().await;
    let ordering = tokio::spawn(place(shop.router.clone(), Uuid::new_v4(), order_of(&basket)));
    shop.catalog.until_asked().await;
    shop.set(&basket, "mug", 1).await;
    drop(gate);
    let (status, answer) = ordering.await.unwrap();
    assert_eq!((status, code(&answer)), (409, "basket_changed"));
    assert_eq!((count(&shop, &basket).await, shop.catalog.stock("mug")), (json!(1), 50));
}

#[tokio::test]
async fn stock_of_an_attempt_goes_back_when_the_order_is_refused_for_good() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = Uuid::new_v4();
    shop.catalog.loses_answers(true);
    shop.order(key, &basket).await;
    shop.catalog.loses_answers(false);
    shop.set(&basket, "mug", 0).await;
    assert_eq!(code(&shop.order(key, &basket).await.1), "empty_basket");
    assert_eq!((shop.catalog.stock("mug"), shop.catalog.reservations()), (50, 0));
}

#[tokio::test]
async fn a_customer_finds_their_orders_newest_first() {
    let shop = Shop::open().await;
    let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
    for customer in [ada, bob, ada] {
        let mut body = order_of(&shop.basket_with(&[("mug", 1)]).await);
        body["customer"] = json!(customer);
        assert_eq!(place(shop.router.clone(), Uuid::new_v4(), body).await.0, 201);
    }
    let (status, found) = shop.get(&format!("/orders?customer={ada}")).await;
    let numbers: Vec<_> = found["orders"].as_array().unwrap().iter().map(|order| &order["number"]).collect();
    assert_eq!((status, numbers), (200, vec![&json!("TW-10003"), &json!("TW-10001")]));
    let (_, newest) = shop.get(&format!("/orders?customer={ada}&limit=1")).await;
    assert_eq!(newest["orders"], json!([found["orders"][0]]));
    assert_eq!(shop.get("/orders?customer=nobody").await.1, json!({ "orders": [] }));
}

#[tokio::test]
async fn a_baskets_key_stays_the_same_until_it_is_ordered() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = async || -> Uuid {
        let (_, basket) = shop.get(&format!("/baskets/{basket}")).await;
        basket["order_key"].as_str().unwrap().parse().unwrap()
    };
    let first = key().await;
    shop.add(&basket, "mug", 1).await;
    shop.catalog.loses_answers(true);
    shop.order(first, &basket).await;
    assert_eq!(key().await, first, "also when an attempt got no answer");
    shop.catalog.loses_answers(false);
    let (_, order) = shop.order(first, &basket).await;
    assert_ne!(key().await, first);
    assert_eq!(shop.order(first, &basket).await, (200, order), "a repeat with the old key");
}

#[tokio::test]
async fn an_order_is_placed_to_its_end_when_the_caller_hangs_up() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let key = Uuid::new_v4();
    let gate = shop.catalog.close_gate().await;
    let ordering = tokio::spawn(place(shop.router.clone(), key, order_of(&basket)));
    shop.catalog.until_asked().await;
    ordering.abort();
    assert!(ordering.await.unwrap_err().is_cancelled());
    drop(gate);
    while shop.get(&format!("/orders?key={key}")).await.1["orders"] == json!([]) {
        tokio::task::yield_now().await;
    }
    assert_eq!((count(&shop, &basket).await, shop.catalog.stock("mug")), (json!(0), 48));
}

#[tokio::test]
async fn nothing_is_ordered_at_another_total_than_its_customer_has_seen() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    let mut body = order_of(&basket);
    body["total"] = euros(2470);
    shop.catalog.set_price("mug", 1000);
    let key = Uuid::new_v4();
    let (status, answer) = place(shop.router.clone(), key, body.clone()).await;
    assert_eq!((status, code(&answer)), (409, "price_changed"));
    assert_eq!((count(&shop, &basket).await, shop.catalog.stock("mug")), (json!(2), 50));
    body["total"] = euros(2490);
    let (status, answer) = place(shop.router.clone(), key, body.clone()).await;
    assert_eq!((status, code(&answer)), (409, "price_changed"), "a key that was refused stays refused");
    let (status, order) = place(shop.router.clone(), Uuid::new_v4(), body).await;
    assert_eq!((status, &order["total"]), (201, &euros(2490)));
}

#[tokio::test]
async fn an_order_is_shown_to_its_own_customer_and_to_who_names_none() {
    let shop = Shop::open().await;
    let ada = Uuid::new_v4();
    let mut body = order_of(&shop.basket_with(&[("mug", 1)]).await);
    body["customer"] = json!(ada);
    let (_, order) = place(shop.router.clone(), Uuid::new_v4(), body).await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    for (query, expected) in [(String::new(), 200), (format!("?customer={ada}"), 200)] {
        assert_eq!(shop.get(&format!("{path}{query}")).await.0, expected, "{query}");
    }
    for query in [format!("?customer={}", Uuid::new_v4()), "?customer=".to_owned()] {
        let (status, answer) = shop.get(&format!("{path}{query}")).await;
        assert_eq!((status, code(&answer)), (404, "unknown_order"), "{query}");
    }
}

#[tokio::test]
async fn orders_survive_a_restart_and_so_does_their_key() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 1)]).await;
    let key = Uuid::new_v4();
    let (_, order) = shop.order(key, &basket).await;
    let shop = shop.reopened().await;
    assert_eq!(shop.order(key, &basket).await, (200, order));
    let basket = shop.basket_with(&[("mug", 1)]).await;
    assert_eq!(shop.order(Uuid::new_v4(), &basket).await.1["number"], "TW-10002");
}
