//! Orders, of which every customer has the same two. Baskets are empty.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal;

#[derive(Deserialize)]
struct Wanted {
    customer: String,
    limit: Option<usize>,
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/orders", get(list))
        .route("/orders/{id}", get(one))
        .route("/baskets/{id}/count", get(async || Json(json!({ "count": 0 }))))
}

async fn list(Query(wanted): Query<Wanted>) -> Json<Value> {
    let orders = [stove(&wanted.customer), tent(&wanted.customer)];
    Json(json!({ "orders": &orders[..wanted.limit.unwrap_or(orders.len()).min(orders.len())] }))
}

/// An order's id has its customer in it, since nothing is kept here.
async fn one(Path(id): Path<String>, Query(wanted): Query<Wanted>) -> Response {
    match id.split_once('.').filter(|(_, customer)| *customer == wanted.customer) {
        Some(("stove", customer)) => Json(stove(customer)).into_response(),
        Some(("tent", customer)) => Json(tent(customer)).into_response(),
        _ => refusal(StatusCode::NOT_FOUND, "unknown_order", "There is no such order.", &[]),
    }
}

fn stove(customer: &str) -> Value {
    let mut order = order(customer, "stove", "TW-10042", "2026-05-03T09:12:44Z");
    order["lines"] = json!([
        line("wee-ember-stove", "Wee Ember gas stove", "gas-stove", 1, 4900),
        line("speckle-mug", "Speckle enamel mug", "enamel-mug", 2, 1400),
    ]);
    order["count"] = 3.into();
    totals(order, 7700, 490)
}

fn tent(customer: &str) -> Value {
    let mut order = order(customer, "tent", "TW-10007", "2026-03-21T17:40:02Z");
    order["lines"] = json!([line("fellside-2", "Fellside 2 tunnel tent", "tunnel-tent", 1, 42900)]);
    order["count"] = 1.into();
    totals(order, 42900, 0)
}

fn order(customer: &str, id: &str, number: &str, placed_at: &str) -> Value {
    json!({
        "id": format!("{id}.{customer}"), "number": number, "customer": customer, "status": "placed",
        "email": "ada@example.com", "placed_at": placed_at,
        "address": {
            "name": "Ada Lund", "line1": "Seestrasse 12", "line2": "", "postcode": "8002", "city": "Zürich",
            "country": "CH",
        },
    })
}

fn line(slug: &str, name: &str, drawing: &str, quantity: i64, cents: i64) -> Value {
    json!({
        "slug": slug, "name": name, "drawing": drawing, "quantity": quantity,
        "unit_price": euro(cents), "line_total": euro(cents * quantity),
    })
}

fn totals(mut order: Value, subtotal: i64, shipping: i64) -> Value {
    order["subtotal"] = euro(subtotal);
    order["shipping"] = euro(shipping);
    order["total"] = euro(subtotal + shipping);
    order
}

fn euro(cents: i64) -> Value {
    json!({ "amount": cents, "currency": "EUR" })
}
