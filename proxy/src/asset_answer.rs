//! How held bytes are answered: which encoding, 200, 206, 304, 412 or 416, and with which headers (RFC 9110 sections 8.8,
//! 12.5.3, 13 and 14). Pure: no socket, no pingora.

use crate::asset_url::AssetUrl;
use crate::memory_file::MemoryFile;
use crate::wire::{FieldLines, WrittenAnswer};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch, IfRange, Range};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::ops::Bound;
use std::sync::Arc;

/// An encoding in which an asset may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As the page sent it.
    Identity,
    /// `br` (RFC 7932).
    Brotli,
    /// `gzip` (RFC 1952).
    Gzip,
}

impl Coding {
    const fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// An asset's bytes, verified, in every encoding that is worth having.
#[derive(Debug, Clone)]
pub struct Held {
    /// As the page sent it.
    pub identity: Encoded,
    /// Compressed, when that is smaller.
    pub brotli: Option<Encoded>,
    /// Compressed, when that is smaller.
    pub gzip: Option<Encoded>,
}

/// An asset's bytes in one encoding.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Bytes,
    /// The same, where they are to be sent without a copy.
    file: Option<Arc<MemoryFile>>,
    coding: Coding,
    /// By the table in [`crate::content_type`].
    content_type: &'static str,
    /// Strong, and distinct for each encoding.
    etag: HeaderValue,
    tag: Option<ETag>,
    /// What is said of them under each of their two URLs.
    written: [Written; AssetUrl::ALL.len()],
}

/// The fields of answers that differ in nothing else.
#[derive(Debug, Clone)]
struct Written {
    whole: FieldLines,
    not_modified: FieldLines,
}

impl Encoded {
    /// `fingerprint` is made of the first 16 hexadecimal digits of the SHA-256 of the identity bytes.
    pub fn new(bytes: Bytes, coding: Coding, (fingerprint, content_type): (&str, &'static str)) -> Self {
        let etag = match coding {
            Coding::Identity => format!("\"{fingerprint}\""),
            coding => format!("\"{fingerprint}-{}\"", coding.token()),
        };
        // Digits and letters make a good value.
        let etag: HeaderValue = etag.try_into().unwrap_or(HeaderValue::from_static(""));
        let tag = etag.to_str().ok().and_then(|etag| etag.parse().ok());
        let file = MemoryFile::of(&bytes).map(Arc::new);
        let written = AssetUrl::ALL.map(|url| Written {
            whole: FieldLines::of(&whole_fields(&bytes, coding, (&etag, content_type), url)),
            not_modified: FieldLines::of(&common_fields(&etag, url)),
        });
        Self { bytes, file, coding, content_type, etag, tag, written }
    }
}

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 206, 304, 412 or 416.
    pub status: StatusCode,
    /// All headers that depend on the asset.
    pub headers: HeaderMap,
    /// Empty for 304, 412 and 416. A HEAD is answered without it.
    pub body: Bytes,
}

