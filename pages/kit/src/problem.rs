//! An answer that says what went wrong: without any asset here, so that it can't fail itself; in the shell of the site
//! where a page says how.

use std::any::Any;

use askama::Template;
use axum::Router;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{Error, request_id};

/// What a visitor is told when something went wrong.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{{ heading }}</title>
<h1>{{ heading }}</h1>
<p>{{ explanation }}</p>
<p><a href=\"/\">Back to the start</a></p>
{% if request_id != \"\" %}<p>Request <code>{{ request_id }}</code></p>{% endif %}
</html>
"
)]
pub struct Problem {
    /// The answer's status.
    pub status: StatusCode,
    /// What is wrong, in a few words.
    pub heading: &'static str,
    /// What the visitor can do.
    pub explanation: &'static str,
    /// By which the log lines of the request are found, or empty.
    pub request_id: String,
}

impl Problem {
    /// What to tell by the status alone.
    pub(crate) fn of(status: StatusCode) -> Self {
        let (heading, explanation) = match status {
            StatusCode::FORBIDDEN => (
                "That came from somewhere else",
                "This form was sent by another site, so nothing was changed. Please go on from here.",
            ),
            StatusCode::SERVICE_UNAVAILABLE => (
                "A rest on the way",
                "We can’t reach a part of the shop at this moment. Nothing is lost; please try again in a minute.",
            ),
            _ => ("Something slipped", "That is our mistake, not yours. Please try again in a minute."),
        };
        Self { status, heading, explanation, request_id: request_id() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.render().unwrap_or_else(|_| self.heading.to_owned());
        let mut response = (self.status, [(CACHE_CONTROL, "no-store")], Html(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert("retry-after", HeaderValue::from_static("5"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// `routes`, whose problems, panics included, are shown as `render` says.
pub fn with_problems<F>(routes: Router, render: F) -> Router
where
    F: Fn(Problem) -> askama::Result<String> + Clone + Send + Sync + 'static,
{
    let show = move |mut response: Response| {
        if let Some(problem) = response.extensions_mut().remove::<Problem>()
            && let Ok(body) = render(problem)
        {
            *response.body_mut() = body.into();
            response.headers_mut().remove("content-length");
        }
        std::future::ready(response)
    };
    routes.layer(CatchPanicLayer::custom(panicked)).layer(map_response(show))
}

fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Error::Panicked(text.unwrap_or_default()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn answer(routes: Router) -> (StatusCode, String) {
        let response = routes.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn failing() -> Router {
        Router::new().route("/", get(async || -> Result<(), Error> { Err(Error::Panicked("a secret".to_owned())) }))
    }

    #[tokio::test]
    async fn a_visitor_does_not_learn_what_went_wrong_inside() {
        let (status, body) = answer(failing()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("Something slipped") && !body.contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_page_shows_problems_in_its_own_shell() {
        let show = |problem: Problem| Ok(format!("<main>{}</main>", problem.heading));
        assert_eq!(answer(with_problems(failing(), show)).await.1, "<main>Something slipped</main>");
        let panicking = Router::new().route("/", get(async || -> () { panic!("a secret") }));
        let (status, body) = answer(with_problems(panicking, show)).await;
        assert_eq!((status.as_u16(), body.as_str()), (500, "<main>Something slipped</main>"));
    }
}
