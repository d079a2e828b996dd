//! The headers that every answer of a page carries.

use std::sync::LazyLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

/// Nobody but the visitor may keep an answer, and the visitor's browser asks again.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Nobody may keep an answer.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const REFERRER: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");

/// Everything from this site, nothing inline; so pages need no nonce.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
);

/// What every view has: copied, which takes less time than to put in one by one.
static OF_A_VIEW: LazyLock<HeaderMap> = LazyLock::new(|| {
    // With room for those that a handler, the page kit and the server add.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HTML);
    protect(&mut headers);
    headers
});

/// The headers of a view, before its handler adds its own.
pub(crate) fn of_a_view() -> HeaderMap {
    OF_A_VIEW.clone()
}

/// Adds what a handler need not think of. A handler's own `cache-control` stays: without one, nobody but the visitor
/// may keep the answer, and the visitor's browser asks again.
pub(crate) fn add(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(PRIVATE);
    // What began as a view has the rest.
    if headers.get(CONTENT_SECURITY_POLICY) != Some(&POLICY) {
        protect(headers);
    }
    response
}

/// Adds what keeps a browser from taking an answer for something else, or from letting others into it.
fn protect(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let is_html = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if is_html {
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(REFERRER_POLICY, REFERRER);
    }
}
