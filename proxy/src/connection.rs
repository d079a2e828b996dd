//! One client connection, from its first byte to its last: it waits for a head, which is guarded; then it is answered
//! ([`crate::course`]), or takes a turn through pingora. When it waits for longer it is parked ([`crate::parking`]). A turn is cut off
//! when its instance has left and the grace has passed.

use crate::course::Course;
use crate::forward::{Forward, Forwarded};
use crate::gateway::Gateway;
use crate::head_guard::{GuardSettings, HeadGuard, Next};
use crate::overdue;
use crate::parking::Parked;
use crate::plain;
use crate::request::Request;
use crate::serving::{Cut, Serving};
use crate::transport::Transport;
use crate::upstreams::Upstreams;
use bytes::Bytes;
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
    /// The thread's connections to instances.
    pub upstreams: Arc<Upstreams>,
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

/// What only some connections wait for.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Serve {
    /// Serves a connection that has brought so many requests until it ends, or has been idle for a while and is to be parked.
    pub async fn connection(self: Arc<Self>, transport: Transport, requests: u32) -> Option<Parked> {
        let (serving, peer) = (Arc::<Serving>::default(), transport.peer().ip());
        let mut guard =
            Box::new(HeadGuard::new(Box::new(transport), self.guard.clone(), Arc::clone(&serving), requests));
        let (mut ending, mut cutting) = (self.ending.clone(), self.ending.clone());
        // Both go on from turn to turn: to begin anew to wait costs more than to go on.
        let mut closed = pin!(ends(&mut ending, Ending::Idle));
        let mut cut = pin!(self.cut(&serving, &mut cutting));
        let cut = loop {
            let next = tokio::select! {
                biased;
                next = guard.next_head() => next,
                () = &mut closed => Next::End,
            };
            match next {
                Next::Head => {}
                Next::Nothing => return guard.park().ok(),
                Next::End => return None,
            }
            let (message, head) = guard.begin_message();
            let mut known = None;
            if let Some(plain) = head.and_then(|head| plain::head_of(&message, head)) {
                let answered = tokio::select! {
                    biased;
                    answered = self.answer(plain, peer, &mut guard, &serving) => Ok(answered),
                    cut = &mut cut => Err(cut),
                };
                match answered {
                    Ok(Forwarded::Answered { is_kept }) => {
                        serving.answered();
                        if is_kept {
                            continue;
                        }
                        return None;
                    }
                    Ok(Forwarded::HandedOver(request)) => known = Some(request),
                    Err(cut) => {
                        drop(guard);
                        break cut;
                    }
                }
            }
            serving.hand_over(known);
            let mut turn = self.turn(guard, message);
            let kept = tokio::select! {
                biased;
                kept = &mut turn => kept,
                cut = &mut cut => break cut,
            };
            let kept = kept?;
            serving.answered();
            let (stream, _settings) = kept.consume();
            guard = match stream.into_any().downcast() {
                Ok(guard) => guard,
                Err(_) => {
                    tracing::error!("pingora gave back another stream than it got");
                    return None;
                }
            };
        };
        let last_words = match cut {
            Cut::Overdue(asked, deadline) => overdue::answer_to(&self.gateway, &asked, deadline),
            Cut::Leaving => Vec::new(),
        };
        Box::pin(serving.end(&last_words)).await;
        None
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

    /// Answers a plain request, or hands it over.
    async fn answer(&self, head: Parts, peer: IpAddr, guard: &mut HeadGuard, serving: &Serving) -> Forwarded {
        let (gateway, timeouts) = (&self.gateway, &self.timeouts);
        let mut request = Box::new(Request::new());
        request.meet(&head.headers, Some(peer), &gateway.live.load().file.trusted_proxies);
        match gateway.course(&head, &mut request).await {
            Course::AtHand(answer) => {
                let is_kept = answer.send(gateway, (&head, &request), guard, timeouts.write).await;
                Forwarded::Answered { is_kept }
            }
            Course::Forward => {
                let upstreams = &self.upstreams;
                // What only some requests need is no part of every connection: most are to be small.
                Box::pin(Forward { gateway, upstreams, serving, guard, timeouts }.request(head, request)).await
            }
            Course::Pingora(dispatch) => {
                request.dispatched = Some(dispatch);
                Forwarded::HandedOver(request)
            }
        }
    }

    /// One request through pingora.
    fn turn(&self, guard: Box<HeadGuard>, message: Bytes) -> Boxed<'_, Option<ReusedHttpStream>> {
        let mut session = ServerSession::new_http1(guard);
        session.set_pipelined_prefix(message.into());
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
