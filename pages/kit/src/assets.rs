//! `/assets/*`: every asset by its stable and by its fingerprinted URL, straight out of the binary.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::TypedHeader;
use axum_extra::headers::{ETag, HeaderMapExt, IfNoneMatch};
use shared_assets::Asset;

const PREFIX: &str = "/assets/";
const NOSNIFF: (http::HeaderName, &str) = (X_CONTENT_TYPE_OPTIONS, "nosniff");

/// Two assets of a page have one name, so that one of them could not be reached.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("two assets are named `{0}`: a page's own assets need names that the shared bundle doesn't have")]
pub struct NameTaken(&'static str);

/// Every asset of a page.
pub(crate) struct Assets {
    all: Vec<Asset>,
    /// By both names: what stands after `/assets/`.
    by_name: HashMap<&'static str, (Asset, Kind)>,
}

/// Which URL an asset was asked for by.
#[derive(Clone, Copy)]
enum Kind {
    Stable,
    Fingerprinted,
}

impl Kind {
    /// DESIGN: a stable URL is asked for again every time, a fingerprinted one never.
    fn cache_control(self) -> &'static str {
        match self {
            Self::Stable => "private, no-cache",
            Self::Fingerprinted => "public, max-age=31536000, immutable",
        }
    }
}

impl Assets {
    pub(crate) fn new(bundles: &[&'static [Asset]]) -> Result<Self, NameTaken> {
        let all: Vec<Asset> = bundles.iter().copied().flatten().copied().collect();
        let mut by_name = HashMap::new();
        for asset in &all {
            let fingerprinted = asset.path.strip_prefix(PREFIX).unwrap_or(asset.path);
            for (name, kind) in [(asset.name, Kind::Stable), (fingerprinted, Kind::Fingerprinted)] {
                if by_name.insert(name, (*asset, kind)).is_some() {
                    return Err(NameTaken(name));
                }
            }
        }
        Ok(Self { all, by_name })
    }

    pub(crate) fn all(&self) -> &[Asset] {
        &self.all
    }
}

/// `GET` and `HEAD` of every asset; anything else under `/assets/` is refused, and no refusal is ever stored.
pub(crate) fn routes(assets: Arc<Assets>) -> Router {
    Router::new()
        .route("/assets", get(unknown).fallback(wrong_method))
        .route("/assets/", get(unknown).fallback(wrong_method))
        .route("/assets/{*name}", get(asset).fallback(wrong_method))
        .with_state(assets)
}

async fn asset(State(assets): State<Arc<Assets>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((asset, kind)) = assets.by_name.get(name.as_str()) else {
        return unknown().await;
    };
    let etag = etag(asset);
    let caching = [(CACHE_CONTROL, kind.cache_control()), NOSNIFF];
    // RFC 9110, section 13.1.2: weak comparison. A field that can't be read is as good as none.
    let known = headers.typed_get::<IfNoneMatch>().is_some_and(|known| !known.precondition_passes(&etag));
    if known {
        return (StatusCode::NOT_MODIFIED, TypedHeader(etag), caching).into_response();
    }
    let mut response = (TypedHeader(etag), caching, Body::from(asset.bytes())).into_response();
    response.headers_mut().insert(CONTENT_TYPE, content_type(asset));
    response.headers_mut().insert(CONTENT_LENGTH, asset.size.into());
    response
}

fn etag(asset: &Asset) -> ETag {
    format!("\"{}\"", asset.fingerprint).parse().expect("hex digits in quotes are an entity tag")
}

fn content_type(asset: &Asset) -> HeaderValue {
    let text = match asset.content_type.starts_with("text/") {
        true => format!("{}; charset=utf-8", asset.content_type),
        false => asset.content_type.to_owned(),
    };
    HeaderValue::try_from(text).expect("a media type is visible ASCII")
}

async fn unknown() -> Response {
    (StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store"), NOSNIFF], "no such asset\n").into_response()
}

async fn wrong_method() -> Response {
    let headers = [(ALLOW, "GET, HEAD"), (CACHE_CONTROL, "no-store"), NOSNIFF];
    (StatusCode::METHOD_NOT_ALLOWED, headers).into_response()
}

#[cfg(test)]
mod tests;
