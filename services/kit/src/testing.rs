//! For tests: calls a router in process, in one line.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tower::ServiceExt;

/// Sends `request`, as in `"GET /products?q=tent"`, to `router`, and returns the status and the JSON body, which is
/// null when there is none. A `body` of null is not sent.
///
/// # Panics
/// When the request is malformed or the answer is not JSON: a test is wrong then, or has found something.
pub async fn call(router: &Router, request: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
    let (method, path) = request.split_once(' ').expect("a request is a method and a path");
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let sent = match body {
        Value::Null => builder.body(Body::empty()),
        body => builder.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
    };
    let sent = sent.expect("the request is well-formed");
    let Ok(response) = router.clone().oneshot(sent).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("the body is in memory");
    if body.is_empty() {
        return (status, Value::Null);
    }
    let json = serde_json::from_slice(&body);
    (status, json.unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&body))))
}
