//! How a kept answer is given: 200, 206, 304 or 416 (RFC 9110 sections 13 and 14, RFC 9111 section 4.3.2), and how old it is.

use super::directives::members;
use super::entry::Entry;
use super::terms;
use bytes::Bytes;
use headers::{HeaderMapExt, Range};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::ops::Bound;

/// The fields of a 304 (RFC 9110 section 15.4.5), and `Age`.
static IN_A_304: [header::HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

/// What to send.
#[derive(Debug)]
pub struct CachedAnswer {
    /// 200, 206, 304 or 416, or what the page said.
    pub status: StatusCode,
    /// All fields, `Age` included.
    pub headers: HeaderMap,
    /// Empty for 304 and 416. A HEAD is answered without it.
    pub body: Bytes,
}

/// What of a kept answer a request comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// The client has it already.
    NotModified,
    /// A range of it.
    Part,
}

impl Wanted {
    /// By a GET or HEAD with these fields.
    pub fn of(entry: &Entry, method: &Method, request: &HeaderMap) -> Self {
        // A condition is on the page's own content, of which only a 200 is (RFC 9110 section 13.2.1).
        if entry.status() != StatusCode::OK {
            Self::Whole
        } else if is_known(entry, request) {
            Self::NotModified
        } else if *method == Method::GET && request.contains_key(header::RANGE) && is_same(entry, request) {
            Self::Part
        } else {
            Self::Whole
        }
    }
}

impl CachedAnswer {
    /// The answer to a GET or HEAD with these fields.
    pub fn of(entry: &Entry, method: &Method, request: &HeaderMap) -> Self {
        let wanted = Wanted::of(entry, method, request);
        let (status, headers, body) = match wanted {
            Wanted::NotModified => (StatusCode::NOT_MODIFIED, not_modified_fields(entry.headers()), Bytes::new()),
            Wanted::Whole | Wanted::Part => (entry.status(), entry.headers().clone(), entry.body().clone()),
        };
        let mut answer = Self { status, headers, body };
        if wanted == Wanted::Part {
            answer.cut(request);
        }
        answer.headers.insert(header::AGE, entry.age().as_secs().into());
        answer
    }

    /// Cuts out one range. Several are answered whole, as RFC 9110 section 14.2 allows.
    fn cut(&mut self, request: &HeaderMap) {
        let length = self.body.len() as u64;
        let Some(range) = request.typed_get::<Range>() else { return };
        let ranges: Vec<_> = range.satisfiable_ranges(length).take(2).collect();
        let (start, end) = match ranges.as_slice() {
            [] => return self.refuse_range(length),
            [(start, end)] => (start, end),
            _ => return,
        };
        let start = match start {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match end {
            Bound::Included(last) => last.saturating_add(1).min(length),
            Bound::Excluded(end) => (*end).min(length),
            Bound::Unbounded => length,
        };
        let (Ok(first), Ok(after)) = (usize::try_from(start), usize::try_from(end)) else { return };
        if start >= end {
            return self.refuse_range(length);
        }
        let Ok(content_range) = HeaderValue::try_from(format!("bytes {start}-{}/{length}", end - 1)) else { return };
        (self.status, self.body) = (StatusCode::PARTIAL_CONTENT, self.body.slice(first..after));
        self.headers.insert(header::CONTENT_RANGE, content_range);
        self.headers.insert(header::CONTENT_LENGTH, self.body.len().into());
    }

    fn refuse_range(&mut self, length: u64) {
        let Ok(content_range) = HeaderValue::try_from(format!("bytes */{length}")) else { return };
        (self.status, self.body) = (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new());
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ETAG, header::LAST_MODIFIED] {
            self.headers.remove(name);
        }
        self.headers.insert(header::CONTENT_RANGE, content_range);
        self.headers.insert(header::CONTENT_LENGTH, 0.into());
    }
}

/// What of an answer's fields its 304 has.
pub fn not_modified_fields(fields: &HeaderMap) -> HeaderMap {
    let values =
        |name: &'static header::HeaderName| fields.get_all(name).iter().map(move |value| (name.clone(), value.clone()));
    let mut kept = HeaderMap::new();
    for (name, value) in IN_A_304.iter().flat_map(values) {
        kept.append(name, value);
    }
    kept
}

