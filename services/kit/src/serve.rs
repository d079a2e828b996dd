//! One server from bind to exit: it listens, answers health checks, and on a signal stops without losing a request.
//!
//! - `GET /health/live` is 200 while the process works; a page tells more there, by [`Server::live`].
//! - `GET /health/ready` is 200 while the server may get traffic, and 503 from the moment it was asked to stop.
//! - A request that says how long its client waits ([`context::REQUEST_TIMEOUT`](crate::context::REQUEST_TIMEOUT)) is
//!   given up after that; a page finishes all the same, by [`Server::finishing_late`].
//! - SIGTERM: not ready at once, then the settle time during which every answer says `Connection: close`, then what
//!   is in flight is finished, then exit. SIGINT is a developer at a terminal, so nothing has to settle.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::{Route, get};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tower::Service;

use crate::args::Listen;
use crate::layers::{self, Answer};

/// Requests in flight get this long to finish once the settle time is over.
const FINISH: Duration = Duration::from_secs(30);

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address} (--listen, PAGEFLEET_LISTEN)")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no signal handler.
    #[error("cannot handle signals")]
    Signals(#[source] io::Error),
}

/// How a server was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: someone routes requests to us and has to notice first.
    Settle,
    /// SIGINT: nobody does.
    AtOnce,
}

/// Whether a server may get traffic: yes, until it is asked to stop, and then never again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// Whether new requests are welcome.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Acquire)
    }

    /// Turns not-ready, for good.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

/// A server that is about to run.
pub struct Server {
    name: &'static str,
    listen: SocketAddr,
    settle: Duration,
    readiness: Readiness,
    finishes_late: bool,
    live: Arc<dyn Fn() -> Value + Send + Sync>,
}

impl Server {
    /// A server by its name in the logs, with the address and settle time of its flags.
    pub fn new(name: &'static str, args: &Listen) -> Self {
        Self {
            name,
            listen: args.listen,
            settle: args.settle,
            readiness: Readiness::default(),
            finishes_late: false,
            live: Arc::new(move || json!({ "service": name })),
        }
    }

    /// Answers `GET /health/live` with what `body` says at that moment.
    #[must_use]
    pub fn live(mut self, body: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.live = Arc::new(body);
        self
    }

    /// Lets a handler finish when its request's deadline has passed, as pages do: what they ask fails by then, and a view
    /// that lacks something is better than none.
    #[must_use]
    pub fn finishing_late(mut self) -> Self {
        self.finishes_late = true;
        self
    }

    /// The handle that tells whether this server is ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Binds the address and serves `router` until SIGTERM or SIGINT. Ok when every request was answered, or given
    /// up after 30 s.
    ///
    /// # Errors
    /// When the address can't be listened on, or signals not handled.
    pub async fn run(self, router: Router) -> Result<(), Error> {
        let app = self.app(router);
        self.run_app(app).await
    }

    /// The same for what [`Server::app`] and [`Server::around`] have made.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub async fn run_app(self, app: Router) -> Result<(), Error> {
        let listener = bind(self.listen).await?;
        let stop = signals().map_err(Error::Signals)?;
        self.serve(listener, app, stop).await;
        Ok(())
    }

    /// Serves `router` on a bound listener until `stop` resolves; for tests.
    pub async fn run_on(self, listener: TcpListener, router: Router, stop: impl Future<Output = Stop>) {
        let app = self.app(router);
        self.serve(listener, app, stop).await;
    }

    async fn serve(self, listener: TcpListener, app: Router, stop: impl Future<Output = Stop>) {
        let address = listener.local_addr().unwrap_or(self.listen);
        // An answer is written in one go: waiting to fill a packet only adds delay.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
        });
        let (finish, finishing) = oneshot::channel::<()>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            let _either_way_it_is_time = finishing.await;
        });
        let mut serving = tokio::spawn(serving.into_future());
        tracing::info!(%address, name = self.name, "listening");

        let settle = match stop.await {
            Stop::Settle => self.settle,
            Stop::AtOnce => Duration::ZERO,
        };
        self.readiness.stop();
        tracing::info!(settle_ms = settle.as_millis() as u64, "stopping");
        tokio::time::sleep(settle).await;
        drop(finish);
        match tokio::time::timeout(FINISH, &mut serving).await {
            Ok(_) => tracing::info!("stopped"),
            Err(_) => tracing::warn!(after_ms = FINISH.as_millis() as u64, "stopped with requests in flight"),
        }
    }

    /// `router` with the health routes and everything that happens around a request; in process, for tests.
    pub fn app(&self, router: Router) -> Router {
        let (live, readiness) = (self.live.clone(), self.readiness.clone());
        let health = Router::new()
            .route("/health/live", get(async move || Json(live())))
            .route("/health/ready", get(async move || ready(&readiness)));
        let as_it_is = |request, inside: &mut Route| inside.call(request);
        let router = match self.finishes_late {
            true => self.around(router, as_it_is),
            false => self.around(router, layers::until_the_deadline),
        };
        router.merge(self.around(health, as_it_is))
    }

    /// `router` with what happens around every request, and `around` within that, as [`layers::around`] has it. It is one
    /// layer for both, since each takes boxes and moves the request about.
    pub fn around<F, A>(&self, router: Router, around: F) -> Router
    where
        F: Fn(Request, &mut Route) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let readiness = self.readiness();
        layers::around(router, move |request, inside| layers::in_context(request, inside, &around, &readiness))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Binds `address`.
///
/// # Errors
/// When it can't be listened on; the error names it, and the flag and variable it came from.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

fn ready(readiness: &Readiness) -> (StatusCode, Json<Value>) {
    match readiness.is_ready() {
        true => (StatusCode::OK, Json(json!({ "ready": true }))),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false }))),
    }
}

fn signals() -> io::Result<impl Future<Output = Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Stop::Settle,
            _ = interrupt.recv() => Stop::AtOnce,
        }
    })
}
