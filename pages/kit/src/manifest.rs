//! What a page says of itself at `/.well-known/page.json` (DESIGN, section 3).

use axum::http::header::CACHE_CONTROL;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::assets::Assets;
use crate::config::Page;

/// A page, its release and its assets.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Manifest {
    pub(crate) page: &'static str,
    pub(crate) release: String,
    pub(crate) check: &'static [&'static str],
    pub(crate) assets: Vec<Entry>,
}

/// One asset; size and hash are of the identity bytes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    name: &'static str,
    path: &'static str,
    sha256: &'static str,
    size: usize,
    #[serde(rename = "type")]
    content_type: &'static str,
    preload: bool,
}

impl Manifest {
    pub(crate) fn new(page: &Page, assets: &Assets) -> Self {
        let entries = assets.all().iter().map(|asset| Entry {
            name: asset.name,
            path: asset.path,
            sha256: asset.sha256,
            size: asset.size,
            content_type: asset.content_type,
            preload: asset.preload,
        });
        Self { page: page.name, release: page.release(), check: page.check, assets: entries.collect() }
    }
}

pub(crate) fn routes(manifest: &Manifest) -> Router {
    let manifest = manifest.clone();
    let answer = async move || ([(CACHE_CONTROL, "no-store")], Json(manifest));
    Router::new().route("/.well-known/page.json", get(answer))
}
