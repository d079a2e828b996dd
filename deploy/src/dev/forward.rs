//! The dev server: takes a request, waits for the build that is under way, and passes it on to the page or to the rest of
//! the site. Bodies are streamed; an HTML page gets the reload script.

use super::answers;
use super::page_routes::{Owner, PageRoutes};
use super::rebuild::{Build, State};
use super::reload;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Client, Url};
use tokio::sync::watch;

/// Fields that concern one connection, and are not passed on (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the server knows.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    page: String,
    states: watch::Receiver<State>,
    client: Client,
    rest: Option<Url>,
}

impl Site {
    /// Of one page, and perhaps of the rest of its site.
    pub(crate) fn new(page: String, states: watch::Receiver<State>, client: Client, rest: Option<Url>) -> Self {
        Self { page, states, client, rest }
    }

    /// What came of the latest build; waits for one that is under way.
    async fn settled(&self) -> State {
        let mut states = self.states.clone();
        let settled = states.wait_for(|state| state.build != Build::Running).await.map(|state| state.clone());
        settled.unwrap_or_else(|_| self.states.borrow().clone())
    }

    fn routes(&self) -> PageRoutes {
        self.states.borrow().routes.clone()
    }
}

/// All paths: two of our own, the others passed on.
pub(crate) fn router(site: Site) -> Router {
    let script =
        || async { ([(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "no-cache")], reload::SCRIPT) };
    let stream = |Shared(site): Shared<Site>| async move { reload::stream(site.states) };
    Router::new()
        .route(reload::SCRIPT_PATH, get(script))
        .route(reload::STREAM_PATH, get(stream))
        .fallback(forward)
        .with_state(site)
}

async fn forward(Shared(site): Shared<Site>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    match (site.routes().owner(path), &site.rest) {
        (Owner::Page, _) => to_page(&site, &parts, body).await,
        (Owner::Asset, None) => to_page(&site, &parts, body).await,
        (Owner::Asset, Some(rest)) if matches!(parts.method, Method::GET | Method::HEAD) => {
            let answer = to_page(&site, &parts, Body::empty()).await;
            if answer.status() == StatusCode::NOT_FOUND { to_rest(&site, rest, &parts, body).await } else { answer }
        }
        (_, Some(rest)) => to_rest(&site, rest, &parts, body).await,
        (Owner::Rest, None) => answers::unknown(path, &site.page, &site.routes().patterns),
    }
}

async fn to_page(site: &Site, parts: &Parts, body: Body) -> Response {
    match site.settled().await.build {
        Build::Serving(address) => {
            let url = format!("http://{address}{}", target(parts));
            send(site, &site.page, (url, passed_on(&parts.headers)), (&parts.method, body)).await
        }
        Build::Failed { what, said } => answers::failed(&what, &said),
        Build::Running => answers::silent(&site.page, "the build has ended without a result"),
    }
}

async fn to_rest(site: &Site, rest: &Url, parts: &Parts, body: Body) -> Response {
    let origin = rest.as_str().trim_end_matches('/');
    let mut headers = passed_on(&parts.headers);
    // The rest is another site: it is asked under its own name, and told the one that the browser knows.
    if let Some(host) = headers.remove(header::HOST) {
        headers.insert("x-forwarded-host", host);
    }
    let url = format!("{origin}{}", target(parts));
    let mut answer = send(site, origin, (url, headers), (&parts.method, body)).await;
    if let Some(location) = answer.headers_mut().get_mut(header::LOCATION)
        && let Some(local) = local_location(location, origin)
    {
        *location = local;
    }
    answer
}

async fn send(site: &Site, who: &str, to: (String, HeaderMap), what: (&Method, Body)) -> Response {
    let ((url, headers), (method, body)) = (to, what);
    let mut request = site.client.request(method.clone(), url).headers(headers.clone());
    if headers.contains_key(header::CONTENT_LENGTH) || !matches!(*method, Method::GET | Method::HEAD) {
        request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    match request.send().await {
        Ok(answer) => received(method, answer).await,
        Err(error) => answers::silent(who, &chain(&error)),
    }
}

async fn received(method: &Method, answer: reqwest::Response) -> Response {
    let status = answer.status();
    let mut headers = passed_on(answer.headers());
    let is_html = headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if !is_html || *method == Method::HEAD {
        return (status, headers, Body::from_stream(answer.bytes_stream())).into_response();
    }
    let html = match answer.bytes().await {
        Ok(html) => html,
        Err(error) => return answers::silent("the page", &chain(&error)),
    };
    // The bytes are others than the page's, and are to be asked for again after each build.
    for name in [header::CONTENT_LENGTH, header::ETAG, header::LAST_MODIFIED] {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, headers, reload::inject(&html)).into_response()
}

/// Header fields without those of the connection. Compression is not asked for, since HTML is changed on the way.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = headers.clone();
    for name in HOP_BY_HOP.iter().copied().chain(named.iter().map(String::as_str)).chain(["accept-encoding"]) {
        kept.remove(name);
    }
    kept
}

fn target(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |target| target.as_str())
}

/// A redirect to the rest's own origin stays on ours.
fn local_location(location: &HeaderValue, origin: &str) -> Option<HeaderValue> {
    let path = location.to_str().ok()?.strip_prefix(origin)?;
    let local = if path.is_empty() { "/" } else { path };
    if local.starts_with('/') { HeaderValue::from_str(local).ok() } else { None }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
