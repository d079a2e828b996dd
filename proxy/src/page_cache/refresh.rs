//! Asking a page anew for what is kept of it, beside the visitors: conditionally where there is a validator (RFC 9111 section
//! 4.3.1), counted at its instance, in a place of its page, and no more than so many at once.

use super::entry::{Draft, Entry, Exchange};
use super::filling::Collected;
use super::flights::{Flight, Landing};
use super::terms::Timing;
use super::{Key, PageCache};
use crate::balance::{self, Fit};
use crate::client_request::{self, Client};
use crate::fleet::PageId;
use crate::gateway::Gateway;
use crate::header_fields;
use crate::instance::{InFlight, Instance, State};
use crate::page_limit::Place;
use crate::page_response;
use crate::request::Request;
use crate::request_id::RequestId;
use crate::upstreams;
use http::{HeaderName, Method, StatusCode, Version, header};
use pingora_core::connectors::http::v1::Connector;
use pingora_core::prelude::HttpPeer;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_http::{RequestHeader, ResponseHeader};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages that are asked anew at once, at most.
const AT_ONCE: usize = 64;

/// Instances that are tried, at most.
const ATTEMPTS: usize = 2;

/// Fields of a visitor's request that go along: what any visitor sends, and what proxies in front of us say, if they are
/// trusted. By others a page may be misled, and the answer is for everybody.
const ASKED_WITH: [&str; 11] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
];

/// Asks pages anew.
pub(super) struct Asker {
    connector: Connector,
    runtime: Handle,
    places: Arc<Semaphore>,
}

/// What is asked.
struct Question {
    gateway: Gateway,
    page: PageId,
    key: Key,
    path: String,
    /// As the visitor sent it who asked first, without what is his own.
    head: RequestHeader,
    known: Arc<Entry>,
    request_id: RequestId,
    asked: Instant,
}

/// An instance's answer, the body unread.
struct Reply {
    head: ResponseHeader,
    session: HttpSession,
    peer: HttpPeer,
    in_flight: InFlight,
    timing: Timing,
}

impl Asker {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { connector: Connector::new(None), runtime, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Gateway {
    /// Asks a request's page anew for what is known, in the background; what becomes of it is told by the flight. `false` when
    /// too much is being asked already.
    pub(super) fn ask_anew(
        &self,
        flight: Flight,
        key: &Key,
        known: &Arc<Entry>,
        asking: (&RequestHeader, &Request),
    ) -> bool {
        let (head, request) = asking;
        let Some((page, held)) = request.page.and_then(|page| Some((page, self.place_to_ask(page)?))) else {
            return false;
        };
        let mut head = head.clone();
        strip(&mut head, known);
        let live = self.live.load();
        if !head.headers.contains_key(header::HOST)
            && head.insert_header(header::HOST, live.file.public_hosts[0].as_str()).is_err()
        {
            return false;
        }
        let client = Client {
            peer: request.peer,
            trusted: request.trusted,
            request_id: &request.id,
            trace: request.trace,
            budget: live.file.timeouts.first_byte,
        };
        header_fields::of_request(&mut head, |fields| client_request::prepare(fields, &client));
        let question = Question {
            gateway: self.clone(),
            page,
            key: Arc::clone(key),
            path: request.path.clone(),
            head,
            known: Arc::clone(known),
            request_id: request.id.clone(),
            asked: Instant::now(),
        };
        self.cache.asker.runtime.spawn(async move {
            let _held = held;
            let landing = question.ask().await;
            if matches!(landing, Landing::Failed | Landing::Late) {
                question.cache().resting.insert(Arc::clone(&question.key), ());
            }
            flight.land(landing);
        });
        true
    }

    fn place_to_ask(&self, page: PageId) -> Option<(OwnedSemaphorePermit, Place)> {
        if self.draining.load(Ordering::Relaxed) {
            return None;
        }
        let permit = Arc::clone(&self.cache.asker.places).try_acquire_owned().ok()?;
        let place = self.fleet.view().page(page).places.take(self.live.load().file.limits.page_requests)?;
        Some((permit, place))
    }
}

impl Question {
    fn cache(&self) -> &PageCache {
        &self.gateway.cache
    }

