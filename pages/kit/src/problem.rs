//! An answer that says what went wrong: without any asset here, so that it can't fail itself; in the shell of the site
//! where a page says how.

use std::fmt;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::Route;
use futures_util::TryFutureExt;
use service_kit::layers::{Answer, caught};
use tower::Service;

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
            StatusCode::METHOD_NOT_ALLOWED => (
                "That can’t be done here",
                "There is such a page, but it is not for this. Nothing was changed; please go on from here.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => (
                "That is more than we can carry",
                "What was sent is too long, so nothing was changed. Please go back and send less.",
            ),
            status if status.is_client_error() => (
                "We could not read that",
                "The address or the form is not as it should be, so nothing was changed. Please go on from here.",
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

/// A page's own routes, and how their problems are shown.
pub struct Routes {
    pub(crate) router: Router,
    pub(crate) problems: Problems,
}

/// `routes`, whose problems are shown as `render` says: errors, panics, and whatever was refused without a view of its
/// own to somebody who looks at it.
pub fn with_problems<F>(routes: Router, render: F) -> Routes
where
    F: Fn(Problem) -> askama::Result<String> + Send + Sync + 'static,
{
    Routes { router: routes, problems: Problems(Arc::new(render)) }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("router", &self.router).finish_non_exhaustive()
    }
}

/// How the problems of a page are shown. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Problems(Arc<dyn Fn(Problem) -> askama::Result<String> + Send + Sync>);

impl Problems {
    /// What `page` answers, or the view of what went wrong.
    pub(crate) fn around(&self, request: Request, page: &mut Route) -> impl Future<Output = Answer> + Send + use<> {
        let (problems, for_people) = (self.clone(), accepts_html(request.headers()));
        let answer = caught(page.call(request), |panic| Error::Panicked(panic.to_owned()).into_response());
        answer.map_ok(move |response| problems.shown(response, for_people))
    }

    fn shown(&self, mut response: Response, for_people: bool) -> Response {
        if for_people && is_bare_refusal(&response) {
            response = with_a_view(&response);
        }
        if let Some(problem) = response.extensions_mut().remove::<Problem>()
            && let Ok(body) = (self.0)(problem)
        {
            *response.body_mut() = body.into();
            response.headers_mut().remove("content-length");
        }
        response
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accepted| accepted.to_str().is_ok_and(|types| types.contains("text/html")))
}

/// Whether this is how axum refuses what never gets to a handler: a line of text, or nothing at all.
fn is_bare_refusal(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    response.status().is_client_error() && kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn with_a_view(refusal: &Response) -> Response {
    let mut response = Problem::of(refusal.status()).into_response();
    // RFC 9110, section 15.5.6: a 405 has to have it.
    if let Some(allowed) = refusal.headers().get(ALLOW) {
        response.headers_mut().insert(ALLOW, allowed.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use axum::body::Body;
    use axum::extract::Path;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use service_kit::layers;
    use tower::ServiceExt;

    use super::*;

    fn page(routes: Routes) -> Router {
        layers::around(routes.router, move |request, page| routes.problems.around(request, page))
    }

    async fn answer(router: Router) -> (StatusCode, String) {
        let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
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
        assert_eq!(answer(page(with_problems(failing(), show))).await.1, "<main>Something slipped</main>");
        let panicking = Router::new().route("/", get(async || -> () { panic!("a secret") }));
        let (status, body) = answer(page(with_problems(panicking, show))).await;
        assert_eq!((status.as_u16(), body.as_str()), (500, "<main>Something slipped</main>"));
    }

    #[tokio::test]
    async fn what_never_gets_to_a_handler_is_refused_in_the_pages_shell_too() {
        let show = |problem: Problem| Ok(format!("<main>{} {}</main>", problem.status, problem.heading));
        let form = axum::routing::post(async |_: axum::Form<HashMap<String, String>>| "taken");
        let routes = Router::new().route("/form", form).route("/names/{name}", get(async |_: Path<String>| "read"));
        let page = page(with_problems(routes, show));
        let send = async |request: &str, headers: &[(&str, &str)], body: String| {
            let (method, path) = request.split_once(' ').unwrap();
            let request = headers.iter().fold(Request::builder().method(method).uri(path), |request, (name, value)| {
                request.header(*name, *value)
            });
            let response = page.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
            let (parts, body) = response.into_parts();
            (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
        };
        let (html, form) = (("accept", "text/html,*/*;q=0.8"), ("content-type", "application/x-www-form-urlencoded"));
        for (request, headers, body, expected) in [
            ("GET /form", vec![html], String::new(), 405),
            ("POST /form", vec![html], String::new(), 415),
            ("POST /form", vec![html, form], "x".repeat(3_000_000), 413),
            ("GET /names/%ff", vec![html], String::new(), 400),
        ] {
            let (answer, body) = send(request, &headers, body).await;
            assert_eq!(answer.status, expected, "{request}");
            assert!(body.starts_with(&format!("<main>{expected} ")), "{request}: {body}");
            assert_eq!(
                (&answer.headers["content-type"], &answer.headers["cache-control"]),
                (&"text/html; charset=utf-8".parse().unwrap(), &"no-store".parse().unwrap())
            );
            assert_eq!(answer.headers.contains_key("allow"), expected == 405, "{request}");
        }
        let (answer, body) = send("POST /form", &[("accept", "application/json")], String::new()).await;
        assert_eq!(answer.status, 415);
        assert!(!body.contains("<main>"), "a program gets its line of text");
    }
}
