//! Views as answers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, ETAG, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use service_kit::context;

use crate::{Error, headers, validators};

/// The view, rendered.
///
/// # Errors
/// When the template fails.
pub fn html<V: Template>(view: &V) -> Result<Rendered, Error> {
    // The hint is the text of the template without what it shows: as much again, and most views are not moved as they grow.
    let mut body = String::with_capacity(2 * V::SIZE_HINT);
    view.render_into(&mut body)?;
    Ok(Rendered(body))
}

/// A view as it was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered(String);

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        html_response(self.0.into())
    }
}

fn html_response(body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = headers::of_a_view();
    response
}

/// A view that is the same for everybody who gets it, as it was rendered last: good for as long as what it shows is the same.
/// What is cloned keeps the same.
pub struct Kept<S>(Arc<Mutex<Option<(S, Document)>>>);

/// A rendered view and its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    body: Bytes,
    tag: HeaderValue,
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut response = html_response(self.body.into());
        response.headers_mut().insert(ETAG, self.tag);
        response
    }
}

impl<S: PartialEq> Kept<S> {
    /// The view of what it `shows`, out of memory or by `render`.
    ///
    /// # Errors
    /// When `render` fails; that is not kept.
    pub fn or_render<E>(&self, shows: S, render: impl FnOnce() -> Result<Rendered, E>) -> Result<Document, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, document)) = kept.as_ref().filter(|(shown, _)| *shown == shows) {
            return Ok(document.clone());
        }
        let Rendered(body) = render()?;
        let document = Document { tag: validators::tag(body.as_bytes()), body: body.into() };
        *kept = Some((shows, document.clone()));
        Ok(document)
    }
}

impl<S> Default for Kept<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S> Clone for Kept<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Kept<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
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
pub fn private(is_complete: bool) -> [(HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, if is_complete { headers::PRIVATE } else { headers::NO_STORE })]
}

/// The id by which this request's log lines are found; empty outside of a request.
pub fn request_id() -> String {
    context::current().map(|context| context.request_id().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_rendered_again_when_it_shows_something_else() {
        let kept = Kept::default();
        let view = |shows, text: Result<&str, ()>| {
            let document = kept.or_render(shows, || text.map(|text| Rendered(text.to_owned())));
            document.map(|document| String::from_utf8(document.body.to_vec()).unwrap())
        };
        let told = |text: &str| Ok(text.to_owned());
        assert_eq!(view(1, Err(())), Err(()), "what failed is not kept");
        assert_eq!((view(1, Ok("one")), view(1, Ok("never seen"))), (told("one"), told("one")));
        assert_eq!(view(2, Ok("two")), told("two"));
        assert_eq!(view(1, Ok("one again")), told("one again"));
    }
}
