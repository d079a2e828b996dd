//! What happens around every request of a server: its context, its one log line, its deadline, and a 500 in place of a
//! panic.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::{FutureExt, TryFutureExt};
use tower::layer::layer_fn;
use tower::{Service, service_fn};

use crate::context::{self, REQUEST_ID, RequestContext};
use crate::error::ErrorResponse;
use crate::serve::Readiness;

/// What comes out of a layer.
pub type Answer = Result<Response, Infallible>;

/// `router` with `around` about each of its routes. It gets the request and the route, which it may ask, and makes the
/// answer.
///
/// `axum::middleware::from_fn` does the same, and copies all that is inside it for every request, as a [`Route`] does when
/// it is copied or called: a few of them in one another cost a page more than its routing, its questions and its template.
/// So they share what is inside them.
pub fn around<F, A>(router: Router, around: F) -> Router
where
    F: Fn(Request, &mut Route) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    router.layer(layer_fn(move |inside: Route| {
        let shared = Arc::new((around.clone(), Mutex::new(inside)));
        service_fn(move |request: Request| {
            let (around, inside) = &*shared;
            // It is held while the answer is begun, not while it is made.
            around(request, &mut inside.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }))
}

/// What `answer` becomes; when that panics, the answer to this.
pub fn caught<A, P>(answer: A, panicked: P) -> impl Future<Output = Answer> + use<A, P>
where
    A: Future<Output = Answer>,
    P: FnOnce(&str) -> Response,
{
    AssertUnwindSafe(answer).catch_unwind().map(|answer| answer.unwrap_or_else(|payload| Ok(panicked(told(&*payload)))))
}

/// Answers as `around` says within the request's context and logs one line about it. While the server stops, the answer
/// asks its client to come back on another connection (RFC 9112, section 9.6).
pub(crate) fn in_context<F, A>(
    request: Request,
    inside: &mut Route,
    around: &F,
    readiness: &Readiness,
) -> impl Future<Output = Answer> + Send + use<F, A>
where
    F: Fn(Request, &mut Route) -> A,
    A: Future<Output = Answer> + Send,
{
    let started = Instant::now();
    let context = RequestContext::of(&request);
    let is_health_check = request.uri().path().starts_with("/health/");
    let request_id = context.request_id_header();
    let readiness = readiness.clone();
    let answer = context.during(|| around(request, inside));
    let answer = caught(answer, panicked).inspect_ok(move |response| {
        let (status, duration_ms) = (response.status().as_u16(), milliseconds(started));
        match is_health_check {
            true => tracing::debug!(status, duration_ms, "answered"),
            false => tracing::info!(status, duration_ms, "answered"),
        }
    });
    context.scope(answer).map_ok(move |mut response| {
        response.headers_mut().insert(REQUEST_ID, request_id);
        if !readiness.is_ready() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    })
}

/// Stops working once the request's deadline has passed: nobody waits for the answer, and others wait for their turn.
/// What a handler has handed to a task of its own goes on.
pub(crate) fn until_the_deadline(request: Request, inside: &mut Route) -> impl Future<Output = Answer> + Send + use<> {
    let answer = inside.call(request);
    async move {
        let Some(context) = context::current() else {
            return answer.await;
        };
        match tokio::time::timeout_at(context.deadline(), answer).await {
            Ok(answer) => answer,
            Err(_) => Ok(ErrorResponse::too_late().into_response()),
        }
    }
}

fn panicked(told: &str) -> Response {
    tracing::error!(panic = told, "a handler panicked");
    ErrorResponse::unexpected().into_response()
}

fn told(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn milliseconds(started: Instant) -> f64 {
    // Microseconds are as fine as a log line needs.
    started.elapsed().as_micros() as f64 / 1000.0
}
