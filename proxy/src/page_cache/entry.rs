//! One answer as it is kept: what of its head is for others (RFC 9111 section 3.1), for which requests it stands
//! (section 4.1), how old it is (4.2.3), and what a 304 makes of it (4.3.4).

use super::cached_answer::{Wanted, not_modified_fields};
use super::directives::{Asked, Said, members};
use super::terms::{self, Reuse, Terms, Timing};
use crate::manifest::Manifest;
use crate::memory_file::MemoryFile;
use crate::wire::{FieldLines, WrittenAnswer};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Hop-by-hop fields (RFC 9110 section 7.6.1), those that are made anew for each answer, and those that belong to the one
/// request that was answered.
const NOT_KEPT: [&str; 23] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "age",
    "content-length",
    "set-cookie",
    "traceparent",
    "tracestate",
    "traceresponse",
    "x-request-id",
    "x-page",
    "x-release",
    "x-route-reason",
    "x-proxy-error",
    "x-cache",
    "via",
];

/// Fields of a kept answer that a 304 can't change: they are of its bytes.
const OF_THE_BYTES: [&str; 4] = ["content-encoding", "content-md5", "content-range", "etag"];

/// Fields that differ from visitor to visitor because we write them: to vary by one is to be nobody else's.
const WRITTEN_BY_US: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-real-ip", "x-request-id", "x-request-timeout-ms", "traceparent"];

/// Fields that we write and that are part of the key.
const IN_THE_KEY: [&str; 3] = ["host", "x-forwarded-host", "x-forwarded-proto"];

/// For how long after its use an answer with a validator is kept to be validated.
const KEPT_FOR_VALIDATION: Duration = Duration::from_secs(600);

/// Bytes that an entry takes besides its fields and its body, about.
const OVERHEAD: usize = 512;

/// Where an answer came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The release that answered; `None` for a page without a manifest.
    pub release: Option<Arc<str>>,
    /// All that this release has: the vault keeps it for as long as the answer is kept.
    pub manifest: Option<Arc<Manifest>>,
}

/// The head of an answer that may be kept, its body still to come.
#[derive(Debug, Clone)]
pub struct Draft {
    status: StatusCode,
    headers: HeaderMap,
    selection: Selection,
    origin: Origin,
    terms: Terms,
    came: Instant,
}

/// A kept answer.
#[derive(Debug)]
pub struct Entry {
    draft: Draft,
    body: Bytes,
    /// The same, where it is to be sent without a copy.
    file: Option<Arc<MemoryFile>>,
    last_modified: Option<SystemTime>,
    whole: FieldLines,
    not_modified: FieldLines,
}

/// The request fields that an answer was selected by, and what they said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Selection(Vec<(HeaderName, Vec<Vec<u8>>)>);

/// A response and the request that it answers, as far as the cache is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The response's status.
    pub status: StatusCode,
    /// The response's fields.
    pub response: &'a HeaderMap,
    /// The request's fields, as the client sent them.
    pub request: &'a HeaderMap,
    /// When the response came.
    pub timing: Timing,
}

impl Draft {
    /// What is kept of an answer; `None` when it may not be.
    pub fn of(exchange: Exchange<'_>, origin: Origin) -> Option<Self> {
        let Exchange { status, response, request, timing } = exchange;
        let terms = Terms::of(status, response, timing)?;
        let selection = Selection::of(response, request)?;
        let withheld = Said::of(response).withheld;
        let mut headers = HeaderMap::with_capacity(response.len() + 3);
        for (name, value) in response {
            if !NOT_KEPT.contains(&name.as_str()) && !withheld.contains(name) {
                headers.append(name.clone(), copied(value));
            }
        }
        if !headers.contains_key(header::DATE) {
            // RFC 9110 section 6.6.1: who receives an answer without a date has to note one.
            headers.insert(header::DATE, HeaderValue::try_from(httpdate::fmt_http_date(timing.now)).ok()?);
        }
        Some(Self { status, headers, selection, origin, terms, came: Instant::now() })
    }

    /// With its whole body.
    pub fn with_body(mut self, body: Bytes) -> Entry {
        if self.status != StatusCode::NO_CONTENT {
            self.headers.insert(header::CONTENT_LENGTH, body.len().into());
        }
        let last_modified = terms::date(&self.headers, &header::LAST_MODIFIED);
        let file = MemoryFile::of(&body).map(Arc::new);
        let (whole, not_modified) =
            (FieldLines::of(&self.headers), FieldLines::of(&not_modified_fields(&self.headers)));
        Entry { draft: self, body, file, last_modified, whole, not_modified }
    }
}

