//! What of a page's answer is kept (RFC 9111 section 3), and what a request that changes something makes invalid (section 4.4).

use super::entry::{Draft, Entry, Exchange, Origin};
use super::filling::{Collected, Filling};
use super::flights::Landing;
use super::passage::{Question, host_of};
use super::terms::Timing;
use super::{Key, Outcome, UNCACHEABLE_FOR, key_of};
use crate::gateway::Gateway;
use crate::instance::Instance;
use crate::request::Request;
use bytes::Bytes;
use http::{StatusCode, header};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use url::Url;

impl Gateway {
    /// Looks at a page's answer: begins to keep it, if that may be, and forgets what it makes invalid.
    pub(crate) fn offer_to_cache(&self, session: &Session, response: &ResponseHeader, request: &mut Request) {
        let Some(in_flight) = &request.in_flight else { return };
        let head = session.req_header();
        let has_changed = response.status.is_success() || response.status.is_redirection();
        if self.cache.is_on && has_changed && !head.method.is_safe() {
            self.forget_changed(head, response, request);
        }
        let Some(question) = request.cache.question.take() else { return };
        let exchange = Exchange {
            status: response.status,
            response: &response.headers,
            request: &head.headers,
            timing: Timing { now: SystemTime::now(), delay: question.asked.elapsed() },
        };
        let limit = self.live.load().file.cache.entry_bytes;
        let length = length_of(response);
        let is_split = self.fleet.page(in_flight.instance().page).has_two_releases();
        let draft = Draft::of(exchange, origin_of(in_flight.instance()));
        let Some(draft) = draft.filter(|_| !is_split && length.is_none_or(|length| length <= limit)) else {
            request.cache.outcome = Some(Outcome::Uncacheable);
            return self.pass_on(question, response.status);
        };
        request.cache.outcome = Some(Outcome::Miss);
        let Question { key, asked, flight, .. } = question;
        let filling = Filling { key, asked, flight, draft, body: Collected::new(limit, &self.cache.budget) };
        if length == Some(0) || response.status == StatusCode::NO_CONTENT {
            self.land(filling);
        } else {
            request.cache.filling = Some(filling);
        }
    }

    /// Takes in a piece of a page's answer; all of it, once it is complete.
    pub(crate) fn collect(&self, body: Option<&Bytes>, is_end: bool, request: &mut Request) {
        let Some(filling) = &mut request.cache.filling else { return };
        if !filling.body.push(body.map_or(&[], |bytes| bytes)) {
            if let Some(Filling { key, flight, .. }) = request.cache.filling.take() {
                let (asked, uncacheable_since) = (Instant::now(), None);
                let question = Question { key, asked, is_whole: true, uncacheable_since, flight };
                self.pass_on(question, StatusCode::OK);
            }
        } else if is_end && let Some(filling) = request.cache.filling.take() {
            self.land(filling);
        }
    }

    fn land(&self, filling: Filling) {
        let (key, asked, flight, entry) = filling.finish();
        let kept = self.keep_answer(&key, entry, asked);
        if let Some(flight) = flight {
            flight.land(kept.map_or(Landing::Uncacheable, Landing::Stored));
        }
    }

    /// Keeps an answer, and in the vault what it names.
    pub(super) fn keep_answer(&self, key: &Key, entry: Entry, asked: Instant) -> Option<Arc<Entry>> {
        if let Some(manifest) = entry.manifest() {
            self.fleet.keep_assets_of(manifest);
        }
        let entry = Arc::new(entry);
        self.cache.store(key, &entry, asked).then_some(entry)
    }

    /// An answer is for nobody else: who waits goes to the page, and who comes in the next time does not wait.
    fn pass_on(&self, question: Question, status: StatusCode) {
        let is_of_the_request = matches!(status.as_u16(), 206 | 304 | 412 | 416);
        let is_news = question.uncacheable_since.is_none_or(|since| since.elapsed() > UNCACHEABLE_FOR / 2);
        if !status.is_server_error() && !is_of_the_request && is_news {
            self.cache.uncacheable.insert(question.key, Instant::now());
        }
        if let Some(flight) = question.flight {
            flight.land(if status.is_server_error() { Landing::Failed } else { Landing::Uncacheable });
        }
    }

    /// Forgets what a request has changed: its own target, and where its answer says the change is to be seen, if that is on
    /// the same host.
    fn forget_changed(&self, head: &RequestHeader, response: &ResponseHeader, request: &Request) {
        let host = host_of(&head.headers, request.trusted);
        let forget = |target: &[u8]| self.cache.invalidate(&key_of(request.is_https, host, target).into());
        forget(head.raw_path());
        let (Ok(host_text), Ok(target)) = (str::from_utf8(host), str::from_utf8(head.raw_path())) else { return };
        let Ok(base) = Url::parse(&format!("http://{host_text}{target}")) else { return };
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let written = response.headers.get(name).and_then(|value| value.to_str().ok());
            let Some(url) = written.and_then(|written| base.join(written).ok()) else { continue };
            if url.host() == base.host() {
                let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
                forget(format!("{}{query}", url.path()).as_bytes());
            }
        }
    }
}

/// Who answered, as far as its answers' keeping is concerned.
pub(super) fn origin_of(instance: &Instance) -> Origin {
    let manifest = instance.manifest.load_full();
    Origin { release: manifest.as_ref().map(|manifest| Arc::clone(&manifest.release)), manifest }
}

fn length_of(response: &ResponseHeader) -> Option<usize> {
    response.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
