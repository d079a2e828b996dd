//! A plain request's way to an instance and back, past pingora: one question, one answer that is passed on as it comes. What
//! goes wrong before a byte of the answer was sent is pingora's to mend: it goes on with what is known.

use crate::access_log::{self, Sent};
use crate::answer::Answer;
use crate::client_request;
use crate::dispatch::Dispatch;
use crate::gateway::Gateway;
use crate::head_guard::HeadGuard;
use crate::instance::Instance;
use crate::request::Request;
use crate::request_id::X_REQUEST_ID;
use crate::retry::FailedAttempt;
use crate::serving::Serving;
use crate::upstreams::{Reply, Upstream, Upstreams};
use crate::{page_response, wire};
use bytes::{Buf, Bytes};
use http::request::Parts;
use http::response::Parts as ResponseParts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::ext::ReasonPhrase;
use pagefleet_config::Timeouts;
use std::error::Error;
use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::time::timeout;

/// What requests are forwarded with.
pub(crate) struct Forward<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) upstreams: &'a Upstreams,
    pub(crate) serving: &'a Serving,
    pub(crate) guard: &'a mut HeadGuard,
    pub(crate) timeouts: &'a Timeouts,
}

/// How a forwarded request ended.
pub(crate) enum Forwarded {
    /// It is answered; whether the connection may bring another one.
    Answered { is_kept: bool },
    /// Nothing was sent to the client; pingora goes on.
    HandedOver(Box<Request>),
}

/// Why an attempt gave no answer.
enum Failure {
    /// pingora is to ask: the kept connection had just been closed, or the answer has more fields than hyper takes.
    AskAgain,
    /// It failed.
    Failed { answer: Answer, was_sent: bool, error: Box<dyn Error + Send + Sync> },
}

/// An answer that is being passed on.
struct Passing<'a> {
    upstream: Box<Upstream>,
    body: Incoming,
    host: &'a str,
    sent: usize,
}

/// The client's request, as far as its answer depends on it.
struct Asked {
    method: Method,
    uri: Uri,
    host: HeaderValue,
    is_last: bool,
}

