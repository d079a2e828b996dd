//! The gateway: pingora's phases, each handing over to the file that decides.

use crate::access_log::{self, Sent};
use crate::admission::Admission;
use crate::answer::Answer;
use crate::balance::{self, Fit};
use crate::client_limit::ClientLimits;
use crate::dispatch::Dispatch;
use crate::fleet::Fleet;
use crate::fleet::PageId;
use crate::head_guard;
use crate::health::Checker;
use crate::instance::{InFlight, Instance, State};
use crate::metrics::Metrics;
use crate::page_cache::PageCache;
use crate::request::Request;
use crate::request_id::X_REQUEST_ID;
use crate::serving::{Asked, Deadline, Serving};
use crate::settings::Live;
use crate::vault::Vault;
use crate::{answer, client_request, failure, header_fields, page_response, upstreams};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use pingora_core::modules::http::HttpModules;
use pingora_core::prelude::{Error, ErrorSource, ErrorType, HttpPeer};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What all threads share; cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    /// The operator's settings.
    pub live: Arc<Live>,
    /// Pages, routes, instances.
    pub fleet: Arc<Fleet>,
    /// Looks at manifests again.
    pub checker: Arc<Checker>,
    /// Keeps the vault.
    pub admission: Arc<Admission>,
    /// Who has asked how much.
    pub clients: Arc<ClientLimits>,
    /// The cache of pages' answers.
    pub cache: Arc<PageCache>,
    /// Counters.
    pub metrics: Metrics,
    /// Set when the proxy shuts down: answers then end their connection.
    pub draining: Arc<AtomicBool>,
}

impl Gateway {
    /// The vault, unless it is off.
    pub fn vault(&self) -> Option<&Arc<Vault>> {
        self.admission.vault()
    }

