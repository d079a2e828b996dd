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
use crate::page_cache::cached_answer::{CachedAnswer, Wanted};
use crate::page_cache::entry::Entry;
use crate::page_cache::passage::Glance;
use crate::request::Request;
use crate::wire::{self, FieldLines, WrittenAnswer};
use bytes::{Buf, Bytes};
use http::header;
use http::request::Parts;
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
    answer: WrittenAnswer,
    source: Source,
}

/// Whose answer it is.
enum Source {
    Vault(Arc<Held>),
    Cache(Arc<Entry>),
}

impl Gateway {
    /// Decides the course of a plain request.
    pub(crate) async fn course(&self, head: &Parts, request: &mut Request) -> Course {
        match self.dispatch(head, request).await {
            Dispatch::Held(held, url) => {
                let answer = held.written_answer(&head.method, &head.headers, url);
                Course::AtHand(AtHand { answer, source: Source::Vault(held) })
            }
            Dispatch::Page if request.asset.is_some() => Course::Forward,
            Dispatch::Page => match self.glance(head, request) {
                Glance::Fresh(entry) => Course::AtHand(self.kept(entry, head, request)),
                Glance::Past => Course::Forward,
                Glance::Through => Course::Pingora(Dispatch::Page),
            },
            ours @ Dispatch::Ours(_) => Course::Pingora(ours),
        }
    }

    /// A page's answer that is kept, as the answer to a request.
    fn kept(&self, entry: Arc<Entry>, head: &Parts, request: &mut Request) -> AtHand {
        self.note_kept((&entry, Outcome::Hit), request);
        let written = entry.written_answer(Wanted::of(&entry, &head.method, &head.headers));
        let answer = written.filter(|_| !self.is_for_this_visitor(request)).unwrap_or_else(|| {
            let CachedAnswer { status, mut headers, body } = CachedAnswer::of(&entry, &head.method, &head.headers);
            // It comes with the fields that each answer has of its own.
            headers.remove(header::AGE);
            self.keep_visitor(&mut headers, request);
            WrittenAnswer { status, lines: FieldLines::of(&headers), body }
        });
        AtHand { answer, source: Source::Cache(entry) }
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
        let Self { answer: WrittenAnswer { status, lines, body }, source } = self;
        let is_last = gateway.draining.load(Ordering::Relaxed) || client_request::asks_to_close(&head.headers);
        let body = if wire::may_have_body(&head.method, status) { body } else { Bytes::new() };
        let mut written = wire::Head::new(status, None);
        written.lines(&lines);
        gateway.signature(request, |name, value| written.field(&name, &value));
        match &source {
            Source::Vault(_) => written.field(&header::DATE, &wire::date()),
            Source::Cache(entry) => written.field(&header::AGE, &entry.age().as_secs().into()),
        }
        if is_last {
            written.field(&header::CONNECTION, &wire::CLOSE);
        }
        let (written, body_bytes) = (written.end(), body.len());
        let file = match &source {
            Source::Vault(held) => held.file_of(&body),
            Source::Cache(entry) => entry.file_of(&body),
        };
        let sent = match (guard.transport(), file) {
            (Some(transport), Some(file)) => transport.send_file(written.get_ref(), file, body_bytes, bound).await,
            _ => wire::write(guard, written.chain(body), bound).await,
        };
        let body_bytes = if sent.is_ok() { body_bytes } else { 0 };
        let line = Sent { status: status.as_u16(), body_bytes, error: None };
        access_log::write(gateway, (&head.method, head.uri.path()), line, request);
        sent.is_ok() && !is_last
    }
}
