//! Listing, finding and showing products.

use serde_json::json;

use super::Shop;

#[tokio::test]
async fn categories_come_in_the_shops_order_with_their_counts() {
    let (status, body) = Shop::open().await.get("/categories").await;
    assert_eq!(status, 200);
    let expected =
        json!({ "slug": "tents", "name": "Tents & shelters", "tagline": "Dry.", "drawing": "tents", "count": 2 });
    assert_eq!(body["categories"][0], expected);
    assert_eq!(body["categories"][1]["count"], 1);
}

#[tokio::test]
async fn a_product_tells_everything_about_itself() {
    let (status, body) = Shop::open().await.get("/products/ridge-tent").await;
    assert_eq!(status, 200);
    assert_eq!(body["price"], json!({ "amount": 18900, "currency": "EUR" }));
    assert_eq!(body["category"], json!({ "slug": "tents", "name": "Tents & shelters" }));
    assert_eq!(body["stock"], json!({ "level": "low", "quantity": 3 }));
    assert_eq!(body["badge"], "New");
    assert_eq!(body["description"], json!(["It stands.", "Even in snow."]));
    assert_eq!(body["specs"], json!([{ "label": "Weight", "value": "1.9 kg" }]));
    assert_eq!(body["related"][0]["slug"], "tarp", "of the same category first");
}

#[tokio::test]
async fn stock_is_in_stock_low_or_out() {
    let shop = Shop::open().await;
    assert_eq!(shop.stock("tarp").await["level"], "in_stock");
    assert_eq!(shop.stock("ridge-tent").await["level"], "low");
    assert_eq!(shop.stock("stove").await, json!({ "level": "out", "quantity": 0 }));
}

#[tokio::test]
async fn an_unknown_product_is_a_404_in_our_error_shape() {
    let (status, body) = Shop::open().await.get("/products/nothing").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("unknown_product")));
    assert!(body["error"]["message"].as_str().unwrap().contains("nothing"));
}

#[tokio::test]
async fn products_are_filtered_and_sorted() {
    let shop = Shop::open().await;
    let table: &[(&str, &[&str])] = &[
        ("", &["ridge-tent", "tarp", "stove"]),
        ("category=&q=&sort=&in_stock=&slugs=", &["ridge-tent", "tarp", "stove"]),
        ("sort=price", &["stove", "tarp", "ridge-tent"]),
        ("sort=-price", &["ridge-tent", "tarp", "stove"]),
        ("sort=name", &["stove", "ridge-tent", "tarp"]),
        ("category=kitchen", &["stove"]),
        ("in_stock=true", &["ridge-tent", "tarp"]),
        ("featured=true", &["ridge-tent"]),
        ("slugs=tarp,stove,unheard-of", &["tarp", "stove"]),
        ("category=tents&sort=price&limit=1", &["tarp"]),
    ];
    for (query, expected) in table {
        assert_eq!(shop.slugs(query).await, *expected, "{query}");
    }
}

#[tokio::test]
async fn the_total_does_not_depend_on_the_limit() {
    let (_, body) = Shop::open().await.get("/products?limit=1").await;
    assert_eq!((body["products"].as_array().unwrap().len(), &body["total"]), (1, &json!(3)));
}

#[tokio::test]
async fn a_search_finds_every_word_by_its_start_in_any_field_and_case() {
    let shop = Shop::open().await;
    let table: &[(&str, &[&str])] = &[
        ("q=TENT", &["ridge-tent", "tarp", "stove"]), // by name, by category, by summary: in this order
        ("q=rid", &["ridge-tent"]),
        ("q=stoves", &["stove"]),
        ("q=gas+litre", &["stove"]),
        ("q=gas+snow", &[]),
        ("q=cafe", &["stove"]),
        ("q=shelter&sort=price", &["tarp", "ridge-tent"]),
        ("q=tent&category=kitchen", &["stove"]),
        ("q=%22%20OR%20name%3A*", &[]),
        ("q=%28%29%2A", &["ridge-tent", "tarp", "stove"]),
    ];
    for (query, expected) in table {
        assert_eq!(shop.slugs(query).await, *expected, "{query}");
    }
}

#[tokio::test]
async fn query_parameters_that_make_no_sense_are_told_by_field() {
    let shop = Shop::open().await;
    for (query, field) in [
        ("sort=cheapest", "sort"),
        ("category=boats", "category"),
        ("in_stock=maybe", "in_stock"),
        ("featured=1", "featured"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
    ] {
        let (status, body) = shop.get(&format!("/products?{query}")).await;
        assert_eq!((status, &body["error"]["code"]), (422, &json!("invalid")), "{query}");
        assert!(body["error"]["fields"][field].is_string(), "{query}: {body}");
    }
}