    /// The name of the page that answers, or "".
    pub fn page_name(&self, request: &Request) -> Arc<str> {
        request.page.map_or_else(Arc::default, |page| Arc::clone(&self.fleet.view().page(page).name))
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Request;

    fn new_ctx(&self) -> Request {
        Request::new()
    }

    /// No module: what isn't there costs nothing.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, request: &mut Request) -> pingora_core::Result<()> {
        let live = self.live.load();
        match head_guard::serving(session).and_then(Serving::take_over) {
            Some(known) => *request = *known,
            None => {
                let peer = session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip());
                request.meet(&session.req_header().headers, peer, &live.file.trusted_proxies);
            }
        }
        let is_websocket = client_request::is_websocket(session.req_header());
        // Only a target in origin form outlives it; the others are rare.
        if session.req_header().raw_path().first() == Some(&b'/') {
            header_fields::of_request(session.req_header_mut(), |_| {});
        }
        if !is_websocket {
            session.req_header_mut().remove_header(&header::UPGRADE);
        }
        if client_request::asks_to_close(&session.req_header().headers) {
            session.set_keepalive(None);
        }
        // RFC 9110 section 15.2: no interim response goes to an HTTP/1.0 client.
        let http_10 = session.req_header().version == http::Version::HTTP_10;
        session.set_ignore_info_resp(http_10);
        session.set_read_timeout(Some(if is_websocket {
            live.file.timeouts.websocket
        } else {
            live.file.timeouts.body
        }));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, request: &mut Request) -> pingora_core::Result<bool> {
        let dispatch = match request.dispatched.take() {
            Some(dispatch) => dispatch,
            None => self.dispatch(session.req_header(), request).await,
        };
        match dispatch {
            Dispatch::Page => {
                if request.asset.is_none() && self.answer_from_cache(session, request).await? {
                    return Ok(true);
                }
                if let Some(page) = request.page.filter(|_| request.tried.is_empty()) {
                    self.fleet.view().page(page).retries.deposit();
                }
                return Ok(false);
            }
            Dispatch::Held(held, url) => {
                let head = session.req_header();
                let asset = held.answer(&head.method, &head.headers, url);
                answer::held(self, session, request, asset).await?;
            }
            Dispatch::Ours(ours) => answer::ours(self, session, request, ours).await?,
        }
        Ok(true)
    }

    async fn upstream_peer(&self, session: &mut Session, request: &mut Request) -> pingora_core::Result<Box<HttpPeer>> {
        let page = request.page.ok_or_else(|| Error::explain(ErrorType::InternalError, "no page was decided"))?;
        let Some(in_flight) = self.choose_instance(page, request) else {
            return Err(Error::explain(ErrorType::HTTPStatus(503), "no healthy instance"));
        };
        request.cache.begin_attempt();
        let instance = in_flight.instance();
        let is_whole = session.is_body_empty() || session.is_upgrade_req();
        if let Some(serving) = head_guard::serving(session) {
            self.begin_waiting(serving, &session.req_header().headers, (request, instance), is_whole);
        }
        request.tried.push(Arc::clone(instance));
        let mut peer = HttpPeer::new(instance.address, false, String::new());
        request.in_flight = Some(in_flight);
        let live = self.live.load();
        let timeouts = &live.file.timeouts;
        let options = &mut peer.options;
        options.connection_timeout = Some(timeouts.connect);
        options.total_connection_timeout = Some(timeouts.connect);
        // While a body comes in nothing may come back, for as long as that takes; `first_byte` counts from its end.
        let is_quiet = session.is_upgrade_req() || !session.is_body_empty();
        options.read_timeout = Some(if is_quiet { timeouts.websocket } else { timeouts.between_bytes });
        options.write_timeout = Some(timeouts.write);
        options.idle_timeout = Some(upstreams::IDLE);
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        request: &mut Request,
    ) -> pingora_core::Result<()> {
        // An absolute-form target becomes the origin-form that a page expects (RFC 9112 section 3.2.1).
        if upstream.raw_path().first() != Some(&b'/') {
            let origin_form = upstream.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
            upstream.set_raw_path(origin_form.as_bytes())?;
        }
        if !upstream.headers.contains_key(header::HOST) {
            upstream.insert_header(header::HOST, self.live.load().file.public_hosts[0].as_str())?;
        }
        header_fields::of_request(upstream, |fields| {
            self.prepare_request(fields, request);
            if session.is_body_empty() {
                fields.remove(header::EXPECT);
            }
        });
        Ok(())
    }

    /// A page that answers as much as it may gets no more.
    async fn proxy_upstream_filter(&self, session: &mut Session, request: &mut Request) -> pingora_core::Result<bool> {
        let limit = self.live.load().file.limits.page_requests;
        request.place = request.page.and_then(|page| self.fleet.view().page(page).places.take(limit));
        if request.place.is_some() {
            return Ok(true);
        }
        request.retry_after = Some(1);
        // The body, if there is one, is unread.
        session.set_keepalive(None);
        answer::ours(self, session, request, Answer::error(StatusCode::SERVICE_UNAVAILABLE, "page-busy")).await?;
        Ok(false)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        _request: &mut Request,
    ) -> pingora_core::Result<()> {
        if end_of_stream && let Some(serving) = head_guard::serving(session) {
            serving.wait_until(Some(self.first_byte_deadline()));
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        request: &mut Request,
    ) -> pingora_core::Result<()> {
        page_response::check(response.status, &response.headers, session.is_upgrade_req())?;
        // The version is that of this hop, not the page's (RFC 9110 section 2.5).
        response.set_version(Version::HTTP_11);
        let host = session.get_header(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let status = response.status;
        header_fields::of_response(response, |fields| self.clean_response(status, fields, request, host));
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            header_fields::of_response(response, |fields| fields.insert(X_REQUEST_ID, request.id.to_header()));
            return Ok(());
        }
        self.offer_to_cache(session, response, request);
        header_fields::of_response(response, |fields| self.finish_response(status, fields, request));
        if let Some(serving) = head_guard::serving(session) {
            let has_end = response.headers.contains_key(header::CONTENT_LENGTH) && !session.was_upgraded();
            serving.wait_until(has_end.then(|| self.last_byte_deadline()));
        }
        if page_response::is_event_stream(&response.headers) {
            // It ends with its connection, so that it can be ended at any moment without looking cut short.
            response.remove_header(&header::TRANSFER_ENCODING);
            session.set_keepalive(None);
        }
        if session.req_header().version == http::Version::HTTP_10
            && response.headers.contains_key(header::TRANSFER_ENCODING)
        {
            // RFC 9112 section 6.1: an HTTP/1.0 client can't read chunks; its body ends with the connection.
            response.remove_header(&header::TRANSFER_ENCODING);
            session.set_keepalive(None);
        }
        if self.draining.load(Ordering::Relaxed) && !session.was_upgraded() {
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        request: &mut Request,
    ) -> pingora_core::Result<Option<Duration>> {
        self.collect(body.as_ref(), end_of_stream, request);
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        request: &mut Request,
        mut error: Box<Error>,
    ) -> Box<Error> {
        self.note_failed_attempt(request);
        error.set_retry(self.retries_session(session, request, false));
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        request: &mut Request,
        _client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("instance {peer}"));
        let upstream = *error.esource() == ErrorSource::Upstream;
        if upstream {
            self.note_failed_attempt(request);
        }
        let timed_out = matches!(error.etype(), ErrorType::ReadTimedout);
        error.set_retry(upstream && !timed_out && self.retries_session(session, request, true));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, request: &mut Request) -> FailToProxy {
        if *error.esource() == ErrorSource::Upstream {
            request.cache.failed();
        }
        let gone = FailToProxy { error_code: 0, can_reuse_downstream: false };
        if session.response_written().is_some_and(|written| !written.status.is_informational()) {
            return gone;
        }
        let Some(ours) = failure::answer_to(error) else { return gone };
        let error_code = ours.status.as_u16();
        // The rest of the request's body is unread: the connection can't serve another request.
        session.set_keepalive(None);
        if let Err(error) = answer::ours(self, session, request, ours).await {
            tracing::debug!(request_id = %request.id, %error, "client left before our answer");
            return gone;
        }
        session.as_downstream_mut().shutdown().await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    /// Our access log has one line for each request, failures included.
    fn suppress_error_log(&self, _session: &Session, _request: &Request, _error: &Error) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, request: &mut Request) {
        let status = session.response_written().map_or(0, |response| response.status.as_u16());
        let error = error.map(|error| error as &dyn Display);
        let sent = Sent { status, body_bytes: session.body_bytes_sent(), error };
        let head = session.req_header();
        access_log::write(self, (&head.method, head.uri.path()), sent, request);
    }
}