/// What a request comes to.
enum Decision<'a> {
    /// All of one encoding.
    Whole(&'a Encoded),
    /// The client has this encoding already.
    NotModified(&'a Encoded),
    /// A part, or an error.
    Other(Answer),
}

impl Encoded {
    fn whole(&self, url: AssetUrl) -> Answer {
        let headers = whole_fields(&self.bytes, self.coding, (&self.etag, self.content_type), url);
        Answer { status: StatusCode::OK, headers, body: self.bytes.clone() }
    }

    fn not_modified(&self, url: AssetUrl) -> Answer {
        Answer { status: StatusCode::NOT_MODIFIED, headers: common_fields(&self.etag, url), body: Bytes::new() }
    }
}

impl Held {
    /// Bytes in memory, all encodings together.
    pub fn weight(&self) -> usize {
        let encodings = [Some(&self.identity), self.brotli.as_ref(), self.gzip.as_ref()];
        let weight = |encoded: &Encoded| encoded.bytes.len() * (1 + usize::from(encoded.file.is_some()));
        encodings.into_iter().flatten().map(weight).sum()
    }

    /// The file that an answer's whole body is in.
    pub fn file_of(&self, body: &Bytes) -> Option<&MemoryFile> {
        let encodings = [Some(&self.identity), self.brotli.as_ref(), self.gzip.as_ref()];
        let it = encodings.into_iter().flatten().find(|encoded| std::ptr::eq(&*encoded.bytes, &**body))?;
        it.file.as_deref()
    }

    fn encoded(&self, coding: Coding) -> Option<&Encoded> {
        match coding {
            Coding::Identity => Some(&self.identity),
            Coding::Brotli => self.brotli.as_ref(),
            Coding::Gzip => self.gzip.as_ref(),
        }
    }

    /// The answer to a GET or HEAD with these headers.
    pub fn answer(&self, method: &Method, request: &HeaderMap, url: AssetUrl) -> Answer {
        match self.decide(method, request, url) {
            Decision::Whole(encoded) => encoded.whole(url),
            Decision::NotModified(encoded) => encoded.not_modified(url),
            Decision::Other(answer) => answer,
        }
    }

    /// The same, ready to be sent.
    pub fn written_answer(&self, method: &Method, request: &HeaderMap, url: AssetUrl) -> WrittenAnswer {
        match self.decide(method, request, url) {
            Decision::Whole(encoded) => WrittenAnswer {
                status: StatusCode::OK,
                lines: encoded.written[url as usize].whole.clone(),
                body: encoded.bytes.clone(),
            },
            Decision::NotModified(encoded) => WrittenAnswer {
                status: StatusCode::NOT_MODIFIED,
                lines: encoded.written[url as usize].not_modified.clone(),
                body: Bytes::new(),
            },
            Decision::Other(Answer { status, headers, body }) => {
                WrittenAnswer { status, lines: FieldLines::of(&headers), body }
            }
        }
    }

    fn decide(&self, method: &Method, request: &HeaderMap, url: AssetUrl) -> Decision<'_> {
        // Only a GET has ranges (RFC 9110 section 14.2).
        let ranges = *method == Method::GET && request.contains_key(header::RANGE);
        // A range is of the bytes that the client has part of; which encoding these were only identity makes sure.
        let coding = if ranges { Coding::Identity } else { self.coding_for(request) };
        let encoded = self.encoded(coding).unwrap_or(&self.identity);
        if request.typed_get::<IfMatch>().is_some_and(|wanted| !is_matched(encoded, &wanted)) {
            let (status, headers) = (StatusCode::PRECONDITION_FAILED, error_headers());
            return Decision::Other(Answer { status, headers, body: Bytes::new() });
        }
        if let Some(known) = self.known(request, coding) {
            return Decision::NotModified(known);
        }
        if !ranges {
            return Decision::Whole(encoded);
        }
        let same = request.typed_get::<IfRange>().is_none_or(|known| !known.is_modified(encoded.tag.as_ref(), None));
        let part = request.typed_get::<Range>().filter(|_| same).and_then(|range| self.part(&range, url));
        part.map_or(Decision::Whole(encoded), Decision::Other)
    }

    /// The encoding that the client holds: the one it would get, or another of the same content. Its 304 then carries
    /// the tag that the client knows (RFC 9111 section 4.3.4).
    fn known(&self, request: &HeaderMap, negotiated: Coding) -> Option<&Encoded> {
        let tags = request.get(header::IF_NONE_MATCH)?;
        let codings = [negotiated, Coding::Identity, Coding::Brotli, Coding::Gzip];
        let mut held = codings.into_iter().filter_map(|coding| self.encoded(coding));
        // Mostly it is one of ours, as we wrote it.
        held.clone().find(|encoded| encoded.etag == tags).or_else(|| {
            let known: IfNoneMatch = request.typed_get()?;
            held.find(|encoded| encoded.tag.as_ref().is_some_and(|tag| !known.precondition_passes(tag)))
        })
    }

    /// One range; several are answered whole, as RFC 9110 section 14.2 allows.
    fn part(&self, range: &Range, url: AssetUrl) -> Option<Answer> {
        let identity = &self.identity;
        let length = identity.bytes.len() as u64;
        let mut satisfiable = range.satisfiable_ranges(length);
        let Some((start, end)) = satisfiable.next() else { return Some(not_satisfiable(length)) };
        if satisfiable.next().is_some() {
            return None;
        }
        let start = match start {
            Bound::Included(start) => start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match end {
            Bound::Included(last) => last.saturating_add(1).min(length),
            Bound::Excluded(end) => end.min(length),
            Bound::Unbounded => length,
        };
        if start >= end {
            return Some(not_satisfiable(length));
        }
        let mut headers = common_fields(&identity.etag, url);
        let body = identity.bytes.slice(usize::try_from(start).ok()?..usize::try_from(end).ok()?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(identity.content_type));
        headers.insert(header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1).try_into().ok()?);
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        Some(Answer { status: StatusCode::PARTIAL_CONTENT, headers, body })
    }

    /// The held encoding that the client likes best; of equals the smallest. Identity when it likes none, since an
    /// asset is better than a 406 (RFC 9110 section 12.5.3 allows it).
    fn coding_for(&self, request: &HeaderMap) -> Coding {
        let accepted = Accepted::of(request);
        let by_size = [Coding::Brotli, Coding::Gzip, Coding::Identity];
        let held = by_size.into_iter().filter(|coding| self.encoded(*coding).is_some());
        let mut best = (Coding::Identity, 0);
        for coding in held {
            let quality = accepted.quality(coding.token());
            if quality > best.1 {
                best = (coding, quality);
            }
        }
        best.0
    }
}

