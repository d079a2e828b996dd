//! A stand-in for the catalog service, with as much of its contract as orders uses, and with faults.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, middleware};
use serde_json::{Value, json};

#[derive(Clone, Default)]
pub(super) struct FakeCatalog {
    shelf: Arc<Mutex<Shelf>>,
    gate: Arc<tokio::sync::Mutex<()>>,
    at_the_gate: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Shelf {
    products: Vec<Product>,
    reservations: HashMap<String, Value>,
    confirmed: HashSet<String>,
    is_down: bool,
    loses_answers: bool,
}

struct Product {
    slug: String,
    price: i64,
    stock: i64,
}

impl Product {
    fn json(&self) -> Value {
        json!({ "slug": self.slug, "name": format!("The {}", self.slug), "drawing": self.slug,
            "price": { "amount": self.price, "currency": "EUR" }, "stock": { "level": "low", "quantity": self.stock } })
    }
}

impl FakeCatalog {
    pub(super) fn selling(products: &[(&str, i64, i64)]) -> Self {
        let catalog = Self::default();
        let product = |&(slug, price, stock): &(&str, i64, i64)| Product { slug: slug.to_owned(), price, stock };
        catalog.shelf().products = products.iter().map(product).collect();
        catalog
    }

    pub(super) fn stock(&self, slug: &str) -> i64 {
        self.shelf().product(slug).stock
    }

    pub(super) fn set_stock(&self, slug: &str, stock: i64) {
        self.shelf().product(slug).stock = stock;
    }

    pub(super) fn set_price(&self, slug: &str, price: i64) {
        self.shelf().product(slug).price = price;
    }

    pub(super) fn stop_selling(&self, slug: &str) {
        self.shelf().products.retain(|product| product.slug != slug);
    }

    /// From now on every request fails with 500, before anything is done.
    pub(super) fn is_down(&self, is_down: bool) {
        self.shelf().is_down = is_down;
    }

    /// From now on reservations are made, and answered with 500.
    pub(super) fn loses_answers(&self, loses_answers: bool) {
        self.shelf().loses_answers = loses_answers;
    }

    /// No reservation is made until the guard is dropped.
    pub(super) async fn close_gate(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.gate.clone().lock_owned().await
    }

    /// Waits until a reservation has been asked for.
    pub(super) async fn until_asked(&self) {
        while self.at_the_gate.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn reservations(&self) -> usize {
        self.shelf().reservations.len()
    }

    pub(super) fn confirmed(&self) -> usize {
        self.shelf().confirmed.len()
    }

    /// Gives back everything that was not confirmed, as if its time were over.
    pub(super) fn expire(&self) {
        let mut shelf = self.shelf();
        let keys: Vec<_> = shelf.reservations.keys().filter(|key| !shelf.confirmed.contains(*key)).cloned().collect();
        keys.iter().for_each(|key| shelf.give_back(key));
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/products", get(list))
            .route("/products/{slug}", get(show))
            .route("/reservations", post(reserve))
            .route("/reservations/{key}", delete(release))
            .route("/reservations/{key}/confirmation", put(confirm))
            .layer(middleware::from_fn_with_state(self.clone(), fail_when_down))
            .with_state(self.clone())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap()
    }
}

impl Shelf {
    fn product(&mut self, slug: &str) -> &mut Product {
        self.products.iter_mut().find(|product| product.slug == slug).unwrap()
    }

    fn give_back(&mut self, key: &str) {
        let Some(saved) = self.reservations.remove(key) else {
            return;
        };
        for line in saved["asked"].as_array().unwrap() {
            self.product(line["slug"].as_str().unwrap()).stock += line["quantity"].as_i64().unwrap();
        }
    }
}

async fn fail_when_down(
    State(catalog): State<FakeCatalog>,
    request: axum::extract::Request,
    next: middleware::Next,
) -> Response {
    if catalog.shelf().is_down {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    next.run(request).await
}

async fn list(State(catalog): State<FakeCatalog>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let shelf = catalog.shelf();
    let wanted: Vec<_> = query["slugs"].split(',').collect();
    let found = shelf.products.iter().filter(|product| wanted.contains(&product.slug.as_str()));
    Json(json!({ "products": found.map(Product::json).collect::<Vec<_>>() }))
}

async fn show(State(catalog): State<FakeCatalog>, Path(slug): Path<String>) -> Response {
    match catalog.shelf().products.iter().find(|product| product.slug == slug) {
        Some(product) => Json(product.json()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, json!({ "code": "unknown_product", "message": "Unheard of." })),
    }
}

async fn reserve(State(catalog): State<FakeCatalog>, Json(body): Json<Value>) -> Response {
    catalog.at_the_gate.fetch_add(1, Ordering::SeqCst);
    drop(catalog.gate.lock().await);
    let mut shelf = catalog.shelf();
    let key = body["key"].as_str().unwrap().to_owned();
    let asked = body["lines"].as_array().unwrap();
    if let Some(saved) = shelf.reservations.get(&key) {
        let same = saved["asked"] == body["lines"];
        return match same {
            true => Json(saved.clone()).into_response(),
            false => refuse(StatusCode::UNPROCESSABLE_ENTITY, json!({ "code": "key_reused", "message": "Reused." })),
        };
    }
    let quantity = |line: &Value| line["quantity"].as_i64().unwrap();
    let mut lines = Vec::new();
    for line in asked {
        let product = shelf.products.iter().find(|product| product.slug == line["slug"].as_str().unwrap());
        let Some(product) = product else {
            return refuse(StatusCode::NOT_FOUND, json!({ "code": "unknown_product", "message": "Unheard of." }));
        };
        if product.stock < quantity(line) {
            let message = format!("Only {} left of The {}.", product.stock, product.slug);
            let short = json!([{ "slug": product.slug, "name": "The", "available": product.stock }]);
            let error = json!({ "code": "out_of_stock", "message": message, "lines": short });
            return refuse(StatusCode::CONFLICT, error);
        }
        let mut reserved = product.json();
        reserved["quantity"] = quantity(line).into();
        reserved["unit_price"] = reserved["price"].take();
        lines.push(reserved);
    }
    for line in asked {
        shelf.product(line["slug"].as_str().unwrap()).stock -= quantity(line);
    }
    let saved = json!({ "key": key, "lines": lines, "asked": asked });
    shelf.reservations.insert(key, saved.clone());
    match shelf.loses_answers {
        true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        false => (StatusCode::CREATED, Json(saved)).into_response(),
    }
}

async fn release(State(catalog): State<FakeCatalog>, Path(key): Path<String>) -> StatusCode {
    catalog.shelf().give_back(&key);
    StatusCode::NO_CONTENT
}

async fn confirm(State(catalog): State<FakeCatalog>, Path(key): Path<String>) -> Response {
    let mut shelf = catalog.shelf();
    if !shelf.reservations.contains_key(&key) {
        return refuse(StatusCode::NOT_FOUND, json!({ "code": "unknown_reservation", "message": "Unheard of." }));
    }
    shelf.confirmed.insert(key);
    StatusCode::NO_CONTENT.into_response()
}

fn refuse(status: StatusCode, error: Value) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
