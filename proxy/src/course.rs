//! The course of a plain request: it is answered at once, by bytes out of the vault or by a page's answer that is kept and
//! fresh; or it is forwarded to an instance; or, where more is to be done, it goes on through pingora with what is known.
//!
//! The same deciders as in [`crate::gateway`] say so.

use crate::access_log::{self, Sent};
use crate::asset_answer::Held;
use crate::client_request;
use crate::dispatch::Dispatch;
use crate::gateway::Gateway;
use crate::head_guard::HeadGuard;
use crate::page_cache::Outcome;
use crate::page_cache::cached_answer::CachedAnswer;
use crate::page_cache::entry::Entry;
use crate::page_cache::passage::Glance;
use crate::request::Request;
use crate::wire;
use bytes::{Buf, Bytes};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What becomes of a plain request.
pub(crate) enum Course {
    /// There is an answer at hand.
    AtHand(AtHand),
    /// An instance of its page is asked.
    Forward,
    /// pingora goes on.
    Pingora(Dispatch),
}

/// An answer that is at hand.
pub(crate) struct AtHand {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its fields, signed.
    pub(crate) fields: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
    /// Whose body it is.
    source: Source,
}

enum Source {
    Vault(Arc<Held>),
    Cache(Arc<Entry>),
}

impl Gateway {
    /// Decides the course of a plain request.
    pub(crate) async fn course(&self, head: &Parts, request: &mut Request) -> Course {
        match self.dispatch(head, request).await {
            Dispatch::Held(held, url) => {
                let answer = held.answer(&head.method, &head.headers, url);
                let (status, mut fields, body) = (answer.status, answer.headers, answer.body);
                self.sign(&mut fields, request);
                Course::AtHand(AtHand { status, fields, body, source: Source::Vault(held) })
            }
            Dispatch::Page if request.asset.is_some() => Course::Forward,
            Dispatch::Page => match self.glance(head, request) {
                Glance::Fresh(entry) => {
                    let CachedAnswer { status, headers: fields, body } =
                        self.cached_answer((&entry, Outcome::Hit), head, request);
                    Course::AtHand(AtHand { status, fields, body, source: Source::Cache(entry) })
                }
                Glance::Past => Course::Forward,
                Glance::Through => Course::Pingora(Dispatch::Page),
            },
            ours @ Dispatch::Ours(_) => Course::Pingora(ours),
        }
    }
}

impl AtHand {
    /// Sends the answer; whether the connection may bring another request. `bound` is how long a write may make no progress.
    pub(crate) async fn send(
        self,
        gateway: &Gateway,
        (head, request): (&Parts, &Request),
        guard: &mut HeadGuard,
        bound: Duration,
    ) -> bool {
        let Self { status, mut fields, body, source } = self;
        let is_last = gateway.draining.load(Ordering::Relaxed) || client_request::asks_to_close(&head.headers);
        wire::set_date_and_end(&mut fields, is_last);
        let body = if wire::may_have_body(&head.method, status) {
            fields.insert(header::CONTENT_LENGTH, body.len().into());
            body
        } else {
            Bytes::new()
        };
        let body_bytes = body.len();
        let head_bytes = wire::head(status, None, &fields);
        let file = match &source {
            Source::Vault(held) => held.file_of(&body),
            Source::Cache(entry) => entry.file_of(&body),
        };
        let sent = match (guard.transport(), file) {
            (Some(transport), Some(file)) => transport.send_file(&head_bytes, file, body_bytes, bound).await,
            _ => wire::write(guard, head_bytes.chain(body), bound).await,
        };
        let body_bytes = if sent.is_ok() { body_bytes } else { 0 };
        let line = Sent { status: status.as_u16(), body_bytes, error: None };
        access_log::write(gateway, (&head.method, head.uri.path()), line, request);
        sent.is_ok() && !is_last
    }
}