impl Entry {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.draft.status
    }

    /// Its fields, `content-length` among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.draft.headers
    }

    /// An answer without its `Age`; `None` for a part.
    pub fn written_answer(&self, wanted: Wanted) -> Option<WrittenAnswer> {
        let (status, lines, body) = match wanted {
            Wanted::Whole => (self.status(), &self.whole, self.body.clone()),
            Wanted::NotModified => (StatusCode::NOT_MODIFIED, &self.not_modified, Bytes::new()),
            Wanted::Part => return None,
        };
        Some(WrittenAnswer { status, lines: lines.clone(), body })
    }

    /// Its body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The file that an answer's whole body is in.
    pub fn file_of(&self, body: &Bytes) -> Option<&MemoryFile> {
        self.file.as_deref().filter(|_| std::ptr::eq(&*self.body, &**body))
    }

    /// The release that it came from.
    pub fn release(&self) -> Option<&Arc<str>> {
        self.draft.origin.release.as_ref()
    }

    /// All that this release has.
    pub fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.draft.origin.manifest.as_ref()
    }

    /// Its `Last-Modified`, or else when it came (RFC 9111 section 4.3.2).
    pub fn modified(&self) -> Option<SystemTime> {
        self.last_modified.or_else(|| terms::date(self.headers(), &header::DATE))
    }

    /// How old it is (RFC 9111 section 4.2.3).
    pub fn age(&self) -> Duration {
        self.draft.terms.age + self.draft.came.elapsed()
    }

    /// How it may be used now.
    pub fn reuse(&self, asked: &Asked) -> Reuse {
        self.draft.terms.reuse(self.age(), asked)
    }

    /// For how long from now on it is worth keeping.
    pub fn worth_keeping(&self) -> Duration {
        let validation = if self.has_validator() { KEPT_FOR_VALIDATION } else { Duration::ZERO };
        (self.draft.terms.usable_until() + validation).saturating_sub(self.age())
    }

    /// Whether the page can be asked if it still holds.
    pub fn has_validator(&self) -> bool {
        self.headers().contains_key(header::ETAG) || self.last_modified.is_some()
    }

    /// Whether it stands for a request with these fields.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.draft.selection.matches(request)
    }

    /// Whether it stands for the same requests as another.
    pub fn replaces(&self, other: &Self) -> bool {
        self.draft.selection == other.draft.selection
    }

    /// Whether it differs by this request field.
    pub fn varies_by(&self, name: &HeaderName) -> bool {
        self.draft.selection.0.iter().any(|(varied, _)| varied == name)
    }

    /// Bytes in memory, about.
    pub fn weight(&self) -> usize {
        // Its lines are there three times: to be read, to be sent, and for the 304.
        let field = |(name, value): (&HeaderName, &HeaderValue)| 3 * (name.as_str().len() + value.len()) + 64;
        self.body.len() * (1 + usize::from(self.file.is_some()))
            + self.headers().iter().map(field).sum::<usize>()
            + OVERHEAD
    }

    /// It with the fields of a 304 that validates it (RFC 9111 sections 3.2 and 4.3.4); `None` when that is of another
    /// content, or says that it may not be kept any more.
    pub fn validated(&self, response: &HeaderMap, timing: Timing) -> Option<Self> {
        if response.get(header::ETAG).is_some_and(|tag| self.headers().get(header::ETAG) != Some(tag)) {
            return None;
        }
        let mut merged = self.headers().clone();
        merged.remove(header::DATE);
        for name in response.keys().filter(|name| !OF_THE_BYTES.contains(&name.as_str())) {
            merged.remove(name);
            for value in response.get_all(name) {
                merged.append(name.clone(), value.clone());
            }
        }
        merged.remove(header::SET_COOKIE);
        // What it varied by then, it varies by now: the request of then is gone.
        let request = &HeaderMap::new();
        let exchange = Exchange { status: self.status(), response: &merged, request, timing };
        let draft =
            Draft { selection: self.draft.selection.clone(), ..Draft::of(exchange, self.draft.origin.clone())? };
        Some(draft.with_body(self.body.clone()))
    }
}

impl Selection {
    /// `None` when nobody else's request can be the same.
    fn of(response: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let mut selection = Vec::new();
        for name in response.get_all(header::VARY).iter().flat_map(|line| members(line.as_bytes())) {
            let name = HeaderName::from_bytes(name).ok().filter(|_| name != b"*")?;
            if WRITTEN_BY_US.contains(&name.as_str()) {
                return None;
            }
            if !IN_THE_KEY.contains(&name.as_str()) {
                selection.push(name);
            }
        }
        if response.contains_key(header::CONTENT_ENCODING) {
            // A page that encodes and forgets to say that it varies: who can't decode must not get it.
            selection.push(header::ACCEPT_ENCODING);
        }
        selection.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        selection.dedup();
        let values = |name: HeaderName| {
            let values = values(request, &name).map(<[u8]>::to_vec).collect();
            (name, values)
        };
        Some(Self(selection.into_iter().map(values).collect()))
    }

    fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, known)| values(request, name).eq(known.iter().map(Vec::as_slice)))
    }
}

/// A field's members, whatever the lines and spaces between them.
fn values<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    request.get_all(name).iter().flat_map(|line| members(line.as_bytes()))
}

/// A value that does not keep the buffer alive that it was read into.
fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::page_cache) fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn timing() -> Timing {
        Timing { now: SystemTime::now(), delay: Duration::ZERO }
    }

    fn draft(response: &[(&'static str, &str)], request: &[(&'static str, &str)]) -> Option<Draft> {
        let (response, request) = (&fields(response), &fields(request));
        let exchange = Exchange { status: StatusCode::OK, response, request, timing: timing() };
        Draft::of(exchange, Origin::default())
    }

    pub(in crate::page_cache) fn entry(response: &[(&'static str, &str)], request: &[(&'static str, &str)]) -> Entry {
        let lines = [response, &[("cache-control", "max-age=60")]].concat();
        draft(&lines, request).unwrap().with_body(Bytes::from_static(b"0123456789"))
    }

    #[test]
    fn what_was_for_one_request_is_not_kept() {
        let entry = entry(
            &[
                ("connection", "close, x-hop"),
                ("transfer-encoding", "chunked"),
                ("x-request-id", "1"),
                ("traceparent", "00-1-1-01"),
                ("x-page", "front"),
                ("age", "7"),
                ("content-type", "text/html"),
                ("link", "</a>; rel=preload"),
                ("link", "</b>; rel=preload"),
                ("x-user", "ann"),
                ("cache-control", "private=\"x-user\""),
            ],
            &[],
        );
        let kept: Vec<_> = entry.headers().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["content-type", "link", "link", "cache-control", "cache-control", "date", "content-length"]);
        assert_eq!(entry.headers()["content-length"], "10");
        assert_eq!(entry.age().as_secs(), 7);
    }

    #[test]
    fn an_answer_stands_for_requests_that_say_the_same() {
        let accept = ("vary", "accept-language, Accept-Encoding");
        let english: &[_] = &[("accept-language", "en, fr"), ("accept-encoding", "gzip")];
        for (vary, stored, presented, expected) in [
            (("vary", "x"), &[][..], &[][..], true),
            (("vary", "x"), &[("x", "1")], &[("x", "1")], true),
            (("vary", "x"), &[("x", "1")], &[("x", "2")], false),
            (("vary", "x"), &[("x", "1")], &[], false),
            (("vary", "x"), &[], &[("x", "1")], false),
            (("vary", "x"), &[("x", "1, 2")], &[("x", "1"), ("x", "2")], true),
            (("vary", "x"), &[("x", "1,2")], &[("x", " 1 ,  2")], true),
            (("vary", "x"), &[("x", "1,2")], &[("x", "2,1")], false),
            (("vary", "x"), &[("y", "1")], &[("y", "2")], true),
            (accept, english, english, true),
            (accept, english, &english[1..], false),
            (("vary", "x-forwarded-proto, host"), &[("host", "a")], &[("host", "a")], true),
            (("content-encoding", "gzip"), &[("accept-encoding", "gzip")], &[], false),
        ] {
            let entry = entry(&[vary], stored);
            assert_eq!(entry.matches(&fields(presented)), expected, "{vary:?} {stored:?} {presented:?}");
        }
        for vary in ["*", "x, *", ", *", "x-forwarded-for", "x-request-id", "a b"] {
            assert!(draft(&[("vary", vary), ("cache-control", "max-age=60")], &[]).is_none(), "{vary}");
        }
    }

    #[test]
    fn a_304_renews_the_head_and_leaves_the_bytes() {
        let kept = entry(
            &[("etag", "\"a\""), ("x-old", "1"), ("x-both", "1"), ("content-encoding", "gzip"), ("age", "50")],
            &[("accept-encoding", "gzip")],
        );
        let news = fields(&[
            ("etag", "\"a\""),
            ("x-both", "2"),
            ("x-both", "3"),
            ("content-encoding", "br"),
            ("content-length", "0"),
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=5"),
        ]);
        let renewed = kept.validated(&news, timing()).unwrap();
        assert_eq!(renewed.headers()["x-old"], "1");
        assert_eq!(renewed.headers().get_all("x-both").iter().collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(renewed.headers()["content-encoding"], "gzip");
        assert_eq!(renewed.headers()["content-length"], "10");
        assert_eq!(renewed.headers()["cache-control"], "max-age=5");
        assert!(!renewed.headers().contains_key("set-cookie"));
        assert!(renewed.age() < Duration::from_secs(2) && renewed.replaces(&kept));
        for other in [("etag", "\"b\""), ("etag", "W/\"a\""), ("cache-control", "no-store")] {
            assert!(kept.validated(&fields(&[other]), timing()).is_none(), "{other:?}");
        }
    }
}
