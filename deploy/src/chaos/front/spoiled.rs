//! One connection's answers: as they are, or spoiled.

use super::Way;
use crate::chaos::schedule::Spoil;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_stream::StreamExt;

/// Marks an answer that the process did not give, so that it is not taken for the process's.
pub(in crate::chaos) const MARK: &str = "x-fleet-fault";

const HUGE: usize = 100_000_000;
const PART: &[u8] = &[b'7'; 50_000];
const GARBAGE: &[u8] = br#"{"products":[{"slug":"squall-jack"#;

type Failure = Box<dyn Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Failure>;

/// A connection, as its requests see it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    way: Arc<Way>,
    behind: Arc<Mutex<SendRequest<Incoming>>>,
    /// The same socket, which ends by a reset when the last of both is closed.
    front: Arc<OwnedFd>,
}

impl Line {
    pub(super) fn new(way: Arc<Way>, behind: SendRequest<Incoming>, front: &TcpStream) -> io::Result<Self> {
        let front = Arc::new(front.as_fd().try_clone_to_owned()?);
        Ok(Self { way, behind: Arc::new(Mutex::new(behind)), front })
    }

    /// An error ends the connection.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let spoil = self.way.spoil();
        match spoil {
            None => self.through(request).await,
            Some(Spoil::Slow(by)) => {
                sleep(by).await;
                self.through(request).await
            }
            Some(Spoil::Error { done: false }) => Ok(internal_error()),
            Some(Spoil::Reset { done: false }) => Err(self.reset()),
            Some(spoil) => {
                let (head, body) = self.send(request).await?.into_parts();
                let body = body.collect().await?.to_bytes();
                match spoil {
                    Spoil::Reset { .. } => Err(self.reset()),
                    Spoil::Half => Ok(Response::from_parts(head, half(body))),
                    Spoil::Garbage if is_json(&head.headers) => Ok(json(whole(Bytes::from_static(GARBAGE)))),
                    Spoil::Huge => Ok(json(huge())),
                    Spoil::Garbage | Spoil::Slow(_) => Ok(Response::from_parts(head, whole(body))),
                    Spoil::Error { .. } => Ok(internal_error()),
                }
            }
        }
    }

    async fn through(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        Ok(self.send(request).await?.map(|body| body.map_err(Failure::from).boxed_unsync()))
    }

    async fn send(&self, request: Request<Incoming>) -> hyper::Result<Response<Incoming>> {
        let mut behind = self.behind.lock().await;
        behind.ready().await?;
        behind.send_request(request).await
    }

    fn reset(&self) -> Failure {
        let _ = rustix::net::sockopt::set_socket_linger(&*self.front, Some(Duration::ZERO));
        "the connection is to be reset".into()
    }
}

fn is_json(headers: &http::HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn internal_error() -> Response<Body> {
    let body = br#"{"error":{"code":"fault","message":"A fault that was made."}}"#;
    let mut answer = json(whole(Bytes::from_static(body)));
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

fn json(body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(MARK, HeaderValue::from_static("made"));
    answer
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// The head still promises all of it. An empty body has no half, and is left whole.
fn half(bytes: Bytes) -> Body {
    if bytes.is_empty() {
        return whole(bytes);
    }
    let first = bytes.slice(..bytes.len() / 2);
    let parts = [Ok(Frame::data(first)), Err(Failure::from("the body is to break off"))];
    let parts = tokio_stream::iter(parts).then(|part| async move {
        // What was given before goes out before this is looked at.
        tokio::task::yield_now().await;
        part
    });
    StreamBody::new(parts).boxed_unsync()
}

fn huge() -> Body {
    let parts = std::iter::repeat_n(Bytes::from_static(PART), HUGE / PART.len());
    StreamBody::new(tokio_stream::iter(parts.map(|part| Ok(Frame::data(part))))).boxed_unsync()
}
