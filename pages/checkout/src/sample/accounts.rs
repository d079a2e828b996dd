//! Accounts, where every session is Ada's.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

pub(crate) fn routes() -> Router {
    Router::new().route("/session", get(session)).route("/countries", get(countries))
}

async fn session() -> Json<Value> {
    Json(json!({ "account": {
        "id": "sample-ada", "email": "ada@example.com", "name": "Ada Lund",
        "address": {
            "name": "Ada Lund", "line1": "Seestrasse 12", "line2": "", "postcode": "8002", "city": "Zürich",
            "country": "CH",
        },
    } }))
}

async fn countries() -> Json<Value> {
    let named = [("AT", "Austria"), ("DE", "Germany"), ("NO", "Norway"), ("CH", "Switzerland")];
    let countries: Vec<_> = named.iter().map(|(code, name)| json!({ "code": code, "name": name })).collect();
    Json(json!({ "countries": countries }))
}
