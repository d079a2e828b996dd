//! The page's part: every path answers with who answered, to browsers in a document that pulls in every asset; some last
//! segments do more.
//!
//! - `…/echo`: the request as JSON: method, target, headers, body length and SHA-256;
//! - `…/stream`: the request body, chunk by chunk as it comes;
//! - `…/ws`: a WebSocket that echoes; `…/events`: server-sent events;
//! - `…/redirect`, `…/cookie`: headers that name this instance;
//! - `…/status/{code}`: that status; `…/hang`: no answer ever; `…/cut`: half a body, then the process ends.

use crate::{Args, Stub};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

pub(crate) fn routes(stub: &Arc<Stub>) -> Router {
    Router::new()
        .route("/{page}/ws", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo_messages)))
        .fallback(answer)
        .with_state(Arc::clone(stub))
}

async fn answer(State(stub): State<Arc<Stub>>, request: Request) -> Response {
    stub.requests.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(stub.args.latency).await;
    let path = request.uri().path().to_owned();
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "echo" => echo(request).await,
        "events" => events().into_response(),
        "stream" => stream_what_comes(request).into_response(),
        "hang" => std::future::pending().await,
        "cut" => half_a_body().into_response(),
        "redirect" => redirect(&stub),
        "cookie" => ([(header::SET_COOKIE, "a=b; Domain=127.0.0.2; Path=/")], "cookie").into_response(),
        "exit" => std::process::exit(1),
        code if path.contains("/status/") => code
            .parse()
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::NOT_FOUND)
            .into_response(),
        _ if wants_html(request.headers()) => (identifying(&stub), Html(document(&stub))).into_response(),
        _ => (identifying(&stub), format!("{} {}\n", stub.args.page, stub.args.release)).into_response(),
    }
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("html"))
}

fn document(stub: &Stub) -> String {
    let Args { page, release, .. } = &stub.args;
    let tags: String = stub.assets.iter().map(|asset| format!("{}\n", asset.tag())).collect();
    format!("<!doctype html>\n<html lang=\"en\">\n<title>{page}</title>\n{tags}<h1>{page} {release}</h1>\n</html>\n")
}

fn identifying(stub: &Stub) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [("server", "stub"), ("x-powered-by", "stub"), ("x-page", "faked"), ("x-proxy-error", "faked")]
    {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    headers.insert("connection", header::HeaderValue::from_static("x-hop"));
    headers.insert("x-hop", header::HeaderValue::from_static("1"));
    headers.extend(
        header::HeaderValue::from_str(&stub.args.release)
            .ok()
            .map(|value| (header::HeaderName::from_static("x-stub-release"), value)),
    );
    headers
}

fn redirect(stub: &Stub) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("http://{}/{}/there?a=1", stub.address, stub.args.page))])
        .into_response()
}

async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    let headers =
        head.headers.iter().map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
    let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    axum::Json(json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers.collect::<Vec<_>>(),
        "body_bytes": body.len(),
        "body_sha256": digest,
    }))
    .into_response()
}

/// Sends every chunk of the request's body back as it comes, so that a client can tell streaming from buffering.
fn stream_what_comes(request: Request) -> Body {
    Body::from_stream(request.into_body().into_data_stream())
}

fn half_a_body() -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    tokio::spawn(async move {
        // The receiver is the response's body: it is gone only when the client is.
        let _ = sender.send(Ok(Bytes::from_static(b"the first half"))).await;
        let _ = sender.send(Err(std::io::Error::other("cut"))).await;
    });
    Body::from_stream(ReceiverStream::new(receiver)).into_response()
}

fn events() -> Sse<impl tokio_stream::Stream<Item = Result<Event, Infallible>>> {
    let events = tokio_stream::iter(["one", "two"]).map(|data| Ok(Event::default().data(data)));
    Sse::new(events.chain(tokio_stream::pending()))
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