fn is_matched(encoded: &Encoded, wanted: &IfMatch) -> bool {
    encoded.tag.as_ref().is_some_and(|tag| wanted.precondition_passes(tag))
}

/// What a 200 says.
fn whole_fields(
    bytes: &Bytes,
    coding: Coding,
    (etag, content_type): (&HeaderValue, &'static str),
    url: AssetUrl,
) -> HeaderMap {
    let mut fields = common_fields(etag, url);
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(header::CONTENT_LENGTH, bytes.len().into());
    if coding != Coding::Identity {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
    }
    fields
}

/// What 200, 206 and 304 have in common.
fn common_fields(etag: &HeaderValue, url: AssetUrl) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(header::ETAG, etag.clone());
    for (name, value) in [
        (header::VARY, "accept-encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, url.cache_control()),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    fields
}

fn not_satisfiable(length: u64) -> Answer {
    let mut headers = error_headers();
    headers.extend(HeaderValue::try_from(format!("bytes */{length}")).ok().map(|range| (header::CONTENT_RANGE, range)));
    Answer { status: StatusCode::RANGE_NOT_SATISFIABLE, headers, body: Bytes::new() }
}

/// No error of an asset is ever kept.
fn error_headers() -> HeaderMap {
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_LENGTH, "0"),
    ];
    fields.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
}

/// `Accept-Encoding` with qualities in thousandths.
struct Accepted<'a>(Option<Vec<(&'a [u8], u16)>>);

impl<'a> Accepted<'a> {
    fn of(request: &'a HeaderMap) -> Self {
        if !request.contains_key(header::ACCEPT_ENCODING) {
            return Self(None);
        }
        let mut accepted = Vec::with_capacity(4);
        for value in request.get_all(header::ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|byte| *byte == b',') {
                let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let coding = parts.next().unwrap_or_default();
                if !coding.is_empty() {
                    accepted.push((coding, parts.find_map(weight).unwrap_or(1000)));
                }
            }
        }
        Self(Some(accepted))
    }

    fn quality(&self, coding: &str) -> u16 {
        let Some(accepted) = &self.0 else { return u16::from(coding == "identity") * 1000 };
        let named = |name: &str| {
            let found = accepted.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name.as_bytes()));
            found.map(|(_, quality)| *quality)
        };
        let alias = if coding == "gzip" { named("x-gzip") } else { None };
        // Identity is always acceptable unless it or `*` is refused, but never preferred to what is asked for.
        named(coding).or(alias).or_else(|| named("*")).unwrap_or(u16::from(coding == "identity"))
    }
}

