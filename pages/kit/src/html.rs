//! Views as answers.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use service_kit::context;

use crate::Error;

/// The view, rendered.
///
/// # Errors
/// When the template fails.
pub fn html(view: &impl Template) -> Result<Html<String>, Error> {
    Ok(Html(view.render()?))
}

/// The view of what can't be done at this moment, as a form that no service takes: 503. What was sent is in it, so that
/// nobody has to type it again.
///
/// # Errors
/// When the template fails.
pub fn not_now(view: &impl Template) -> Result<Response, Error> {
    let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, "5")];
    Ok((StatusCode::SERVICE_UNAVAILABLE, headers, html(view)?).into_response())
}

/// How a view that is rendered for one visitor may be kept: by that visitor's browser, which asks again; or not at
/// all, when it lacks what a service would have added.
pub fn private(is_complete: bool) -> [(HeaderName, &'static str); 1] {
    [(CACHE_CONTROL, if is_complete { "private, no-cache" } else { "no-store" })]
}

/// The id by which this request's log lines are found; empty outside of a request.
pub fn request_id() -> String {
    context::current().map(|context| context.request_id().to_owned()).unwrap_or_default()
}
