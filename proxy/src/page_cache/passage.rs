//! The way of a request past the cache: whether it may be answered from there at all, and how it is. What can't be answered
//! at once is for [`super::verdict`], what the page answers for [`super::keeping`].

use super::cached_answer::CachedAnswer;
use super::directives::Asked;
use super::entry::Entry;
use super::filling::Filling;
use super::flights::{Flight, Landing};
use super::terms::Reuse;
use super::verdict::{Verdict, Visit};
use super::{Key, Outcome, Standing, key_of};
use crate::answer;
use crate::fleet::Page;
use crate::gateway::Gateway;
use crate::header_fields;
use crate::request::Request;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::time::Instant as Moment;

/// Fields by which some servers take a request for another one, and which are no part of the key: an answer to them is
/// for nobody else.
fn is_misleading(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "x-original-url"
            | "x-rewrite-url"
            | "x-original-host"
            | "x-host"
            | "x-forwarded-server"
            | "x-forwarded-scheme"
            | "x-http-method-override"
            | "x-http-method"
            | "x-method-override"
    )
}

/// What the cache has to do with one request.
#[derive(Debug, Default)]
pub struct CacheUse {
    /// What it did; `None` where it has no say.
    pub outcome: Option<Outcome>,
    pub(super) question: Option<Question>,
    pub(super) filling: Option<Filling>,
}

/// A question to a page whose answer may be kept.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) key: Key,
    pub(super) asked: Instant,
    /// Whether the page is asked for all of it, whatever the visitor has already.
    pub(super) is_whole: bool,
    /// Since when it is known that the answer is for nobody else.
    pub(super) uncacheable_since: Option<Instant>,
    /// Who waits for it.
    pub(super) flight: Option<Flight>,
}

impl CacheUse {
    /// Whether the page is to be asked for all of it.
    pub fn asks_for_all(&self) -> bool {
        self.question.as_ref().is_some_and(|question| question.is_whole)
    }

    /// The page is asked, maybe once more: what came of it before is void.
    pub fn begin_attempt(&mut self) {
        if let Some(Filling { key, flight, .. }) = self.filling.take() {
            let asked = Instant::now();
            self.question = Some(Question { key, asked, is_whole: true, uncacheable_since: None, flight });
        }
    }

    /// The page has failed: nobody needs to wait any more.
    pub fn failed(&mut self) {
        self.filling = None;
        if let Some(flight) = self.question.take().and_then(|question| question.flight) {
            flight.land(Landing::Failed);
        }
    }
}

/// What the cache has for a request.
struct Found {
    key: Vec<u8>,
    standing: Standing,
    asked: Asked,
    entry: Option<Arc<Entry>>,
}

impl Found {
    /// What may be given without a word to the page.
    fn fresh(&self) -> Option<Arc<Entry>> {
        self.entry.clone().filter(|entry| entry.reuse(&self.asked) == Reuse::Fresh)
    }
}

/// What the cache is to a request at first sight.
pub(crate) enum Glance {
    /// It answers with this.
    Fresh(Arc<Entry>),
    /// Nothing: the page is asked, and its answer is the visitor's alone.
    Past,
    /// Something: [`Gateway::answer_from_cache`] says what.
    Through,
}

impl Gateway {
    /// What the cache is to a GET or HEAD.
    pub(crate) fn glance(&self, head: &Parts, request: &mut Request) -> Glance {
        if !self.cache.is_on {
            return Glance::Past;
        }
        let Some(found) = self.look_up(head, request) else {
            request.cache.outcome = Some(Outcome::Bypass);
            return Glance::Past;
        };
        if let Some(entry) = found.fresh() {
            return Glance::Fresh(entry);
        }
        let is_nobody_elses = found.entry.is_none() && self.cache.is_uncacheable(&found.key);
        if !is_nobody_elses {
            return Glance::Through;
        }
        request.cache.outcome = Some(Outcome::Uncacheable);
        Glance::Past
    }

    /// Looks for a page's answer to a GET or HEAD; `None` when the request passes the cache by.
    fn look_up(&self, head: &Parts, request: &Request) -> Option<Found> {
        let page = request.page.filter(|_| self.cache.is_on)?;
        let standing = standing_of(self.fleet.view().page(page));
        let cookies = &self.live.load().file.cache.bypass_cookies;
        if standing == Standing::Split || passes_by(&head.headers, cookies) {
            return None;
        }
        let asked = Asked::of(&head.headers);
        let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let key = key_of(request.is_https, host_of(&head.headers, request.trusted), target.as_bytes());
        let entry = self.cache.find(&key, &standing, &head.headers);
        Some(Found { key, standing, asked, entry })
    }