/// A weight in thousandths (RFC 9110 section 12.4.2); what is no number is 0.
fn weight(parameter: &[u8]) -> Option<u16> {
    let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let weight = std::str::from_utf8(weight.trim_ascii()).ok().and_then(|weight| weight.parse::<f32>().ok());
    Some((weight.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Held {
        let named = ("5d1f0c3a9b7e2468", "text/css; charset=utf-8");
        let encoded = |bytes: &'static str, coding| Encoded::new(bytes.into(), coding, named);
        Held {
            identity: encoded("0123456789", Coding::Identity),
            brotli: Some(encoded("br", Coding::Brotli)),
            gzip: Some(encoded("gzp", Coding::Gzip)),
        }
    }

    fn ask(fields: &[(&'static str, &str)]) -> Answer {
        let mut request = HeaderMap::new();
        for (name, value) in fields {
            request.append(*name, value.parse().unwrap());
        }
        held().answer(&Method::GET, &request, AssetUrl::Fingerprinted)
    }

    fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
        answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn the_encoding_is_the_one_that_the_client_likes_best() {
        for (accepted, body) in [
            (None, "0123456789"),
            (Some("br"), "br"),
            (Some("gzip, deflate, br, zstd"), "br"),
            (Some("gzip"), "gzp"),
            (Some("x-gzip"), "gzp"),
            (Some("br;q=0.5, gzip;q=0.9"), "gzp"),
            (Some("br;q=0, gzip;q=0"), "0123456789"),
            (Some("identity, br;q=0.5"), "0123456789"),
            (Some("*"), "br"),
            (Some("*;q=0"), "0123456789"),
            (Some("BR ; Q=1.0"), "br"),
            (Some("deflate"), "0123456789"),
            (Some(""), "0123456789"),
            (Some("br;q=junk"), "0123456789"),
        ] {
            let fields: Vec<_> = accepted.map(|accepted| ("accept-encoding", accepted)).into_iter().collect();
            let answer = ask(&fields);
            assert_eq!(answer.body, body.as_bytes(), "{accepted:?}");
            assert_eq!(field(&answer, "content-encoding").is_empty(), body == "0123456789");
            assert_eq!(field(&answer, "vary"), "accept-encoding");
        }
    }

    #[test]
    fn each_encoding_has_a_tag_of_its_own_and_all_tags_name_the_content() {
        let tags: Vec<_> = ["identity", "br", "gzip"]
            .map(|coding| field(&ask(&[("accept-encoding", coding)]), "etag").to_owned())
            .into();
        assert_eq!(tags, ["\"5d1f0c3a9b7e2468\"", "\"5d1f0c3a9b7e2468-br\"", "\"5d1f0c3a9b7e2468-gzip\""]);
        for (known, status) in [
            ("\"5d1f0c3a9b7e2468\"", 304),
            ("W/\"5d1f0c3a9b7e2468\"", 304),
            ("\"5d1f0c3a9b7e2468-br\"", 304),
            ("\"x\", \"5d1f0c3a9b7e2468-gzip\"", 304),
            ("*", 304),
            ("\"0000000000000000\"", 200),
            ("5d1f0c3a9b7e2468", 200),
        ] {
            let answer = ask(&[("if-none-match", known), ("accept-encoding", "br")]);
            assert_eq!(answer.status, status, "{known}");
            assert_eq!(answer.body.is_empty(), status == 304);
            let same = status == 304 && known != "*";
            assert!(!same || known.contains(field(&answer, "etag")), "{known}");
        }
        assert_eq!(ask(&[("if-match", "\"other\"")]).status, 412);
        assert_eq!(ask(&[("if-match", "*")]).status, 200);
    }

    #[test]
    fn a_range_is_cut_out_of_the_identity_bytes() {
        for (range, status, body, content_range) in [
            ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
            ("bytes=8-", 206, "89", "bytes 8-9/10"),
            ("bytes=-2", 206, "89", "bytes 8-9/10"),
            ("bytes=5-99", 206, "56789", "bytes 5-9/10"),
            ("bytes=10-", 416, "", "bytes */10"),
            ("bytes=0-1,3-4", 200, "0123456789", ""),
            ("lines=1-2", 200, "0123456789", ""),
        ] {
            let answer = ask(&[("range", range), ("accept-encoding", "br")]);
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body.as_bytes()), "{range}");
            assert_eq!(field(&answer, "content-range"), content_range, "{range}");
            assert_eq!(field(&answer, "content-encoding"), "");
        }
        let mut range = HeaderMap::new();
        range.insert("range", "bytes=0-3".parse().unwrap());
        assert_eq!(held().answer(&Method::HEAD, &range, AssetUrl::Stable).status, 200);
        assert_eq!(field(&ask(&[("range", "bytes=10-")]), "cache-control"), "no-store");
        assert_eq!(ask(&[("range", "bytes=0-3"), ("if-range", "\"5d1f0c3a9b7e2468\"")]).status, 206);
        for other in ["\"other\"", "W/\"5d1f0c3a9b7e2468\"", "Sat, 21 Nov 2026 00:00:00 GMT"] {
            assert_eq!(ask(&[("range", "bytes=0-3"), ("if-range", other)]).status, 200, "{other}");
        }
    }
}
