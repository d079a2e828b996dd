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
//! Each call has a deadline of its own, carries on the context of the request in which it was put together, lasts no
//! longer than that request, and reads a bounded answer. Calls are not repeated here: whoever calls knows whether that is
//! safe.

mod error;
mod request;
mod target;
mod transport;

use std::env;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use reqwest::Url;

pub use error::{ConfigError, Error, NAMELESS, Refusal};
pub use request::Request;

use crate::context;
use transport::Transport;

/// What a call may take in total, unless [`Service::with_deadline`] says otherwise.
const DEADLINE: Duration = Duration::from_secs(3);

/// A service to call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    place: Arc<Place>,
    deadline: Duration,
}

/// Where a service is.
#[derive(Debug)]
struct Place {
    name: Arc<str>,
    /// Its URL, without a slash at the end.
    base: String,
    transport: Transport,
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
        Self::reached(name, "http://in-process/", Transport::InProcess(router))
    }

    fn reached(name: &str, base: &str, transport: Transport) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { place: Arc::new(Place { name: name.into(), base, transport }), deadline: DEADLINE }
    }

    /// The same service, with another total deadline for each call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// `GET` the resource at these path segments, which are encoded here: `&["products", slug]`.
    pub fn get(&self, path: &[&str]) -> Request {
        self.request(Method::GET, path)
    }

    /// `POST` to the resource at these path segments.
    pub fn post(&self, path: &[&str]) -> Request {
        self.request(Method::POST, path)
    }

    /// `PUT` the resource at these path segments.
    pub fn put(&self, path: &[&str]) -> Request {
        self.request(Method::PUT, path)
    }

    /// `DELETE` the resource at these path segments.
    pub fn delete(&self, path: &[&str]) -> Request {
        self.request(Method::DELETE, path)
    }

    fn request(&self, method: Method, path: &[&str]) -> Request {
        // No resource of ours has such a name, and a URL would resolve them away and ask for another resource.
        let nameless = path.iter().any(|segment| matches!(*segment, "" | "." | ".."));
        let resource = path.first().copied().unwrap_or_default().to_owned();
        Request {
            service: self.clone(),
            method,
            target: target::of(path),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            resource,
            nameless,
            context: context::current(),
        }
    }

    fn parse(name: &str, variable: &str, address: &str) -> Result<Self, ConfigError> {
        let malformed = || ConfigError::Address { variable: variable.to_owned(), address: address.to_owned() };
        let mut base = Url::parse(address).map_err(|_| malformed())?;
        if base.scheme() != "http" || !base.has_host() {
            return Err(malformed());
        }
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self::reached(name, base.as_str(), Transport::http()))
    }
}

fn variable(name: &str) -> String {
    format!("PAGEFLEET_SERVICE_{}", name.to_ascii_uppercase().replace('-', "_"))
}
