//! Orders, as far as baskets go.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{catalog, refusal};

/// Quantities by product, by basket.
#[derive(Clone, Default)]
struct Baskets(Arc<Mutex<HashMap<String, BTreeMap<String, i64>>>>);

impl Baskets {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<String, i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/baskets", post(create))
        .route("/baskets/{id}/count", get(count))
        .route("/baskets/{id}/lines", post(add))
        .with_state(Baskets::default())
}

async fn create(State(baskets): State<Baskets>, Json(line): Json<Line>) -> Response {
    let mut baskets = baskets.lock();
    let id = format!("sample-{}", baskets.len() + 1);
    let mut lines = BTreeMap::new();
    let answer = put_in(&id, &mut lines, line);
    if answer.status().is_success() {
        baskets.insert(id, lines);
    }
    answer
}

async fn count(State(baskets): State<Baskets>, Path(id): Path<String>) -> Json<Value> {
    Json(json!({ "count": baskets.lock().get(&id).map_or(0, |lines| lines.values().sum::<i64>()) }))
}

#[derive(Deserialize)]
struct Line {
    slug: String,
    quantity: i64,
}

async fn add(State(baskets): State<Baskets>, Path(id): Path<String>, Json(line): Json<Line>) -> Response {
    match baskets.lock().get_mut(&id) {
        Some(lines) => put_in(&id, lines, line),
        None => refusal(StatusCode::NOT_FOUND, "unknown_basket", "There is no such basket.", None),
    }
}

fn put_in(id: &str, lines: &mut BTreeMap<String, i64>, line: Line) -> Response {
    let Some(stock) = catalog::stock(&line.slug) else {
        return refusal(StatusCode::NOT_FOUND, "unknown_product", "There is no such product.", None);
    };
    let quantity = lines.get(&line.slug).unwrap_or(&0) + line.quantity;
    let message = match quantity {
        _ if line.quantity < 1 => "Enter at least 1.".to_owned(),
        quantity if quantity > stock => format!("Only {stock} in stock."),
        _ => {
            lines.insert(line.slug, quantity);
            return Json(json!({ "id": id, "count": lines.values().sum::<i64>() })).into_response();
        }
    };
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid", &message, Some("quantity"))
}