    /// Asks within the time that a visitor would wait, and keeps the answer.
    async fn ask(&self) -> Landing {
        let reply = match self.reply().await {
            Ok(reply) => reply,
            Err(landing) => return landing,
        };
        self.gateway.checker.attempted(reply.in_flight.instance(), reply.head.status.is_server_error());
        match reply.head.status {
            StatusCode::NOT_MODIFIED => self.renew(reply).await,
            StatusCode::TOO_MANY_REQUESTS => Landing::Failed,
            status if status.is_server_error() => Landing::Failed,
            _ => tokio::time::timeout(self.bound(), self.replace(reply)).await.unwrap_or(Landing::Late),
        }
    }

    /// The first answer of an instance of the same release.
    async fn reply(&self) -> Result<Reply, Landing> {
        let mut tried = Vec::new();
        while tried.len() < ATTEMPTS {
            let in_flight = self.choose(&tried).ok_or(Landing::Failed)?;
            let instance = Arc::clone(in_flight.instance());
            let problem = match tokio::time::timeout(self.bound(), self.ask_instance(in_flight)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            self.gateway.note_failure_of(&instance);
            tracing::warn!(
                request_id = self.request_id.as_str(),
                page = &*self.gateway.fleet.page(self.page).name,
                instance = %instance.address,
                error = problem.as_ref().map_or_else(|| "timed out".to_owned(), ToString::to_string),
                "a kept answer could not be asked for anew"
            );
            if problem.is_none() {
                return Err(Landing::Late);
            }
            tried.push(instance);
        }
        Err(Landing::Failed)
    }

    /// How long a page may take until its answer begins, and as long again until it ends.
    fn bound(&self) -> Duration {
        self.gateway.live.load().file.timeouts.first_byte
    }

    fn choose(&self, tried: &[Arc<Instance>]) -> Option<InFlight> {
        let page = self.gateway.fleet.page(self.page);
        let mut candidates = page.candidates(&self.path);
        candidates.retain(|one| one.release().as_ref() == self.known.release());
        let instance = balance::choose(&candidates, tried, |_| Fit::Wanted)?;
        let in_flight = InFlight::new(Arc::clone(instance));
        (instance.state() != State::Draining).then_some(in_flight)
    }

    async fn ask_instance(&self, in_flight: InFlight) -> pingora_core::Result<Reply> {
        let timeouts = self.gateway.live.load().file.timeouts;
        let mut peer = HttpPeer::new(in_flight.instance().address, false, String::new());
        peer.options.total_connection_timeout = Some(timeouts.connect);
        peer.options.idle_timeout = Some(upstreams::IDLE);
        let (mut session, is_reused) = self.cache().asker.connector.get_http_session(&peer).await?;
        let sent = Instant::now();
        let mut answered = self.exchange(&mut session).await;
        if answered.is_err() && is_reused {
            // It may have been closed just as it was taken up.
            let stream = self.cache().asker.connector.get_http_session(&peer).await?;
            session = stream.0;
            answered = self.exchange(&mut session).await;
        }
        let mut head = answered?;
        page_response::check(head.status, &head.headers, false)?;
        let (status, address) = (head.status, in_flight.instance().address);
        header_fields::of_response(&mut head, |fields| page_response::clean(fields, status, address, self.host()));
        let timing = Timing { now: SystemTime::now(), delay: sent.elapsed() };
        Ok(Reply { head, session, peer, in_flight, timing })
    }

    async fn exchange(&self, session: &mut HttpSession) -> pingora_core::Result<ResponseHeader> {
        session.read_timeout = Some(self.gateway.live.load().file.timeouts.between_bytes);
        session.write_request_header(Box::new(self.head.clone())).await?;
        session.finish_body().await?;
        loop {
            let head = session.read_resp_header_parts().await?;
            if !head.status.is_informational() {
                return Ok(*head);
            }
        }
    }

    fn host(&self) -> &str {
        self.head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
    }

    /// What is known still holds.
    async fn renew(&self, reply: Reply) -> Landing {
        let renewed = self.known.validated(&reply.head.headers, reply.timing);
        self.release(reply).await;
        match renewed {
            Some(entry) => self.keep(entry),
            None => self.let_go(),
        }
    }

    /// There is something else now.
    async fn replace(&self, mut reply: Reply) -> Landing {
        let instance = reply.in_flight.instance();
        let exchange = Exchange {
            status: reply.head.status,
            response: &reply.head.headers,
            request: &self.head.headers,
            timing: reply.timing,
        };
        if self.gateway.fleet.view().page(self.page).has_two_releases() {
            return Landing::Gone;
        }
        let Some(draft) = Draft::of(exchange, super::keeping::origin_of(instance)) else { return self.let_go() };
        let mut body = Collected::new(self.gateway.live.load().file.cache.entry_bytes, &self.cache().budget);
        loop {
            match reply.session.read_body_ref().await {
                Ok(Some(chunk)) if body.push(chunk) => {}
                Ok(Some(_)) => return self.let_go(),
                Ok(None) => break,
                Err(error) => {
                    self.gateway.note_failure_of(instance);
                    tracing::warn!(request_id = self.request_id.as_str(), instance = %instance.address, %error, "answer cut short");
                    return Landing::Failed;
                }
            }
        }
        self.release(reply).await;
        self.keep(draft.with_body(body.finish()))
    }

    fn keep(&self, entry: Entry) -> Landing {
        match self.gateway.keep_answer(&self.key, entry, self.asked) {
            Some(entry) => Landing::Stored(entry),
            None => Landing::Uncacheable,
        }
    }

    /// What is known holds no more, and what holds instead is for nobody else.
    fn let_go(&self) -> Landing {
        self.cache().entries.invalidate(&self.key);
        self.cache().uncacheable.insert(Arc::clone(&self.key), Instant::now());
        Landing::Uncacheable
    }

    async fn release(&self, mut reply: Reply) {
        if reply.session.is_body_done() {
            let idle = reply.peer.options.idle_timeout;
            self.cache().asker.connector.release_http_session(reply.session, &reply.peer, idle).await;
        }
    }
}

/// Leaves of a visitor's request what any visitor's has and what the answer varies by, and asks whether what is known holds.
fn strip(head: &mut RequestHeader, known: &Entry) {
    head.set_method(Method::GET);
    head.set_version(Version::HTTP_11);
    let goes_along = |name: &HeaderName| ASKED_WITH.contains(&name.as_str()) || known.varies_by(name);
    let own: Vec<_> = head.headers.keys().filter(|name| !goes_along(name)).cloned().collect();
    for name in own {
        head.remove_header(&name);
    }
    for (known_by, asked_by) in
        [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)]
    {
        if let Some(validator) = known.headers().get(known_by) {
            // A value that came as a field's can go as one's.
            let _ = head.insert_header(asked_by, validator.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    #[test]
    fn a_page_is_asked_anew_for_nobody_in_particular() {
        let mut head = RequestHeader::build("HEAD", b"/a?b", None).unwrap();
        for (name, value) in [
            ("host", "shop.example"),
            ("cookie", "analytics=1"),
            ("range", "bytes=0-1"),
            ("if-none-match", "\"theirs\""),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("cache-control", "no-cache"),
            ("x-original-url", "/admin"),
            ("x-varied", "1"),
            ("accept-encoding", "gzip"),
        ] {
            head.insert_header(name, value).unwrap();
        }
        let known = entry(
            &[("etag", "\"ours\""), ("last-modified", "Sat, 21 Nov 2020 12:00:00 GMT"), ("vary", "x-varied")],
            &[("x-varied", "1")],
        );
        strip(&mut head, &known);
        let mut left: Vec<_> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(head.method, Method::GET);
        let expected = [
            ("accept-encoding", "gzip"),
            ("host", "shop.example"),
            ("if-modified-since", "Sat, 21 Nov 2020 12:00:00 GMT"),
            ("if-none-match", "\"ours\""),
            ("x-varied", "1"),
        ];
        assert_eq!(left, expected);
    }
}
