//! One client connection, from its first byte to its last: turn after turn through pingora, each head guarded. A turn is cut
//! off when its instance has left and the grace has passed.

use crate::gateway::Gateway;
use crate::head_guard::{GuardSettings, HeadGuard};
use crate::overdue;
use crate::serving::{Cut, Serving};
use crate::transport::Transport;
use pagefleet_config::Timeouts;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use std::sync::Arc;
use tokio::sync::watch;

/// What every connection of one thread is served with; cheap to clone.
#[derive(Clone)]
pub struct Serve {
    /// What all threads share.
    pub gateway: Gateway,
    /// The thread's pingora proxy.
    pub proxy: Arc<HttpProxy<Gateway>>,
    /// What request heads are held against.
    pub guard: GuardSettings,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// Changes when what some instance is answering is to be cut off.
    pub cuts: watch::Receiver<()>,
    /// Becomes true when everything is to be cut off.
    pub cut_all: watch::Receiver<bool>,
}

impl Serve {
    /// Serves a connection until it ends.
    pub async fn connection(mut self, transport: Transport, shutdown: ShutdownWatch) {
        let serving = Arc::<Serving>::default();
        let guard = HeadGuard::new(Box::new(transport), self.guard.clone(), Arc::clone(&serving));
        let mut session = self.session(Box::new(guard));
        let proxy = Arc::clone(&self.proxy);
        let cut = loop {
            let turn = proxy.process_new_http(session, &shutdown);
            let kept = tokio::select! {
                kept = turn => kept,
                cut = self.cut(&serving) => break cut,
            };
            let Some(kept) = kept else { return };
            serving.answered();
            let (stream, settings) = kept.consume();
            HeadGuard::rearm(&stream);
            session = self.session(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
                self.bound(&mut session);
            }
        };
        let last_words = match cut {
            Cut::Overdue(asked, deadline) => overdue::answer_to(&self.gateway, &asked, deadline),
            Cut::Leaving => Vec::new(),
        };
        serving.end(&last_words).await;
    }

    /// Ends when this connection is to be cut off.
    async fn cut(&mut self, serving: &Serving) -> Cut {
        let instance_goes = async {
            loop {
                // The fleet, which tells, lives as long as the proxy.
                if self.cuts.changed().await.is_err() {
                    return std::future::pending().await;
                }
                if let Some(instance) = serving.cut_instance() {
                    return tracing::info!(instance = %instance.address, "request cut off: its instance's grace has passed");
                }
            }
        };
        let all_go = async {
            // As above: the worker, which tells, lives as long as its connections.
            if self.cut_all.wait_for(|cut| *cut).await.is_err() {
                std::future::pending().await
            }
        };
        let cut = tokio::select! {
            () = instance_goes => Cut::Leaving,
            () = all_go => Cut::Leaving,
            overdue = serving.overdue() => overdue,
        };
        serving.cut();
        cut
    }

    fn session(&self, stream: Stream) -> ServerSession {
        let mut session = ServerSession::new_http1(stream);
        session.set_write_timeout(Some(self.timeouts.write));
        session.set_total_drain_timeout(Some(self.timeouts.body));
        // A client that has sent its request and ended its side still wants the answer (RFC 9112 section 9.6).
        session.set_abort_on_close(false);
        self.bound(&mut session);
        session
    }

    /// The guard bounds idle time and head apart; pingora has one timer for both, which each request sets to endless.
    fn bound(&self, session: &mut ServerSession) {
        let both = self.timeouts.idle + self.timeouts.head;
        session.set_keepalive(Some(both.as_secs().max(1) + 1));
    }
}
