//! A service that fails as it is told.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use service_kit::client::Service;
use tokio_stream::iter;

/// What a service does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never answers.
    Hangs,
    /// It answers 500.
    Fails,
    /// It answers something that is no JSON.
    TalksNonsense,
    /// It answers without an end.
    TalksOn,
    /// It breaks off in its answer.
    BreaksOff,
}

impl Fault {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Hangs, Self::Fails, Self::TalksNonsense, Self::TalksOn, Self::BreaksOff];
}

/// A service in process, and the fault that it has at the moment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Faulty {
    service: Service,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Faulty {
    /// The service `name` out of `router`, without a fault.
    pub fn new(name: &str, router: Router) -> Self {
        let fault = Arc::default();
        let router = router.layer(from_fn_with_state(Arc::clone(&fault), instead));
        Self { service: Service::in_process(name, router), fault }
    }

    /// The service to call.
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// From now on the service has this fault, or none.
    pub fn has(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

async fn instead(State(fault): State<Arc<Mutex<Option<Fault>>>>, request: Request, next: Next) -> Response {
    let fault = *fault.lock().unwrap_or_else(PoisonError::into_inner);
    match fault {
        None => next.run(request).await,
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::Fails) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::TalksNonsense) => "<html>".into_response(),
        Some(Fault::TalksOn) => {
            let chunks = std::iter::repeat(Bytes::from(vec![b'x'; 64 * 1024]));
            Body::from_stream(iter(chunks.map(Ok::<_, Infallible>))).into_response()
        }
        Some(Fault::BreaksOff) => {
            let half = Ok(Bytes::from_static(b"{\"products\":["));
            let end = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            Body::from_stream(iter([half, end])).into_response()
        }
    }
}
