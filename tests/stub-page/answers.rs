//! The page's part: every path answers with who answered, to browsers in a document that pulls in every asset; some last
//! segments do more.
//!
//! - `…/echo`: the request as JSON: method, target, headers, body length and SHA-256;
//! - `…/stream`: the request body, chunk by chunk as it comes; `…/upload`: its length and SHA-256, read slowly;
//! - `…/ws`: a WebSocket that echoes; `…/events`: server-sent events, numbered, for ever;
//! - `…/slow/{ms}`: an answer after so many milliseconds;
//! - `…/redirect`, `…/cookie`: headers that name this instance; `…/cookie?name=value` sets that one;
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
use std::time::Duration;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{IntervalStream, ReceiverStream};

const BETWEEN_EVENTS: Duration = Duration::from_millis(200);
/// Between two reads of an upload.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn routes(stub: &Arc<Stub>) -> Router {
    Router::new()
        .route("/{page}/ws", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo_messages)))
        .fallback(answer)
        .with_state(Arc::clone(stub))
}

async fn answer(State(stub): State<Arc<Stub>>, request: Request) -> Response {
    stub.requests.fetch_add(1, Ordering::Relaxed);
    let before = stub.page_requests.fetch_add(1, Ordering::Relaxed);
    misbehave(&stub.args, before);
    tokio::time::sleep(stub.args.latency).await;
    if fails(stub.args.fail_percent, before) {
        return (StatusCode::INTERNAL_SERVER_ERROR, identifying(&stub)).into_response();
    }
    let path = request.uri().path().to_owned();
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "echo" => echo(request).await,
        "events" => events().into_response(),
        "stream" => stream_what_comes(request).into_response(),
        "upload" => read_slowly(request).await,
        "hang" => std::future::pending().await,
        "cut" => half_a_body().into_response(),
        "redirect" => redirect(&stub),
        "cookie" => {
            let pair = request.uri().query().unwrap_or("a=b");
            ([(header::SET_COOKIE, format!("{pair}; Domain=127.0.0.2; Path=/"))], "cookie").into_response()
        }
        "exit" => std::process::exit(1),
        ms if path.contains("/slow/") => {
            tokio::time::sleep(Duration::from_millis(ms.parse().unwrap_or_default())).await;
            (identifying(&stub), text(&stub)).into_response()
        }
        code if path.contains("/status/") => code
            .parse()
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::NOT_FOUND)
            .into_response(),
        _ if wants_html(request.headers()) => (identifying(&stub), Html(document(&stub))).into_response(),
        _ => (identifying(&stub), text(&stub)).into_response(),
    }
}

/// Dies, or resets the connection, if it is to at this request.
fn misbehave(args: &Args, requests_before: u64) {
    if args.exit_after_requests.is_some_and(|requests| requests_before >= requests) {
        std::process::exit(1);
    }
    if args.reset_while.as_ref().is_some_and(|file| file.exists()) {
        // What unwinds is the connection's own task, and the socket goes with it.
        std::panic::resume_unwind(Box::new("reset"));
    }
}

/// Whether the share of failures has passed another whole request with this one.
fn fails(percent: u64, requests_before: u64) -> bool {
    (requests_before + 1) * percent / 100 > requests_before * percent / 100
}

fn text(stub: &Stub) -> String {
    format!("{} {}\n", stub.args.page, stub.args.release)
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
    let digest = hexadecimal(&Sha256::digest(&body));
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

async fn read_slowly(request: Request) -> Response {
    let (mut digest, mut length) = (Sha256::new(), 0);
    let mut body = request.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else { return StatusCode::BAD_REQUEST.into_response() };
        tokio::time::sleep(PAUSE).await;
        length += chunk.len();
        digest.update(&chunk);
    }
    axum::Json(json!({"body_bytes": length, "body_sha256": hexadecimal(&digest.finalize())})).into_response()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    let mut number = 0;
    Sse::new(IntervalStream::new(tokio::time::interval(BETWEEN_EVENTS)).map(move |_| {
        number += 1;
        Ok(Event::default().data(number.to_string()))
    }))
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
