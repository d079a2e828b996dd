//! Orders, in memory. Every basket that nobody has touched yet holds the same three products, since there is no shop
//! beside this page to fill one in.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Slug, name, drawing, cents, in stock, in a new basket.
const PRODUCTS: &[(&str, &str, &str, i64, i64, i64)] = &[
    ("drystone-35", "Drystone 35 pack", "hiking-pack", 15900, 8, 1),
    ("speckle-mug", "Speckle enamel mug", "enamel-mug", 1400, 3, 2),
    ("wee-ember-stove", "Wee Ember gas stove", "gas-stove", 4900, 12, 1),
];

#[derive(Clone, Default)]
struct Orders(Arc<Mutex<Data>>);

#[derive(Default)]
struct Data {
    /// Quantities by product, by basket.
    baskets: HashMap<String, BTreeMap<String, i64>>,
    /// The key of each basket's next order.
    keys: HashMap<String, String>,
    /// How many keys there were.
    keys_given: usize,
    /// By key.
    orders: HashMap<String, Value>,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, Data> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Data {
    /// A basket as orders shows it.
    fn shown(&mut self, id: &str) -> Value {
        let mut shown = priced(self.basket(id));
        if !self.keys.contains_key(id) {
            self.renew_key(id);
        }
        shown["order_key"] = self.keys.get(id).map(String::as_str).into();
        shown
    }

    fn renew_key(&mut self, id: &str) {
        self.keys_given += 1;
        self.keys.insert(id.to_owned(), format!("5a3b1e00-0000-4000-8000-{:012}", self.keys_given));
    }

    fn basket(&mut self, id: &str) -> &mut BTreeMap<String, i64> {
        let filled = || PRODUCTS.iter().map(|product| (product.0.to_owned(), product.5)).collect();
        self.baskets.entry(id.to_owned()).or_insert_with(filled)
    }
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/baskets/{id}", get(show))
        .route("/baskets/{id}/count", get(count))
        .route("/baskets/{id}/lines/{slug}", put(set))
        .route("/orders", post(place).get(find))
        .with_state(Orders::default())
}

async fn show(State(orders): State<Orders>, Path(id): Path<String>) -> Json<Value> {
    Json(orders.lock().shown(&id))
}

async fn count(State(orders): State<Orders>, Path(id): Path<String>) -> Json<Value> {
    Json(json!({ "count": orders.lock().basket(&id).values().sum::<i64>() }))
}

#[derive(Deserialize)]
struct Quantity {
    quantity: i64,
}

async fn set(
    State(orders): State<Orders>,
    Path((id, slug)): Path<(String, String)>,
    Json(wanted): Json<Quantity>,
) -> Response {
    let Some(product) = PRODUCTS.iter().find(|product| product.0 == slug) else {
        return refusal(StatusCode::NOT_FOUND, "unknown_product", "There is no such product.", Map::new());
    };
    let message = match wanted.quantity {
        quantity if quantity > product.4 => format!("Only {} in stock.", product.4),
        quantity if quantity < 0 => "Enter 0 or more.".to_owned(),
        _ => String::new(),
    };
    if !message.is_empty() {
        let fields = Map::from_iter([("quantity".to_owned(), message.into())]);
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Some fields need another look.", fields);
    }
    let mut orders = orders.lock();
    let basket = orders.basket(&id);
    match wanted.quantity {
        0 => drop(basket.remove(&slug)),
        quantity => drop(basket.insert(slug, quantity)),
    }
    Json(orders.shown(&id)).into_response()
}

async fn place(State(orders): State<Orders>, headers: HeaderMap, Json(wanted): Json<Value>) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let mut orders = orders.lock();
    if let Some(order) = orders.orders.get(&key) {
        return Json(order).into_response();
    }
    let fields = missing(&wanted);
    if !fields.is_empty() {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Some fields need another look.", fields);
    }
    let number = format!("TW-{}", 10_042 + orders.orders.len());
    let id = wanted["basket"].as_str().unwrap_or_default();
    let basket = orders.basket(id);
    let mut order = priced(basket);
    if !wanted["total"].is_null() && wanted["total"] != order["total"] {
        let message = "A price changed since you saw it, so nothing is ordered yet. Please check the new total.";
        orders.renew_key(id);
        return refusal(StatusCode::CONFLICT, "price_changed", message, Map::new());
    }
    basket.clear();
    orders.renew_key(id);
    order["number"] = number.into();
    order["email"] = wanted["email"].clone();
    order["address"] = wanted["address"].clone();
    orders.orders.insert(key, order.clone());
    (StatusCode::CREATED, Json(order)).into_response()
}

async fn find(State(orders): State<Orders>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let orders = orders.lock();
    let found: Vec<_> = query.get("key").and_then(|key| orders.orders.get(key)).into_iter().collect();
    Json(json!({ "orders": found }))
}

fn missing(wanted: &Value) -> Map<String, Value> {
    let needed = [
        ("email", "/email", "Enter an email address."),
        ("address.name", "/address/name", "Enter the name of who gets the parcel."),
        ("address.line1", "/address/line1", "Enter a street and number."),
        ("address.postcode", "/address/postcode", "Enter a postcode."),
        ("address.city", "/address/city", "Enter a town or city."),
        ("address.country", "/address/country", "Choose a country."),
    ];
    let is_empty = |pointer| wanted.pointer(pointer).and_then(Value::as_str).unwrap_or_default().trim().is_empty();
    let missing = needed.into_iter().filter(|(_, pointer, _)| is_empty(pointer));
    missing.map(|(name, _, message)| (name.to_owned(), message.into())).collect()
}

/// A basket with what it costs; an order's lines and totals have the same shape.
fn priced(basket: &BTreeMap<String, i64>) -> Value {
    let chosen = PRODUCTS.iter().filter_map(|product| basket.get(product.0).map(|quantity| (product, *quantity)));
    let lines: Vec<_> = chosen
        .map(|((slug, name, drawing, cents, stock, _), quantity)| {
            json!({
                "slug": slug, "name": name, "drawing": drawing, "quantity": quantity, "max_quantity": stock,
                "problem": null, "unit_price": euro(*cents), "line_total": euro(cents * quantity),
            })
        })
        .collect();
    let subtotal = lines.iter().filter_map(|line| line["line_total"]["amount"].as_i64()).sum();
    let shipping = if subtotal == 0 || subtotal >= 10_000 { 0 } else { 490 };
    json!({
        "can_order": !lines.is_empty(), "lines": lines, "count": basket.values().sum::<i64>(),
        "subtotal": euro(subtotal), "shipping": euro(shipping), "total": euro(subtotal + shipping),
    })
}

fn euro(cents: i64) -> Value {
    json!({ "amount": cents, "currency": "EUR" })
}

/// A refusal in the services' words.
fn refusal(status: StatusCode, code: &str, message: &str, fields: Map<String, Value>) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message, "fields": fields } }))).into_response()
}
