//! Filling a basket, and what it costs.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shop, code, euros};

#[tokio::test]
async fn a_new_basket_is_empty_and_costs_nothing() {
    let shop = Shop::open().await;
    let id = shop.new_basket().await;
    let (status, basket) = shop.get(&format!("/baskets/{id}")).await;
    let expected = json!({ "id": id, "order_key": basket["order_key"], "lines": [], "count": 0, "subtotal": euros(0), "shipping": euros(0),
        "total": euros(0), "can_order": false });
    assert_eq!((status, basket), (200, expected));
}

#[tokio::test]
async fn a_basket_shows_todays_prices_and_their_sums() {
    let shop = Shop::open().await;
    let id = shop.new_basket().await;
    let (status, basket) = shop.add(&id, "mug", 2).await;
    assert_eq!(status, 200);
    let line = json!({ "slug": "mug", "name": "The mug", "drawing": "mug", "quantity": 2, "unit_price": euros(990),
        "line_total": euros(1980), "available": 50, "max_quantity": 20, "problem": null });
    assert_eq!(basket["lines"], json!([line]));
    assert_eq!([&basket["subtotal"], &basket["shipping"], &basket["total"]], [&euros(1980), &euros(490), &euros(2470)]);
    assert_eq!((&basket["count"], &basket["can_order"]), (&json!(2), &json!(true)));

    shop.catalog.set_price("mug", 1000);
    let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
    assert_eq!(basket["subtotal"], euros(2000));
}

#[tokio::test]
async fn shipping_is_free_from_100_euros() {
    let shop = Shop::open().await;
    shop.catalog.set_price("mug", 500);
    let id = shop.basket_with(&[("mug", 19)]).await;
    let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
    assert_eq!((&basket["shipping"], &basket["total"]), (&euros(490), &euros(9990)));
    let (_, basket) = shop.add(&id, "mug", 1).await;
    assert_eq!((&basket["shipping"], &basket["total"]), (&euros(0), &euros(10000)));
}

#[tokio::test]
async fn quantities_add_up_and_lines_keep_their_order() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("mug", 1), ("tent", 1), ("mug", 2)]).await;
    let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
    let lines: Vec<_> = basket["lines"].as_array().unwrap().iter().map(|it| (&it["slug"], &it["quantity"])).collect();
    assert_eq!(lines, [(&json!("mug"), &json!(3)), (&json!("tent"), &json!(1))]);
}

#[tokio::test]
async fn a_quantity_can_be_set_and_0_removes() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("mug", 5), ("tent", 1)]).await;
    assert_eq!(shop.set(&id, "mug", 2).await.1["lines"][0]["quantity"], 2);
    let (status, basket) = shop.set(&id, "mug", 0).await;
    assert_eq!((status, basket["lines"].as_array().unwrap().len()), (200, 1));
    assert_eq!(shop.set(&id, "mug", 0).await.0, 200, "removing twice is no error");
    assert_eq!(shop.set(&id, "mug", 1).await.1["count"], 2);
}

#[tokio::test]
async fn more_than_there_is_or_than_20_or_less_than_1_is_refused_by_field() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("mug", 15)]).await;
    for (slug, quantity, message) in [
        ("tent", 4, "Only 3 in stock."),
        ("mug", 6, "At most 20 of one product."),
        ("mug", 0, "Choose at least 1."),
        ("mug", -2, "Choose at least 1."),
        ("stove", 1, "Sold out."),
    ] {
        let (status, answer) = shop.add(&id, slug, quantity).await;
        assert_eq!((status, code(&answer)), (422, "invalid"), "{slug} {quantity}");
        assert_eq!(answer["error"]["fields"]["quantity"], message);
    }
    let (status, answer) = shop.set(&id, "mug", 21).await;
    assert_eq!((status, &answer["error"]["fields"]["quantity"]), (422, &json!("At most 20 of one product.")));
    assert_eq!(shop.get(&format!("/baskets/{id}/count")).await.1["count"], 15, "a refusal changes nothing");
}

#[tokio::test]
async fn what_can_no_longer_be_had_stands_in_the_way_of_ordering() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("tent", 3), ("mug", 1)]).await;
    for (stock, problem) in [(2, json!("Only 2 left.")), (0, json!("Sold out.")), (3, Value::Null)] {
        shop.catalog.set_stock("tent", stock);
        let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
        assert_eq!((&basket["lines"][0]["problem"], &basket["can_order"]), (&problem, &json!(problem.is_null())));
    }
    shop.catalog.stop_selling("tent");
    let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
    assert_eq!(basket["lines"][0]["name"], "The tent");
    assert_eq!(basket["lines"][0]["problem"], "No longer sold.");
    assert_eq!(basket["subtotal"], euros(990), "what is not sold costs nothing");
    assert_eq!(shop.set(&id, "tent", 0).await.1["can_order"], true);
}

