//! Stand-ins for the services, so that this page runs by itself: as much of their contracts as it uses, in memory.
//! There is one account from the start, `ada@example.com` with the password `slow mountains`.

pub(crate) mod accounts;
pub(crate) mod orders;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// A refusal in the services' words; `fields` are names and what is wrong with them.
fn refusal(status: StatusCode, code: &str, message: &str, fields: &[(&str, &str)]) -> Response {
    let fields: Map<String, Value> = fields.iter().map(|(name, wrong)| ((*name).to_owned(), (*wrong).into())).collect();
    (status, Json(json!({ "error": { "code": code, "message": message, "fields": fields } }))).into_response()
}