impl Forward<'_> {
    /// Forwards a request to an instance of its page.
    pub(crate) async fn request(mut self, head: Parts, mut request: Box<Request>) -> Forwarded {
        let gateway = self.gateway;
        let limit = gateway.live.load().file.limits.page_requests;
        let place = request.page.and_then(|page| gateway.fleet.view().page(page).places.take(limit));
        let chosen = request.page.filter(|_| place.is_some()).and_then(|page| gateway.choose_instance(page, &request));
        let (Some(page), Some(in_flight)) = (request.page, chosen) else {
            return hand_over(request, Dispatch::Page);
        };
        gateway.fleet.view().page(page).retries.deposit();
        let instance = Arc::clone(in_flight.instance());
        gateway.begin_waiting(self.serving, &head.headers, (&request, &instance), true);
        (request.place, request.in_flight) = (place, Some(in_flight));
        request.tried.push(Arc::clone(&instance));
        match self.ask(head, &mut request, &instance).await {
            Ok(is_kept) => Forwarded::Answered { is_kept },
            Err(Failure::AskAgain) => {
                request.tried.clear();
                hand_over(request, Dispatch::Page)
            }
            Err(Failure::Failed { answer, was_sent, error }) => {
                self.serving.answered();
                tracing::info!(request_id = %request.id, instance = %instance.address, error, "an instance gave no answer");
                gateway.note_failure_of(&instance);
                let failed = FailedAttempt {
                    method: &Method::GET,
                    request_sent: was_sent,
                    response_started: false,
                    body_replayable: true,
                    attempts: request.tried.len(),
                };
                let goes_on = gateway.retries(&request, failed);
                hand_over(request, if goes_on { Dispatch::Page } else { Dispatch::Ours(answer) })
            }
        }
    }

    /// Asks one instance, and passes its answer on; whether the client's connection may bring another request.
    async fn ask(&mut self, head: Parts, request: &mut Request, instance: &Arc<Instance>) -> Result<bool, Failure> {
        let asked = Asked {
            method: head.method.clone(),
            uri: head.uri.clone(),
            host: head.headers.get(header::HOST).cloned().unwrap_or(HeaderValue::from_static("")),
            is_last: client_request::asks_to_close(&head.headers),
        };
        let (mut upstream, is_reused) = match self.upstreams.take(instance.address) {
            Some(upstream) => (upstream, true),
            None => (self.connect(instance).await?, false),
        };
        let question = self.question(head, request);
        let host = asked.host.to_str().unwrap_or_default();
        let mut asking = pin!(upstream.ask(question));
        let mut interim_failed = None;
        let answer = loop {
            match upstream.reply(asking.as_mut()).await {
                Ok(Reply::Answer(answer)) => break answer,
                Ok(Reply::Interim(status, fields)) => {
                    interim_failed = self.pass_interim(status, fields, request, host).await.err();
                }
                Err(error) if error.is_parse_too_large() || (is_reused && !error.is_parse()) => {
                    return Err(Failure::AskAgain);
                }
                Err(error) => return Err(failed(error, true)),
            }
        };
        let (mut head, body) = answer.into_parts();
        page_response::check(head.status, &head.headers, false).map_err(|error| failed(error, true))?;
        let mut passing = Passing { upstream, body, host, sent: 0 };
        let passed = match interim_failed {
            Some(error) => Err(error.into()),
            None => self.pass(&mut head, &mut passing, &asked, request).await,
        };
        let Passing { upstream, body, sent, .. } = passing;
        if passed.is_ok() {
            drop(body);
            self.upstreams.keep(instance.address, upstream);
        }
        let error = passed.as_ref().err().map(|error| error as &dyn Display);
        self.log(&asked, Sent { status: head.status.as_u16(), body_bytes: sent, error }, request);
        Ok(passed.unwrap_or(false))
    }

    async fn connect(&self, instance: &Instance) -> Result<Box<Upstream>, Failure> {
        match timeout(self.timeouts.connect, Upstream::connect(instance.address)).await {
            Ok(Ok(upstream)) => Ok(upstream),
            Ok(Err(error)) => Err(failed(error, false)),
            Err(elapsed) => Err(Failure::Failed {
                answer: Answer::error(StatusCode::GATEWAY_TIMEOUT, "connect-timeout"),
                was_sent: false,
                error: elapsed.into(),
            }),
        }
    }

    /// What the instance is asked.
    fn question(&self, head: Parts, request: &Request) -> http::Request<Empty<Bytes>> {
        let mut question = http::Request::new(Empty::new());
        *question.method_mut() = head.method;
        *question.uri_mut() = head.uri;
        let fields = question.headers_mut();
        *fields = head.headers;
        fields.remove(header::CONNECTION);
        self.gateway.prepare_request(fields, request);
        question
    }

    async fn pass_interim(
        &mut self,
        status: StatusCode,
        mut fields: HeaderMap,
        request: &Request,
        host: &str,
    ) -> io::Result<()> {
        self.gateway.clean_response(status, &mut fields, request, host);
        fields.remove(header::CONNECTION);
        fields.insert(X_REQUEST_ID, request.id.to_header());
        wire::write(self.guard, wire::Head::new(status, None).fields(&fields).end(), self.timeouts.write).await
    }

    /// Passes the answer on; whether the client's connection may bring another request.
    async fn pass(
        &mut self,
        head: &mut ResponseParts,
        passing: &mut Passing<'_>,
        asked: &Asked,
        request: &Request,
    ) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let (gateway, status, fields) = (self.gateway, head.status, &mut head.headers);
        let has_body = wire::may_have_body(&asked.method, status);
        let length = passing.body.size_hint().exact();
        gateway.clean_response(status, fields, request, passing.host);
        gateway.finish_response(status, fields, request);
        let ends_with_connection = has_body && length.is_none() && page_response::is_event_stream(fields);
        let is_last = asked.is_last || ends_with_connection || gateway.draining.load(Ordering::Relaxed);
        let is_chunked = has_body && length.is_none() && !ends_with_connection;
        fields.remove(header::TRAILER);
        fields.remove(header::TRANSFER_ENCODING);
        if is_chunked {
            fields.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if has_body && length.is_none() {
            fields.remove(header::CONTENT_LENGTH);
        }
        fields.remove(header::CONNECTION);
        self.serving.wait_until(length.map(|_| gateway.last_byte_deadline()));
        let reason = head.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
        let bound = self.timeouts.write;
        let has_date = head.headers.contains_key(header::DATE);
        let mut head = wire::Head::new(status, reason).fields(&head.headers);
        if !has_date {
            head.field(&header::DATE, &wire::date());
        }
        if is_last {
            head.field(&header::CONNECTION, &wire::CLOSE);
        }
        let mut head = head.end();
        // The end of a body with a length needs no look.
        while !passing.body.is_end_stream() {
            // What there is of the body goes with the head; who waits for more has the head already.
            let piece = if !head.has_remaining() {
                Poll::Ready(wire::within(self.timeouts.between_bytes, passing.piece()).await?)
            } else {
                poll_fn(|cx| Poll::Ready(passing.poll_piece(cx))).await
            };
            let data = match piece {
                Poll::Pending => {
                    wire::write(self.guard, std::mem::take(&mut head), bound).await?;
                    continue;
                }
                Poll::Ready(None) => break,
                Poll::Ready(Some(data)) => data?,
            };
            passing.sent += data.len();
            let head = std::mem::take(&mut head);
            if is_chunked {
                wire::write(self.guard, head.chain(wire::chunk(data)), bound).await?;
            } else {
                wire::write(self.guard, head.chain(data), bound).await?;
            }
        }
        let end = if is_chunked { wire::LAST_CHUNK } else { &[] };
        if head.has_remaining() || !end.is_empty() {
            wire::write(self.guard, head.chain(end), bound).await?;
        }
        Ok(!is_last)
    }

    fn log(&self, asked: &Asked, sent: Sent<'_>, request: &Request) {
        access_log::write(self.gateway, (&asked.method, asked.uri.path()), sent, request);
    }
}

impl Passing<'_> {
    /// The next piece of the body that is not empty; trailers are let go.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
        loop {
            match ready!(self.upstream.poll_body(&mut self.body, cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    _ => {}
                },
            }
        }
    }

    async fn piece(&mut self) -> Option<hyper::Result<Bytes>> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }
}

fn hand_over(mut request: Box<Request>, dispatch: Dispatch) -> Forwarded {
    // It is counted anew by who takes it over.
    (request.place, request.in_flight) = (None, None);
    request.dispatched = Some(dispatch);
    Forwarded::HandedOver(request)
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>, was_sent: bool) -> Failure {
    let answer = Answer::error(StatusCode::BAD_GATEWAY, "upstream-failed");
    Failure::Failed { answer, was_sent, error: error.into() }
}
