//! Accounts, where every session is Ada's.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

pub(crate) fn routes() -> Router {
    Router::new().route("/session", get(async || Json(json!({ "account": { "name": "Ada" } }))))
}
