//! Stand-ins for the services, so that this page runs by itself: as much of their contracts as it uses, on a few
//! products in memory.

pub(crate) mod accounts;
pub(crate) mod catalog;
pub(crate) mod orders;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal in the services' words.
fn refusal(status: StatusCode, code: &str, message: &str, field: Option<&str>) -> Response {
    let mut error = json!({ "code": code, "message": message });
    if let Some(field) = field {
        error["fields"] = json!({ field: message });
    }
    (status, Json(json!({ "error": error }))).into_response()
}
