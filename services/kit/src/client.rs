//! JSON calls to another service: where it is, how long it may take, and what its answers mean.
//!
//! ```no_run
//! # async fn example() -> Result<(), service_kit::client::Error> {
//! # #[derive(serde::Deserialize)] struct Products {}
//! let catalog = service_kit::client::Service::at("catalog", "http://127.0.0.1:7001").expect("an address");
//! let products: Products = catalog.get(&["products"]).query("category", "tents").send().await?;
//! # Ok(()) }
//! ```
//!
//! Each call has a deadline, carries on the context of the request in which it was put together, and reads a bounded
//! answer. Calls are not repeated here: whoever calls knows whether that is safe.

mod error;
mod transport;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{ConfigError, Error, NAMELESS, Refusal};

use crate::context;
use transport::{Reply, Transport};

/// What a call may take in total, unless [`Service::with_deadline`] says otherwise.
const DEADLINE: Duration = Duration::from_secs(3);

/// A service to call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    name: Arc<str>,
    base: Url,
    transport: Transport,
    deadline: Duration,
}

impl Service {
    /// The service that `PAGEFLEET_SERVICE_<NAME>` tells of, as in `PAGEFLEET_SERVICE_CATALOG=http://127.0.0.1:7001`.
    ///
    /// # Errors
    /// When the variable is not set or no `http://` address; the error names it.
    pub fn from_env(name: &str) -> Result<Self, ConfigError> {
        let variable = variable(name);
        match env::var(&variable) {
            Ok(address) => Self::parse(name, &variable, &address),
            Err(_) => Err(ConfigError::Missing { service: name.to_owned(), variable }),
        }
    }

    /// The service at an `http://` address.
    ///
    /// # Errors
    /// When it is no such address.
    pub fn at(name: &str, address: &str) -> Result<Self, ConfigError> {
        Self::parse(name, &variable(name), address)
    }

    /// A service that is a router of this very process: sample data, or a test's stand-in.
    pub fn in_process(name: &str, router: axum::Router) -> Self {
        let base = Url::parse("http://in-process/").expect("the address is well-formed");
        Self { name: name.into(), base, transport: Transport::InProcess(router), deadline: DEADLINE }
    }

    /// The same service, with another total deadline for each call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `GET` the resource at these path segments, which are encoded here: `&["products", slug]`.
    pub fn get(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// `POST` to the resource at these path segments.
    pub fn post(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// `PUT` the resource at these path segments.
    pub fn put(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    /// `DELETE` the resource at these path segments.
    pub fn delete(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    fn request(&self, method: Method, path: &[&str]) -> Request<'_> {
        // No resource of ours has such a name, and a URL would resolve them away and ask for another resource.
        let nameless = path.iter().any(|segment| matches!(*segment, "" | "." | ".."));
        let mut url = self.base.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(path);
        let mut headers = context::current().map(|context| context.headers()).unwrap_or_default();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let resource = path.first().copied().unwrap_or_default().to_owned();
        Request { service: self, method, url, headers, body: Bytes::new(), resource, nameless }
    }

    fn parse(name: &str, variable: &str, address: &str) -> Result<Self, ConfigError> {
        let malformed = || ConfigError::Address { variable: variable.to_owned(), address: address.to_owned() };
        let base = Url::parse(address).map_err(|_| malformed())?;
        if base.scheme() != "http" || !base.has_host() {
            return Err(malformed());
        }
        Ok(Self { name: name.into(), base, transport: Transport::http(), deadline: DEADLINE })
    }
}

/// One call, as it is put together.
#[derive(Debug)]
#[must_use = "a call goes out with `send` or `done`"]
pub struct Request<'a> {
    service: &'a Service,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    /// The first segment of the path: what a log line may have of it, since the rest names baskets and orders.
    resource: String,
    nameless: bool,
}

impl Request<'_> {
    /// Adds one pair to the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
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

    /// Calls and reads a JSON answer.
    ///
    /// # Errors
    /// When the service refused or failed, gave no answer, or one that is no `T`.
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        let name = self.service.name.clone();
        let body = self.call().await?;
        serde_json::from_slice(&body).map_err(|error| Error::Garbage { service: name, reason: error.to_string() })
    }

    /// Calls, and reads no more of the answer than that it is a success.
    ///
    /// # Errors
    /// When the service refused or failed, or gave no answer.
    pub async fn done(self) -> Result<(), Error> {
        self.call().await.map(|_body| ())
    }

    async fn call(self) -> Result<Bytes, Error> {
        let service = self.service;
        if self.nameless {
            return Err(Error::Refused { service: service.name.clone(), refusal: Refusal::nameless() });
        }
        let (method, resource) = (self.method.clone(), self.resource.clone());
        let started = Instant::now();
        let reply = self.transmit().await;
        let duration_ms = started.elapsed().as_micros() as f64 / 1000.0;
        let status = reply.as_ref().ok().map(|reply| reply.status.as_u16());
        tracing::debug!(service = %service.name, %method, resource, status, duration_ms, "called");
        let reply = reply?;
        match reply.status {
            status if status.is_success() => Ok(reply.body),
            status if status.is_client_error() => {
                let refusal = Refusal::read(status, &reply.body);
                Err(Error::Refused { service: service.name.clone(), refusal })
            }
            status => Err(Error::Failed { service: service.name.clone(), status }),
        }
    }

    async fn transmit(self) -> Result<Reply, Error> {
        let service = self.service;
        // A URI has a maximal length, which a visitor's search or path can exceed: nothing has such a name either.
        let Ok(uri) = self.url.as_str().parse() else {
            return Err(Error::Refused { service: service.name.clone(), refusal: Refusal::nameless() });
        };
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        let transfer = service.transport.send(&service.name, request);
        match tokio::time::timeout(service.deadline, transfer).await {
            Ok(reply) => reply,
            Err(_) => Err(Error::Timeout { service: service.name.clone(), after: service.deadline }),
        }
    }
}

fn variable(name: &str) -> String {
    format!("PAGEFLEET_SERVICE_{}", name.to_ascii_uppercase().replace('-', "_"))
}
