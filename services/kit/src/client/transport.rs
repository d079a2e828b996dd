//! How a call travels: over HTTP, or straight into a router of this process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::Error;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(1);

/// The longest answer that is read.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// The way to a service.
#[derive(Debug, Clone)]
pub(super) enum Transport {
    /// HTTP/1.1 over TCP, with kept-alive connections.
    Http(reqwest::Client),
    /// A router of this process.
    InProcess(Router),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Transport {
    /// HTTP, straight to the service: no proxy from the environment, no redirects.
    pub(super) fn http() -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Self::Http(client.expect("a client without TLS has nothing to fail on"))
    }

    pub(super) async fn send(&self, service: &Arc<str>, request: Request<Bytes>) -> Result<Reply, Error> {
        match self {
            Self::Http(client) => over_http(client, service, request).await,
            Self::InProcess(router) => in_process(router, service, request).await,
        }
    }
}

async fn over_http(client: &reqwest::Client, service: &Arc<str>, request: Request<Bytes>) -> Result<Reply, Error> {
    let broken = |source: reqwest::Error| match source.is_connect() {
        true => Error::Unreachable { service: service.clone(), source: source.without_url() },
        false => Error::Interrupted { service: service.clone(), source: source.without_url().into() },
    };
    let request = reqwest::Request::try_from(request).map_err(broken)?;
    let mut response = client.execute(request).await.map_err(broken)?;
    let status = response.status();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(too_long(service));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, body: body.freeze() })
}

async fn in_process(router: &Router, service: &Arc<str>, request: Request<Bytes>) -> Result<Reply, Error> {
    let Ok(response) = router.clone().oneshot(request.map(Body::from)).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), ANSWER_MAX).await;
    Ok(Reply { status, body: body.map_err(|_| too_long(service))? })
}

fn too_long(service: &Arc<str>) -> Error {
    Error::Garbage { service: service.clone(), reason: format!("longer than {ANSWER_MAX} bytes") }
}