/// Whether the client has it already. A tag has the say over a date (RFC 9110 section 13.2.2).
fn is_known(entry: &Entry, request: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let lines = request.get_all(header::IF_NONE_MATCH).iter();
        let mut tags = lines.flat_map(|line| members(line.as_bytes()));
        let own = entry.headers().get(header::ETAG).map(|tag| opaque(tag.as_bytes()));
        return tags.any(|tag| tag == b"*" || Some(opaque(tag)) == own);
    }
    let since = terms::date(request, &header::IF_MODIFIED_SINCE);
    since.is_some_and(|since| entry.modified().is_some_and(|modified| modified <= since))
}

/// A tag as the weak comparison sees it (RFC 9110 section 8.8.3.2).
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether what the client has part of is this: by a strong tag, or by the very date (RFC 9110 section 13.1.5).
fn is_same(entry: &Entry, request: &HeaderMap) -> bool {
    let Some(known) = request.get(header::IF_RANGE) else { return true };
    let known = known.as_bytes().trim_ascii();
    if known.starts_with(b"\"") {
        return entry.headers().get(header::ETAG).is_some_and(|tag| tag.as_bytes() == known);
    }
    entry.headers().get(header::LAST_MODIFIED).is_some_and(|date| date.as_bytes() == known)
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::{entry, fields};
    use super::*;

    const MODIFIED: &str = "Sat, 21 Nov 2020 12:00:00 GMT";

    fn ask(method: &Method, request: &[(&'static str, &str)]) -> CachedAnswer {
        let kept = entry(&[("etag", "\"a\""), ("last-modified", MODIFIED), ("x-more", "1"), ("age", "7")], &[]);
        CachedAnswer::of(&kept, method, &fields(request))
    }

    #[test]
    fn who_has_it_already_gets_304() {
        for (request, status) in [
            (&[][..], 200),
            (&[("if-none-match", "\"a\"")], 304),
            (&[("if-none-match", "W/\"a\"")], 304),
            (&[("if-none-match", "\"x,y\", \"a\"")], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", "\"b\"")], 200),
            (&[("if-none-match", "\"b\""), ("if-modified-since", MODIFIED)], 200),
            (&[("if-modified-since", MODIFIED)], 304),
            (&[("if-modified-since", "Saturday, 21-Nov-20 12:00:00 GMT")], 304),
            (&[("if-modified-since", "Sat, 21 Nov 2020 11:59:59 GMT")], 200),
            (&[("if-modified-since", "yesterday")], 200),
        ] {
            let answer = ask(&Method::GET, request);
            assert_eq!(answer.status, status, "{request:?}");
            assert_eq!(answer.body.is_empty(), status == 304);
            assert_eq!(answer.headers["age"], "7");
            assert_eq!(answer.headers["etag"], "\"a\"");
            assert_eq!(answer.headers.contains_key("x-more"), status == 200);
        }
        let undated = CachedAnswer::of(&entry(&[], &[]), &Method::GET, &fields(&[("if-none-match", "\"a\"")]));
        assert_eq!(undated.status, 200);
    }

    #[test]
    fn one_range_is_cut_out_and_more_are_not() {
        for (request, status, body, content_range) in [
            (&[("range", "bytes=0-3")][..], 206, "0123", "bytes 0-3/10"),
            (&[("range", "bytes=8-")], 206, "89", "bytes 8-9/10"),
            (&[("range", "bytes=-2")], 206, "89", "bytes 8-9/10"),
            (&[("range", "bytes=5-99")], 206, "56789", "bytes 5-9/10"),
            (&[("range", "bytes=10-")], 416, "", "bytes */10"),
            (&[("range", "bytes=0-1,3-4")], 200, "0123456789", ""),
            (&[("range", "lines=0-1")], 200, "0123456789", ""),
            (&[("range", "bytes=0-3"), ("if-range", "\"a\"")], 206, "0123", "bytes 0-3/10"),
            (&[("range", "bytes=0-3"), ("if-range", MODIFIED)], 206, "0123", "bytes 0-3/10"),
            (&[("range", "bytes=0-3"), ("if-range", "\"b\"")], 200, "0123456789", ""),
            (&[("range", "bytes=0-3"), ("if-range", "W/\"a\"")], 200, "0123456789", ""),
            (&[("range", "bytes=0-3"), ("if-none-match", "\"a\"")], 304, "", ""),
        ] {
            let answer = ask(&Method::GET, request);
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body.as_bytes()), "{request:?}");
            let found = answer.headers.get("content-range").map_or("", |value| value.to_str().unwrap());
            assert_eq!(found, content_range);
            if status != 304 {
                assert_eq!(answer.headers["content-length"], body.len().to_string().as_str());
            }
        }
        assert_eq!(ask(&Method::HEAD, &[("range", "bytes=0-3")]).status, 200, "only a GET has ranges");
    }
}