impl Gateway {
    /// The instance that is asked next, counted from now on. One that began to drain at this very moment is not asked: who
    /// waits for its last request may have counted already.
    pub(crate) fn choose_instance(&self, page: PageId, request: &Request) -> Option<InFlight> {
        loop {
            let page = self.fleet.page(page);
            let wanted = request.wanted.clone().or_else(|| request.tried.first()?.release());
            let fit = |one: &Instance| match (&wanted, page.shares()) {
                (Some(wanted), _) if one.is_of(wanted) => Fit::Wanted,
                (_, Some(shares)) if one.release().is_some_and(|release| shares.get(&release) == Some(0)) => {
                    Fit::Unwanted
                }
                _ => Fit::Other,
            };
            let candidates = page.candidates(&request.path);
            let instance = balance::choose(&candidates, &request.tried, fit)?;
            let was_draining = instance.state() == State::Draining;
            let in_flight = InFlight::new(Arc::clone(instance));
            if was_draining || instance.state() != State::Draining {
                return Some(in_flight);
            }
        }
    }

    /// The instance is asked: from now on the request can be cut off with it, and may wait for so long.
    pub(crate) fn begin_waiting(
        &self,
        serving: &Serving,
        headers: &HeaderMap,
        (request, instance): (&Request, &Arc<Instance>),
        is_whole: bool,
    ) {
        let deadline = is_whole.then(|| self.first_byte_deadline());
        let (instance, request_id) = (Arc::clone(instance), request.id.clone());
        let wants_html = answer::wants_html(headers, request);
        serving.ask(Asked { instance, request_id, wants_html, deadline });
    }

