//! The catalog, with the few products of `catalog.json`.

use std::collections::HashMap;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::refusal;

/// Full products, in the shape of the catalog's answers but for `related`.
const PRODUCTS: &str = include_str!("catalog.json");

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/categories", get(list_categories))
        .route("/products", get(list_products))
        .route("/products/{slug}", get(show_product))
}

/// Pieces in stock of a product.
pub(crate) fn stock(slug: &str) -> Option<i64> {
    products().iter().find(|product| product["slug"] == slug)?["stock"]["quantity"].as_i64()
}

fn data() -> Value {
    serde_json::from_str(PRODUCTS).expect("the sample data is JSON")
}

fn products() -> Vec<Value> {
    data()["products"].as_array().cloned().unwrap_or_default()
}

async fn list_categories() -> Json<Value> {
    let mut categories = data()["categories"].take();
    for category in categories.as_array_mut().into_iter().flatten() {
        let count = products().iter().filter(|product| product["category"]["slug"] == category["slug"]).count();
        category["count"] = count.into();
    }
    Json(json!({ "categories": categories }))
}

async fn list_products(Query(query): Query<HashMap<String, String>>) -> Response {
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let mut found = products();
    let known = |slug: &str| found.iter().any(|product| product["category"]["slug"] == slug);
    if !asked("category").is_empty() && !known(asked("category")) {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "There is no such category.", Some("category"));
    }
    found.retain(|product| {
        let category = asked("category");
        (category.is_empty() || product["category"]["slug"] == category)
            && (asked("in_stock") != "true" || product["stock"]["quantity"] != 0)
            && matches(product, asked("q"))
    });
    match asked("sort") {
        "price" => found.sort_by_key(|product| product["price"]["amount"].as_u64()),
        "-price" => found.sort_by_key(|product| std::cmp::Reverse(product["price"]["amount"].as_u64())),
        "name" => found.sort_by_key(|product| product["name"].to_string()),
        "" | "featured" => {}
        _ => return refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "There is no such order.", Some("sort")),
    }
    Json(json!({ "total": found.len(), "products": found })).into_response()
}

fn matches(product: &Value, words: &str) -> bool {
    let text = product.to_string().to_lowercase();
    words.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

async fn show_product(Path(slug): Path<String>) -> Response {
    let (mut found, others): (Vec<_>, Vec<_>) = products().into_iter().partition(|product| product["slug"] == slug);
    let Some(mut product) = found.pop() else {
        return refusal(StatusCode::NOT_FOUND, "unknown_product", "There is no such product.", None);
    };
    product["related"] = others.into_iter().take(4).collect();
    Json(product).into_response()
}
