//! The feed of orders, in which Ada has made two. Baskets are empty.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

const ADA: &str = "sample-ada";

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/events", get(async || Json(json!({ "events": [event(1, tent(ADA)), event(2, stove(ADA))] }))))
        .route("/baskets/{id}/count", get(async || Json(json!({ "count": 0 }))))
}

fn event(cursor: i64, order: Value) -> Value {
    json!({ "cursor": cursor, "type": "order_placed", "at": order["placed_at"], "order": order })
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