#[tokio::test]
async fn unknown_products_and_baskets_are_404() {
    let shop = Shop::open().await;
    let id = shop.new_basket().await;
    for slug in ["boat", "..", "tent,mug", "a/b?c#d"] {
        let (status, answer) = shop.add(&id, slug, 1).await;
        assert_eq!((status, code(&answer)), (404, "unknown_product"), "{slug}");
    }
    assert_eq!(code(&shop.set(&id, "boat", 1).await.1), "unknown_product");
    for id in [Uuid::new_v4().to_string(), "mine".to_owned()] {
        assert_eq!(code(&shop.get(&format!("/baskets/{id}")).await.1), "unknown_basket");
        assert_eq!(code(&shop.get(&format!("/baskets/{id}/count")).await.1), "unknown_basket");
        assert_eq!(code(&shop.add(&id, "mug", 1).await.1), "unknown_basket");
        assert_eq!(code(&shop.set(&id, "mug", 0).await.1), "unknown_basket");
    }
}

#[tokio::test]
async fn without_the_catalog_a_basket_has_no_prices_but_a_count() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("mug", 3)]).await;
    shop.catalog.is_down(true);
    let (status, answer) = shop.get(&format!("/baskets/{id}")).await;
    assert_eq!((status, code(&answer)), (503, "catalog_unavailable"));
    assert_eq!(shop.get(&format!("/baskets/{id}/count")).await, (200, json!({ "count": 3 })));
}

#[tokio::test]
async fn additions_at_the_same_time_all_count_and_never_pass_the_stock() {
    let shop = Shop::open().await;
    let id = shop.new_basket().await;
    shop.catalog.set_stock("mug", 7);
    let additions: Vec<_> = (0..10)
        .map(|_| {
            let (router, path) = (shop.router.clone(), format!("POST /baskets/{id}/lines"));
            let body = json!({ "slug": "mug", "quantity": 1 });
            tokio::spawn(async move { service_kit::testing::call(&router, &path, &[], body).await.0 })
        })
        .collect();
    let mut accepted = 0;
    for addition in additions {
        accepted += i32::from(addition.await.unwrap() == 200);
    }
    assert_eq!((accepted, shop.get(&format!("/baskets/{id}/count")).await.1), (7, json!({ "count": 7 })));
}

#[tokio::test]
async fn a_basket_survives_a_restart() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("mug", 3)]).await;
    let shop = shop.reopened().await;
    assert_eq!(shop.get(&format!("/baskets/{id}")).await.1["count"], 3);
}

#[tokio::test]
async fn a_basket_can_begin_with_a_line_and_there_is_none_when_it_is_refused() {
    let shop = Shop::open().await;
    let begin = async |slug: &str, quantity: i64| {
        let body = json!({ "slug": slug, "quantity": quantity });
        service_kit::testing::call(&shop.router, "POST /baskets", &[], body).await
    };
    let (status, basket) = begin("mug", 2).await;
    assert_eq!((status, &basket["count"], &basket["total"]), (201, &json!(2), &euros(2470)));
    for (slug, quantity, expected) in
        [("tent", 4, (422, "invalid")), ("mug", 0, (422, "invalid")), ("boat", 1, (404, "unknown_product"))]
    {
        let (status, answer) = begin(slug, quantity).await;
        assert_eq!((status, code(&answer)), expected, "{slug} {quantity}");
    }
    let baskets: i64 = sqlx::query_scalar("SELECT count(*) FROM baskets").fetch_one(&shop.database).await.unwrap();
    assert_eq!(baskets, 1);
}

#[tokio::test]
async fn a_basket_from_before_keys_gets_one() {
    let shop = Shop::open().await;
    let id = shop.new_basket().await;
    sqlx::query("UPDATE baskets SET order_key = NULL").execute(&shop.database).await.unwrap();
    let (_, fill) = include_str!("../../migrations/0003_order_keys.sql").split_once(";\n").unwrap();
    sqlx::query(fill).execute(&shop.database).await.unwrap();
    let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
    assert_eq!(basket["order_key"].as_str().unwrap().parse::<Uuid>().unwrap().get_version_num(), 4);
}

#[tokio::test]
async fn a_line_tells_how_many_of_it_can_be_had() {
    let shop = Shop::open().await;
    let id = shop.basket_with(&[("tent", 1), ("mug", 1)]).await;
    let (_, basket) = shop.get(&format!("/baskets/{id}")).await;
    assert_eq!([&basket["lines"][0]["max_quantity"], &basket["lines"][1]["max_quantity"]], [3, 20]);
    shop.catalog.stop_selling("tent");
    assert_eq!(shop.get(&format!("/baskets/{id}")).await.1["lines"][0]["max_quantity"], 0);
}
