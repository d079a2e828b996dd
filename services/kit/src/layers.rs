//! What happens around every request of a server: its context, its one log line, its deadline, and a 500 in place of a
//! panic.

use std::any::Any;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::context::{self, REQUEST_ID, RequestContext};
use crate::error::ErrorResponse;
use crate::serve::Readiness;

/// What is logged for a path that no route has.
const NO_ROUTE: &str = "(none)";

/// Answers within the request's context and logs one line about it.
pub(crate) async fn in_context(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let context = RequestContext::from_headers(request.headers());
    let is_health_check = request.uri().path().starts_with("/health/");
    // The route and not the path, which may name a basket or an order: who knows its name may have it.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    // At the highest level, so that a stricter log filter doesn't take the ids from the lines it lets through.
    let span = tracing::error_span!(
        "request",
        request_id = context.request_id(),
        trace_id = context.trace_id(),
        method = %request.method(),
        path,
    );
    let headers = context.headers();
    request.extensions_mut().insert(context.clone());

    let mut response = context.scope(next.run(request)).instrument(span.clone()).await;
    let (status, duration_ms) = (response.status().as_u16(), milliseconds(started));
    span.in_scope(|| match is_health_check {
        true => tracing::debug!(status, duration_ms, "answered"),
        false => tracing::info!(status, duration_ms, "answered"),
    });
    response.headers_mut().insert(REQUEST_ID, headers[REQUEST_ID].clone());
    response
}

/// Stops working once the request's deadline has passed: nobody waits for the answer, and others wait for their turn.
/// What a handler has handed to a task of its own goes on.
pub(crate) async fn until_the_deadline(request: Request, next: Next) -> Response {
    let Some(context) = context::current() else {
        return next.run(request).await;
    };
    match tokio::time::timeout_at(context.deadline(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => ErrorResponse::too_late().into_response(),
    }
}

/// While the server stops, every answer asks its client to come back on another connection (RFC 9112, section 9.6).
pub(crate) async fn close_when_stopping(State(readiness): State<Readiness>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !readiness.is_ready() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer of a handler that panicked.
pub(crate) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("no message"), "a handler panicked");
    ErrorResponse::unexpected().into_response()
}

fn milliseconds(started: Instant) -> f64 {
    // Microseconds are as fine as a log line needs.
    started.elapsed().as_micros() as f64 / 1000.0
}
