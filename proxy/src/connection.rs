//! One client connection, from its first byte to its last: turn after turn through pingora, each head guarded.

use crate::gateway::Gateway;
use crate::head_guard::{GuardSettings, HeadGuard};
use crate::transport::Transport;
use pagefleet_config::Timeouts;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use std::sync::Arc;

/// What every connection of one thread is served with; cheap to clone.
#[derive(Clone)]
pub struct Serve {
    /// The thread's pingora proxy.
    pub proxy: Arc<HttpProxy<Gateway>>,
    /// What request heads are held against.
    pub guard: GuardSettings,
    /// How long a client may take.
    pub timeouts: Timeouts,
}

impl Serve {
    /// Serves a connection until it ends.
    pub async fn connection(self, transport: Transport, shutdown: ShutdownWatch) {
        let mut session = self.session(Box::new(HeadGuard::new(Box::new(transport), self.guard.clone())));
        while let Some(kept) = self.proxy.process_new_http(session, &shutdown).await {
            let (stream, settings) = kept.consume();
            HeadGuard::rearm(&stream);
            session = self.session(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
                self.bound(&mut session);
            }
        }
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
