//! Requests that are answered at once, before pingora: by bytes out of the vault, or by a page's answer that is kept and
//! fresh. That is most of what visitors ask, and needs neither a page nor what pingora does for one.
//!
//! Only a plain request is answered here: a GET or HEAD of HTTP/1.1 without a body. The same deciders answer whatever else
//! there is, from [`crate::gateway`]; so what isn't answered here has left no trace.

use crate::access_log::{self, Sent};
use crate::asset_decision::Reason;
use crate::asset_url;
use crate::client_request;
use crate::dispatch::Dispatch;
use crate::gateway::Gateway;
use crate::head_guard::HeadGuard;
use crate::page_cache::Outcome;
use crate::page_cache::cached_answer::CachedAnswer;
use crate::path;
use crate::request::Request;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use httparse::{Header, ParserConfig};
use pingora_core::protocols::http::date::get_cached_date;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A request with more fields than this is not a plain one.
const MAX_FIELDS: usize = 64;

/// An answer that is at hand.
pub struct AtOnce {
    head: Parts,
    request: Request,
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
    is_last: bool,
}

impl Gateway {
    /// A request that there may be an answer at hand to. `message` is a whole and good head, and all of the request.
    pub fn plain_request(&self, message: &[u8]) -> Option<Parts> {
        let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
        let mut plain = httparse::Request::new(&mut []);
        let parsed = ParserConfig::default().parse_request_with_uninit_headers(&mut plain, message, &mut room);
        let method = match (parsed.ok()?.is_complete(), plain.version, plain.method?) {
            (true, Some(1), "GET") => Method::GET,
            (true, Some(1), "HEAD") => Method::HEAD,
            _ => return None,
        };
        let target = plain.path.filter(|target| target.starts_with('/'))?;
        let is_asset = target.starts_with(asset_url::PREFIX);
        self.may_have(target, is_asset, plain.headers).then(|| head_of(method, target, plain.headers))?
    }

    /// The answer to a plain request, if there is one at hand.
    pub async fn at_once(&self, head: Parts, peer: IpAddr) -> Option<AtOnce> {
        let is_asset = head.uri.path().starts_with(asset_url::PREFIX);
        let mut request = Request::new();
        request.meet(&head.headers, Some(peer), &self.live.load().file.trusted_proxies);
        let (status, mut fields, body) = if is_asset {
            self.asset_at_once(&head, &mut request).await?
        } else {
            self.page_at_once(&head, &mut request)?
        };
        self.sign(&mut fields, &request);
        let is_last = self.draining.load(Ordering::Relaxed) || client_request::asks_to_close(&head.headers);
        Some(AtOnce { head, request, status, fields, body, is_last })
    }

    /// Whether there may be an answer: soon said, for the many requests that are a page's alone.
    fn may_have(&self, target: &str, is_asset: bool, headers: &[Header<'_>]) -> bool {
        if is_asset {
            return self.vault().is_some();
        }
        let host = headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
        // A proxy in front may say another host.
        let is_direct = self.live.load().file.trusted_proxies.is_empty();
        !is_direct || host.is_some_and(|host| self.cache.has_any(host.value, target.as_bytes()))
    }

    async fn asset_at_once(&self, head: &Parts, request: &mut Request) -> Option<(StatusCode, HeaderMap, Bytes)> {
        match self.dispatch(head, request).await {
            Dispatch::Held(held, url) => {
                let answer = held.answer(&head.method, &head.headers, url);
                Some((answer.status, answer.headers, answer.body))
            }
            Dispatch::Page | Dispatch::Ours(_) => None,
        }
    }

    fn page_at_once(&self, head: &Parts, request: &mut Request) -> Option<(StatusCode, HeaderMap, Bytes)> {
        request.path = path::normalise(head.uri.path()).ok()?.into_owned();
        request.reason = Some(Reason::Route);
        {
            let view = self.fleet.view();
            // While pages have shares, visitors are kept apart by cookies.
            request.page = view.routes.page_of(&request.path).filter(|_| !view.has_shares);
        }
        let entry = self.look_up(head, request)?.fresh()?;
        // Who is refused takes nothing: it is refused once more, by words.
        if self.refuse_excess(&head.headers, request).is_some() {
            return None;
        }
        request.cache.outcome = Some(Outcome::Hit);
        request.release = entry.release().cloned();
        let CachedAnswer { status, headers, body } = CachedAnswer::of(&entry, &head.method, &head.headers);
        Some((status, headers, body))
    }
}

impl AtOnce {
    /// Sends the answer; whether the connection may bring another request. `bound` is how long a write may make no progress.
    pub async fn send(mut self, gateway: &Gateway, guard: &mut HeadGuard, bound: Duration) -> bool {
        // It is answered from what is known: nothing of it is read any more.
        drop(guard.begin_message());
        let has_body = self.head.method != Method::HEAD && !self.body.is_empty();
        let body = if has_body { std::mem::take(&mut self.body) } else { Bytes::new() };
        let (body_bytes, is_sent) = (body.len(), self.write(guard, body, bound).await.is_ok());
        let sent = Sent { status: self.status.as_u16(), body_bytes: if is_sent { body_bytes } else { 0 }, error: None };
        access_log::write(gateway, &self.head, sent, &self.request);
        if is_sent && self.is_last {
            // Who has gone meanwhile needs no end.
            let _ = timeout(bound, guard.shutdown()).await;
        }
        is_sent && !self.is_last
    }

    async fn write(&mut self, guard: &mut HeadGuard, body: Bytes, bound: Duration) -> io::Result<()> {
        let mut rest = self.wire_head(body.len()).chain(body);
        while rest.has_remaining() {
            if timeout(bound, guard.write_buf(&mut rest)).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        timeout(bound, guard.flush()).await?
    }

    /// The head as it goes out (RFC 9112 section 4).
    fn wire_head(&mut self, body_bytes: usize) -> BytesMut {
        let fields = &mut self.fields;
        fields.entry(header::DATE).or_insert_with(get_cached_date);
        let may_have_body = self.head.method != Method::HEAD && self.status != StatusCode::NOT_MODIFIED;
        if may_have_body && self.status != StatusCode::NO_CONTENT {
            fields.insert(header::CONTENT_LENGTH, body_bytes.into());
        }
        if self.is_last {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut wire = BytesMut::with_capacity(1 << 10);
        wire.put_slice(b"HTTP/1.1 ");
        wire.put_slice(self.status.as_str().as_bytes());
        wire.put_u8(b' ');
        wire.put_slice(self.status.canonical_reason().unwrap_or_default().as_bytes());
        for (name, value) in &self.fields {
            wire.put_slice(b"\r\n");
            wire.put_slice(name.as_str().as_bytes());
            wire.put_slice(b": ");
            wire.put_slice(value.as_bytes());
        }
        wire.put_slice(b"\r\n\r\n");
        wire
    }
}

/// A head as the deciders read it; `None` when something in it is not as they take it for granted.
fn head_of(method: Method, target: &str, headers: &[Header<'_>]) -> Option<Parts> {
    let (mut head, ()) = http::Request::new(()).into_parts();
    (head.method, head.uri) = (method, target.try_into().ok()?);
    head.headers.reserve(headers.len());
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        if name == header::EXPECT {
            return None;
        }
        head.headers.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(head)
}