    /// Answers a page's request from the cache, if it can; else notes what is to become of the page's answer.
    ///
    /// # Errors
    /// When the client is gone.
    pub(crate) async fn answer_from_cache(
        &self,
        session: &mut Session,
        request: &mut Request,
    ) -> pingora_core::Result<bool> {
        let head = session.req_header();
        if !self.cache.is_on || !matches!(head.method, Method::GET | Method::HEAD) || session.is_upgrade_req() {
            return Ok(false);
        }
        let is_origin_form = head.raw_path().first() == Some(&b'/');
        let Some(found) = Some(head).filter(|_| is_origin_form).and_then(|head| self.look_up(head, request)) else {
            request.cache.outcome = Some(Outcome::Bypass);
            return Ok(false);
        };
        if let Some(entry) = found.fresh() {
            self.serve(session, request, (&entry, Outcome::Hit)).await?;
            return Ok(true);
        }
        let Found { key, standing, asked, entry: found } = found;
        let is_keepable = head.method == Method::GET && !asked.no_store && !head.headers.keys().any(is_misleading);
        let waits_until = Moment::now() + self.live.load().file.cache.lock_wait;
        let key: Key = key.into();
        let uncacheable_since = self.cache.uncacheable.get(&key);
        let is_known = uncacheable_since.is_some();
        let is_shareable = is_keepable && !is_known;
        let visit = Visit { head, request, key: Arc::clone(&key), standing, asked, is_shareable, waits_until };
        match self.decide_visit(&visit, found).await {
            Verdict::Serve(entry, outcome) => self.serve(session, request, (&entry, outcome)).await?,
            Verdict::Refuse(refusal) => answer::ours(self, session, request, refusal).await?,
            Verdict::Ask(flight) => {
                request.cache.outcome = Some(if is_known { Outcome::Uncacheable } else { Outcome::Miss });
                let is_whole = !is_known && !session.req_header().headers.contains_key(header::RANGE);
                let question = Question { key, asked: Instant::now(), is_whole, uncacheable_since, flight };
                request.cache.question = Some(question).filter(|_| is_keepable);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes that a request is answered with what is kept.
    pub(crate) fn note_kept(&self, (entry, outcome): (&Entry, Outcome), request: &mut Request) {
        request.cache.outcome = Some(outcome);
        request.release = entry.release().cloned();
    }

    async fn serve(
        &self,
        session: &mut Session,
        request: &mut Request,
        (entry, outcome): (&Entry, Outcome),
    ) -> pingora_core::Result<()> {
        let head = session.req_header();
        let is_head = head.method == Method::HEAD;
        self.note_kept((entry, outcome), request);
        let CachedAnswer { status, mut headers, body } = CachedAnswer::of(entry, &head.method, &head.headers);
        self.sign(&mut headers, request);
        self.keep_visitor(&mut headers, request);
        let mut response = ResponseHeader::build_no_case(status, Some(0))?;
        header_fields::of_response(&mut response, |fields| *fields = headers);
        if self.draining.load(Ordering::Relaxed) {
            session.set_keepalive(None);
        }
        let has_no_body = is_head || body.is_empty();
        session.write_response_header(Box::new(response), has_no_body).await?;
        if has_no_body {
            return Ok(());
        }
        session.write_response_body(Some(body), true).await
    }
}

fn standing_of(page: &Page) -> Standing {
    match page.instances.iter().find(|instance| instance.is_healthy()) {
        None => Standing::Dead,
        Some(_) if page.has_two_releases() => Standing::Split,
        Some(instance) => Standing::Live(instance.release()),
    }
}

/// Whether a request is nobody else's: its visitor is known, it has a body, or a condition that only the page can judge
/// (RFC 9111 section 4.3.2).
fn passes_by(headers: &HeaderMap, bypass_cookies: &[String]) -> bool {
    // One look at all fields costs less than to look each name up.
    let is_own = |(name, value): (&HeaderName, &HeaderValue)| match *name {
        header::TRANSFER_ENCODING | header::AUTHORIZATION | header::IF_MATCH | header::IF_UNMODIFIED_SINCE => true,
        header::CONTENT_LENGTH => value != "0",
        _ => false,
    };
    headers.iter().any(is_own) || has_cookie(headers, bypass_cookies)
}

fn has_cookie(headers: &HeaderMap, names: &[String]) -> bool {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    cookies.any(|cookie| {
        let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        names.iter().any(|known| known.as_bytes() == name)
    })
}

/// The host that the visitor asked, as a page is told it.
pub(super) fn host_of(headers: &HeaderMap, is_trusted: bool) -> &[u8] {
    let forwarded = if is_trusted { headers.get("x-forwarded-host") } else { None };
    forwarded.or_else(|| headers.get(header::HOST)).map_or(&[], |host| host.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::fields;
    use super::*;

    #[test]
    fn who_is_known_passes_the_cache_by() {
        let names = ["session".to_owned(), "basket".to_owned()];
        for (lines, expected) in [
            (&[][..], false),
            (&[("cookie", "analytics=1; pagefleet-bucket=7")], false),
            (&[("cookie", "my-session=1; sessions=2; x=session")], false),
            (&[("cookie", "a=b; session=1")], true),
            (&[("cookie", "a=b"), ("cookie", "basket=1")], true),
            (&[("cookie", " basket =1")], true),
            (&[("cookie", "session")], true),
            (&[("authorization", "Bearer x")], true),
            (&[("if-match", "\"a\"")], true),
            (&[("content-length", "0")], false),
            (&[("content-length", "5")], true),
            (&[("transfer-encoding", "chunked")], true),
        ] {
            assert_eq!(passes_by(&fields(lines), &names), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_names_another_host() {
        let headers = fields(&[("host", "a"), ("x-forwarded-host", "b")]);
        assert_eq!((host_of(&headers, false), host_of(&headers, true)), (&b"a"[..], &b"b"[..]));
        assert_eq!(host_of(&HeaderMap::new(), true), b"");
    }
}
