//! One client connection, from its first byte to its last: it waits for a head, which is guarded, and then is answered at
//! once ([`crate::at_once`]) or takes a turn through pingora. While it waits it is no more than a socket. A turn is cut off
//! when its instance has left and the grace has passed.

use crate::gateway::Gateway;
use crate::head_guard::{GuardSettings, HeadGuard};
use crate::overdue;
use crate::serving::{Cut, Serving};
use crate::transport::Transport;
use http::request::Parts;
use pagefleet_config::Timeouts;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::sync::watch;

/// What every connection of one thread is served with.
pub struct Serve {
    /// What all threads share.
    pub gateway: Gateway,
    /// The thread's pingora proxy.
    pub proxy: Arc<HttpProxy<Gateway>>,
    /// What request heads are held against.
    pub guard: GuardSettings,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// True while the thread takes no new connection.
    pub stopping: ShutdownWatch,
    /// Which connections are to end.
    pub ending: watch::Receiver<Ending>,
}

/// Which connections are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// None.
    No,
    /// Those that wait for a head.
    Idle,
    /// All.
    All,
}

/// What a connection waits for only now and then is no part of it: an idle one is to be small.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Serve {
    /// Serves a connection until it ends.
    pub async fn connection(self: Arc<Self>, transport: Transport) {
        let (serving, peer) = (Arc::<Serving>::default(), transport.peer().ip());
        let mut guard = Box::new(HeadGuard::new(Box::new(transport), self.guard.clone(), Arc::clone(&serving)));
        let (mut ending, mut cutting) = (self.ending.clone(), self.ending.clone());
        // Both go on from turn to turn: to begin anew to wait costs more than to go on.
        let mut closed = pin!(ends(&mut ending, Ending::Idle));
        let mut cut = pin!(self.cut(&serving, &mut cutting));
        let cut = loop {
            let has_head = tokio::select! {
                biased;
                has_head = guard.next_head() => has_head,
                () = &mut closed => false,
            };
            if !has_head {
                return;
            }
            if let Some(plain) = guard.whole_message().and_then(|message| self.gateway.plain_request(message)) {
                let answered = tokio::select! {
                    biased;
                    answered = self.at_once(plain, peer, &mut guard) => Ok(answered),
                    cut = &mut cut => Err(cut),
                };
                match answered {
                    Ok(Some(true)) => continue,
                    Ok(Some(false)) => return,
                    Ok(None) => {}
                    Err(cut) => {
                        drop(guard);
                        break cut;
                    }
                }
            }
            let mut turn = self.turn(guard);
            let kept = tokio::select! {
                biased;
                kept = &mut turn => kept,
                cut = &mut cut => break cut,
            };
            let Some(kept) = kept else { return };
            serving.answered();
            let (stream, _settings) = kept.consume();
            guard = match stream.into_any().downcast() {
                Ok(guard) => guard,
                Err(_) => return tracing::error!("pingora gave back another stream than it got"),
            };
        };
        let last_words = match cut {
            Cut::Overdue(asked, deadline) => overdue::answer_to(&self.gateway, &asked, deadline),
            Cut::Leaving => Vec::new(),
        };
        Box::pin(serving.end(&last_words)).await;
    }

    /// Ends when the turn is to be cut off; the stream, which goes with it, then leaves its socket behind.
    async fn cut(&self, serving: &Serving, ending: &mut watch::Receiver<Ending>) -> Cut {
        let mut cuts = self.gateway.fleet.cuts();
        let instance_goes = async {
            loop {
                // The fleet, which tells, lives as long as the proxy.
                if cuts.changed().await.is_err() {
                    return std::future::pending().await;
                }
                if let Some(instance) = serving.cut_instance() {
                    return tracing::info!(instance = %instance.address, "request cut off: its instance's grace has passed");
                }
            }
        };
        let cut = tokio::select! {
            () = instance_goes => Cut::Leaving,
            () = ends(ending, Ending::All) => Cut::Leaving,
            overdue = serving.overdue() => overdue,
        };
        serving.cut();
        cut
    }

    /// Answers a request, if there is an answer at hand; whether the connection may then bring another one.
    fn at_once<'a>(&'a self, plain: Parts, peer: IpAddr, guard: &'a mut HeadGuard) -> Boxed<'a, Option<bool>> {
        Box::pin(async move {
            let answer = self.gateway.at_once(plain, peer).await?;
            Some(answer.send(&self.gateway, guard, self.timeouts.write).await)
        })
    }

    /// One request through pingora.
    fn turn(&self, mut guard: Box<HeadGuard>) -> Boxed<'_, Option<ReusedHttpStream>> {
        let message = guard.begin_message();
        let mut session = ServerSession::new_http1(guard);
        session.set_pipelined_prefix(message);
        session.set_write_timeout(Some(self.timeouts.write));
        session.set_total_drain_timeout(Some(self.timeouts.body));
        // A client that has sent its request and ended its side still wants the answer (RFC 9112 section 9.6).
        session.set_abort_on_close(false);
        // The guard bounds how long a connection is idle; to pingora it is one that may be kept.
        session.set_keepalive(Some(self.timeouts.idle.as_secs().max(1)));
        self.proxy.process_new_http(session, &self.stopping)
    }
}

/// Waits until connections like this are to end. The worker, which tells, lives as long as its connections.
async fn ends(ending: &mut watch::Receiver<Ending>, which: Ending) {
    if ending.wait_for(|ending| *ending >= which).await.is_err() {
        std::future::pending().await
    }
}
