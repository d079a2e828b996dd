//! One call: how it is put together, how it goes out, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::transport::Reply;
use super::{Error, Place, Refusal, Service, target};
use crate::context::{REQUEST_TIMEOUT, RequestContext};

/// One call, as it is put together.
#[derive(Debug, Clone)]
#[must_use = "a call goes out with `send` or `done`"]
pub struct Request {
    pub(super) service: Service,
    pub(super) method: Method,
    /// What it asks for: path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The first segment of the path: what a log line may have of it, since the rest names baskets and orders.
    pub(super) resource: String,
    pub(super) nameless: bool,
    /// Of the request in which this one was put together.
    pub(super) context: Option<RequestContext>,
}

impl Request {
    /// Adds one pair to the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        target::append_pair(&mut self.target, name, value);
        self
    }

    /// Adds a header; one whose value no header can have is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds `Authorization: Bearer <token>` (RFC 6750).
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// Sends `body` as JSON.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).expect("our bodies have string keys and finite numbers").into();
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// Allows no more than this in total, if that is less than the service's own deadline.
    pub fn within(mut self, time: Duration) -> Self {
        self.service.deadline = self.service.deadline.min(time);
        self
    }

    /// What it asks for: path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether its answer is for one visitor: it says who asks.
    pub fn is_personal(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// What it may take, if it goes out now: the service's own deadline, or what the request has left in which it was
    /// put together.
    pub fn time_left(&self) -> Duration {
        let left = self.context.as_ref().map_or(Duration::MAX, RequestContext::remaining);
        left.min(self.service.deadline)
    }

    /// Calls and reads a JSON answer.
    ///
    /// # Errors
    /// When the service refused or failed, gave no answer, or one that is no `T`.
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.send_and_read(|bytes| serde_json::from_slice(bytes)).await.map(|(answer, _length)| answer)
    }

    /// Calls and reads the answer by `read`, for those who keep it and its length in bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_and_read<T>(self, read: fn(&[u8]) -> serde_json::Result<T>) -> Result<(T, usize), Error> {
        let name = self.service.place.name.clone();
        let body = self.call().await?;
        let answer = read(&body).map_err(|error| Error::Garbage { service: name, reason: error.to_string() })?;
        Ok((answer, body.len()))
    }

    /// Calls, and reads no more of the answer than that it is a success.
    ///
    /// # Errors
    /// When the service refused or failed, or gave no answer.
    pub async fn done(self) -> Result<(), Error> {
        self.call().await.map(|_body| ())
    }

    async fn call(self) -> Result<Bytes, Error> {
        if self.nameless {
            return Err(Error::Refused { service: self.service.place.name.clone(), refusal: Refusal::nameless() });
        }
        let (service, method, resource) = (self.service.place.name.clone(), self.method.clone(), self.resource.clone());
        let started = Instant::now();
        let reply = self.transmit().await;
        let duration_ms = started.elapsed().as_micros() as f64 / 1000.0;
        let status = reply.as_ref().ok().map(|reply| reply.status.as_u16());
        tracing::debug!(%service, %method, resource, status, duration_ms, "called");
        let reply = reply?;
        match reply.status {
            status if status.is_success() => Ok(reply.body),
            status if status.is_client_error() => {
                Err(Error::Refused { service, refusal: Refusal::read(status, &reply.body) })
            }
            status => Err(Error::Failed { service, status }),
        }
    }

    async fn transmit(self) -> Result<Reply, Error> {
        let after = self.time_left();
        let Place { name, base, transport } = &*self.service.place;
        if after.is_zero() {
            return Err(Error::Timeout { service: name.clone(), after });
        }
        // A URI has a maximal length, which a visitor's search or path can exceed: nothing has such a name either.
        let Ok(uri) = format!("{base}{}", self.target).parse() else {
            return Err(Error::Refused { service: name.clone(), refusal: Refusal::nameless() });
        };
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        *headers = self.context.as_ref().map(RequestContext::headers).unwrap_or_default();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.headers);
        let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1);
        headers.insert(REQUEST_TIMEOUT, milliseconds.into());
        match tokio::time::timeout(after, transport.send(name, request)).await {
            Ok(reply) => reply,
            Err(_) => Err(Error::Timeout { service: name.clone(), after }),
        }
    }
}
