//! The contract's part: health, manifest, assets under both URLs.

use crate::Stub;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) fn routes(stub: &Arc<Stub>) -> Router {
    let assets = Router::new().route("/assets/{*name}", get(asset));
    let contract = Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(|| async { "ready" }))
        .route("/.well-known/page.json", get(manifest));
    let routes = if stub.args.no_manifest { assets } else { assets.merge(contract) };
    routes.with_state(Arc::clone(stub))
}

pub(crate) fn parse_asset(written: &str) -> Result<(String, String), String> {
    let (name, text) = written.split_once('=').ok_or("want name=text")?;
    Ok((name.to_owned(), text.to_owned()))
}

async fn live(State(stub): State<Arc<Stub>>) -> Json<Value> {
    let requests = stub.requests.load(Ordering::Relaxed);
    Json(json!({"page": stub.args.page, "release": stub.args.release, "requests": requests}))
}

async fn manifest(State(stub): State<Arc<Stub>>) -> Json<Value> {
    let assets = stub.args.assets.iter().map(|(name, text)| {
        json!({"name": name, "path": fingerprinted(name, text), "sha256": sha256(text), "size": text.len()})
    });
    Json(json!({"page": stub.args.page, "release": stub.args.release, "assets": assets.collect::<Vec<_>>()}))
}

async fn asset(State(stub): State<Arc<Stub>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    stub.requests.fetch_add(1, Ordering::Relaxed);
    let path = format!("/assets/{name}");
    let found = stub.args.assets.iter().find(|(asset, text)| *asset == name || fingerprinted(asset, text) == path);
    let Some((_, text)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let etag = format!("\"{}\"", &sha256(text)[..16]);
    let fields = [(header::ETAG, etag.clone()), (header::CONTENT_TYPE, "text/css".to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, text.clone()).into_response()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fingerprinted(name: &str, text: &str) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
    format!("/assets/{stem}-{}.{extension}", &sha256(text)[..16])
}
