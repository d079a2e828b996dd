//! The contract's part: health, manifest, assets under both URLs.

use crate::{Args, Stub, assets};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) fn routes(stub: &Arc<Stub>) -> Router {
    let assets = Router::new().route("/assets/{*name}", get(assets::answer));
    let contract = Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/.well-known/page.json", get(manifest));
    let routes = if stub.args.no_manifest { assets } else { assets.merge(contract) };
    routes.with_state(Arc::clone(stub))
}

async fn live(State(stub): State<Arc<Stub>>) -> Json<Value> {
    let requests = stub.requests.load(Ordering::Relaxed);
    Json(json!({"page": stub.args.page, "release": stub.args.release, "requests": requests}))
}

async fn ready(State(stub): State<Arc<Stub>>) -> (StatusCode, &'static str) {
    if stub.lifecycle.is_ready() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") }
}

async fn manifest(State(stub): State<Arc<Stub>>) -> Json<Value> {
    let assets = stub.assets.iter().map(|asset| {
        json!({
            "name": asset.name, "path": asset.path, "sha256": asset.sha256(), "size": asset.bytes.len(),
            "type": asset.known_type(),
        })
    });
    let Args { page, release, checks, .. } = &stub.args;
    Json(json!({"page": page, "release": release, "check": checks, "assets": assets.collect::<Vec<_>>()}))
}
