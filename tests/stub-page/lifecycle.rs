//! When the stub is ready, how it ends when it is asked to, and how it dies unasked.

use crate::{Args, Stub, answers, contract};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::serve::ListenerExt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// From the start to the end of the process.
pub(crate) struct Lifecycle {
    /// `None`: never.
    ready_from: Option<Instant>,
    ending: AtomicBool,
}

impl Lifecycle {
    /// At the start, which may be the start of a short life.
    pub(crate) fn begin(args: &Args) -> Self {
        if let Some(life) = args.exit_after {
            tokio::spawn(async move {
                tokio::time::sleep(life).await;
                std::process::exit(1);
            });
        }
        let ready_from = (!args.not_ready).then(|| Instant::now() + args.ready_after);
        Self { ready_from, ending: AtomicBool::new(false) }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.is_ending() && self.ready_from.is_some_and(|from| Instant::now() >= from)
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// From SIGTERM it is not ready; the future ends with the settle time.
    async fn ended(stub: Arc<Stub>, mut terminate: tokio::signal::unix::Signal) {
        terminate.recv().await;
        stub.lifecycle.ending.store(true, Ordering::Relaxed);
        tokio::time::sleep(stub.args.settle).await;
    }
}

/// Serves until SIGTERM, then finishes what is in flight.
pub(crate) async fn serve(stub: Arc<Stub>, listener: TcpListener) -> io::Result<()> {
    let routes = answers::routes(&stub).merge(contract::routes(&stub));
    let routes = routes.layer(middleware::map_response_with_state(Arc::clone(&stub), close_at_the_end));
    let resets = stub.args.reset_while.is_some();
    let listener = listener.tap_io(move |stream| {
        if resets && let Err(error) = stream.set_zero_linger() {
            eprintln!("a connection will be closed, not reset: {error}");
        }
    });
    let ended = Lifecycle::ended(stub, signal(SignalKind::terminate())?);
    axum::serve(listener, routes).with_graceful_shutdown(ended).await
}

/// Who is told so looks for another instance in time.
async fn close_at_the_end(State(stub): State<Arc<Stub>>, mut response: Response) -> Response {
    if stub.lifecycle.is_ending() {
        response.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