    fn first_byte_deadline(&self) -> Deadline {
        Deadline::FirstByte(Instant::now() + self.live.load().file.timeouts.first_byte)
    }

    pub(crate) fn last_byte_deadline(&self) -> Deadline {
        Deadline::LastByte(Instant::now() + self.live.load().file.timeouts.total)
    }

    /// Makes a client's fields those that an instance gets.
    pub(crate) fn prepare_request(&self, fields: &mut HeaderMap, request: &Request) {
        let client = client_request::Client {
            peer: request.peer,
            trusted: request.trusted,
            request_id: &request.id,
            trace: request.trace,
            budget: self.live.load().file.timeouts.first_byte,
        };
        client_request::prepare(fields, &client);
        if request.cache.asks_for_all() || (request.asset.is_some() && !self.believes_validators_of(request)) {
            client_request::ask_unconditionally(fields);
        }
    }

    /// Takes out of an instance's fields what is not for the client.
    pub(crate) fn clean_response(&self, status: StatusCode, fields: &mut HeaderMap, request: &Request, host: &str) {
        if let Some(in_flight) = &request.in_flight {
            page_response::clean(fields, status, in_flight.instance().address, host);
        }
        if let Some(url) = request.asset.filter(|_| !status.is_informational()) {
            let believed = self.believes_validators_of(request);
            let asset = page_response::Asset { path: &request.path, believed };
            page_response::set_asset_headers(fields, status, url, &asset);
        }
    }

    /// Makes the fields that are left those of our answer, and notes that the instance gave one.
    pub(crate) fn finish_response(&self, status: StatusCode, fields: &mut HeaderMap, request: &Request) {
        self.sign(fields, request);
        if let Some(in_flight) = &request.in_flight {
            self.checker.attempted(in_flight.instance(), status.is_server_error());
        }
        if request.asset.is_none() {
            self.keep_visitor(fields, request);
        }
    }

    /// Whether an answer differs from visitor to visitor.
    pub(crate) fn is_for_this_visitor(&self, request: &Request) -> bool {
        (request.bucket.is_some() && request.is_new_visitor)
            || request.page.is_some_and(|page| self.fleet.view().page(page).has_two_releases())
    }

    /// Gives a new visitor a bucket while some page has shares. What differs from visitor to visitor is for no shared cache.
    pub(crate) fn keep_visitor(&self, fields: &mut HeaderMap, request: &Request) {
        if !self.is_for_this_visitor(request) {
            return;
        }
        let set = request.bucket.filter(|_| request.is_new_visitor);
        if let Some(Ok(cookie)) = set.map(|bucket| bucket.set_cookie(request.is_https).try_into()) {
            fields.append(header::SET_COOKIE, cookie);
        }
        page_response::make_private(fields);
    }

    /// Whether a page's ETag of an asset is the fingerprint of its bytes: the contract says so, but where there is a vault,
    /// what isn't in it has been refused.
    fn believes_validators_of(&self, request: &Request) -> bool {
        let has_manifest = request.page.is_some_and(|page| self.fleet.view().page(page).has_manifest());
        has_manifest && self.vault().is_none()
    }

    /// Sets the fields that every answer carries, a page's or ours.
    pub fn sign(&self, fields: &mut HeaderMap, request: &Request) {
        self.signature(request, |name, value| {
            fields.insert(name, value);
        });
    }

    /// The fields that every answer carries, one by one.
    pub(crate) fn signature(&self, request: &Request, mut set: impl FnMut(HeaderName, HeaderValue)) {
        set(X_REQUEST_ID, request.id.to_header());
        if !self.live.load().file.debug_headers {
            return;
        }
        let page = request.page.map(|page| Arc::clone(&self.fleet.view().page(page).name));
        for (name, said) in [
            ("x-page", page.as_deref()),
            ("x-release", request.release().as_deref()),
            ("x-route-reason", request.reason.map(|reason| reason.as_str())),
            ("x-cache", request.cache.outcome.map(|outcome| outcome.seen())),
        ] {
            if let Some(Ok(value)) = said.map(HeaderValue::from_str) {
                set(HeaderName::from_static(name), value);
            }
        }
    }
}
