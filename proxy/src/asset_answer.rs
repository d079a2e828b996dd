//! How held bytes are answered: which encoding, 200, 206, 304, 412 or 416, and with which headers (RFC 9110 sections 8.8,
//! 12.5.3, 13 and 14). Pure: no socket, no pingora.

use crate::asset_url::AssetUrl;
use bytes::Bytes;
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch, IfRange, Range};
use http::{HeaderMap, Method, StatusCode, header};
use std::ops::Bound;

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
    /// First 16 hexadecimal digits of the SHA-256 of the identity bytes.
    pub fingerprint: String,
    /// By the table in [`crate::content_type`].
    pub content_type: &'static str,
    /// As the page sent it.
    pub identity: Bytes,
    /// Compressed, when that is smaller.
    pub brotli: Option<Bytes>,
    /// Compressed, when that is smaller.
    pub gzip: Option<Bytes>,
}

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 206, 304, 412 or 416.
    pub status: StatusCode,
    /// All headers that depend on the asset.
    pub headers: Vec<(header::HeaderName, String)>,
    /// Empty for 304, 412 and 416. A HEAD is answered without it.
    pub body: Bytes,
}

impl Held {
    /// Bytes in memory, all encodings together.
    pub fn weight(&self) -> usize {
        self.identity.len() + self.brotli.as_ref().map_or(0, Bytes::len) + self.gzip.as_ref().map_or(0, Bytes::len)
    }

    fn bytes(&self, coding: Coding) -> Option<&Bytes> {
        match coding {
            Coding::Identity => Some(&self.identity),
            Coding::Brotli => self.brotli.as_ref(),
            Coding::Gzip => self.gzip.as_ref(),
        }
    }

    /// Strong, and distinct for each encoding.
    fn etag(&self, coding: Coding) -> String {
        match coding {
            Coding::Identity => format!("\"{}\"", self.fingerprint),
            coding => format!("\"{}-{}\"", self.fingerprint, coding.token()),
        }
    }

    /// The answer to a GET or HEAD with these headers.
    pub fn answer(&self, method: &Method, request: &HeaderMap, url: AssetUrl) -> Answer {
        // Only a GET has ranges (RFC 9110 section 14.2).
        let ranges = *method == Method::GET && request.contains_key(header::RANGE);
        // A range is of the bytes that the client has part of; which encoding these were only identity makes sure.
        let coding = if ranges { Coding::Identity } else { self.coding_for(request) };
        let etag = self.etag(coding);
        let Ok(tag) = etag.parse::<ETag>() else { return self.whole(coding, url) };
        if request.typed_get::<IfMatch>().is_some_and(|wanted| !wanted.precondition_passes(&tag)) {
            return Answer { status: StatusCode::PRECONDITION_FAILED, headers: error_headers(), body: Bytes::new() };
        }
        if let Some(known) = request.typed_get::<IfNoneMatch>().and_then(|known| self.known(&known, coding)) {
            return Answer { status: StatusCode::NOT_MODIFIED, headers: self.headers(known, url), body: Bytes::new() };
        }
        let same = request.typed_get::<IfRange>().is_none_or(|known| !known.is_modified(Some(&tag), None));
        match request.typed_get::<Range>().filter(|_| ranges && same) {
            Some(range) => self.part(&range, url).unwrap_or_else(|| self.whole(coding, url)),
            None => self.whole(coding, url),
        }
    }

    /// The encoding that the client holds: the one it would get, or another of the same content. Its 304 then carries
    /// the tag that the client knows (RFC 9111 section 4.3.4).
    fn known(&self, known: &IfNoneMatch, negotiated: Coding) -> Option<Coding> {
        let codings = [negotiated, Coding::Identity, Coding::Brotli, Coding::Gzip];
        codings.into_iter().find(|coding| self.etag(*coding).parse().is_ok_and(|tag| !known.precondition_passes(&tag)))
    }

    fn whole(&self, coding: Coding, url: AssetUrl) -> Answer {
        let body = self.bytes(coding).unwrap_or(&self.identity).clone();
        let mut headers = self.headers(coding, url);
        headers.push((header::CONTENT_TYPE, self.content_type.to_owned()));
        headers.push((header::CONTENT_LENGTH, body.len().to_string()));
        if coding != Coding::Identity {
            headers.push((header::CONTENT_ENCODING, coding.token().to_owned()));
        }
        Answer { status: StatusCode::OK, headers, body }
    }

    /// One range; several are answered whole, as RFC 9110 section 14.2 allows.
    fn part(&self, range: &Range, url: AssetUrl) -> Option<Answer> {
        let length = self.identity.len() as u64;
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
        let mut headers = self.headers(Coding::Identity, url);
        let body = self.identity.slice(usize::try_from(start).ok()?..usize::try_from(end).ok()?);
        headers.push((header::CONTENT_TYPE, self.content_type.to_owned()));
        headers.push((header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1)));
        headers.push((header::CONTENT_LENGTH, body.len().to_string()));
        Some(Answer { status: StatusCode::PARTIAL_CONTENT, headers, body })
    }

    fn headers(&self, coding: Coding, url: AssetUrl) -> Vec<(header::HeaderName, String)> {
        vec![
            (header::ETAG, self.etag(coding)),
            (header::CACHE_CONTROL, url.cache_control().to_owned()),
            (header::VARY, "accept-encoding".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ]
    }

    /// The held encoding that the client likes best; of equals the smallest. Identity when it likes none, since an
    /// asset is better than a 406 (RFC 9110 section 12.5.3 allows it).
    fn coding_for(&self, request: &HeaderMap) -> Coding {
        let accepted = Accepted::of(request);
        let by_size = [Coding::Brotli, Coding::Gzip, Coding::Identity];
        let held = by_size.into_iter().filter(|coding| self.bytes(*coding).is_some());
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

fn not_satisfiable(length: u64) -> Answer {
    let mut headers = error_headers();
    headers.push((header::CONTENT_RANGE, format!("bytes */{length}")));
    Answer { status: StatusCode::RANGE_NOT_SATISFIABLE, headers, body: Bytes::new() }
}

/// No error of an asset is ever kept.
fn error_headers() -> Vec<(header::HeaderName, String)> {
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_LENGTH, "0"),
    ];
    fields.map(|(name, value)| (name, value.to_owned())).into()
}

/// `Accept-Encoding` with qualities in thousandths.
struct Accepted(Option<Vec<(String, u16)>>);

impl Accepted {
    fn of(request: &HeaderMap) -> Self {
        let values: Vec<_> =
            request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
        if values.is_empty() {
            return Self(None);
        }
        let element = |element: &str| {
            let mut parts = element.split(';');
            let coding = parts.next()?.trim().to_ascii_lowercase();
            let weight =
                parts.map(str::trim).find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let quality = weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0)).clamp(0.0, 1.0);
            (!coding.is_empty()).then_some((coding, (quality * 1000.0) as u16))
        };
        Self(Some(values.iter().flat_map(|value| value.split(',')).filter_map(element).collect()))
    }

    fn quality(&self, coding: &str) -> u16 {
        let Some(accepted) = &self.0 else { return u16::from(coding == "identity") * 1000 };
        let named = |name: &str| accepted.iter().find(|(coding, _)| coding == name).map(|(_, quality)| *quality);
        let alias = if coding == "gzip" { named("x-gzip") } else { None };
        // Identity is always acceptable unless it or `*` is refused, but never preferred to what is asked for.
        named(coding).or(alias).or_else(|| named("*")).unwrap_or(u16::from(coding == "identity"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Held {
        Held {
            fingerprint: "5d1f0c3a9b7e2468".to_owned(),
            content_type: "text/css; charset=utf-8",
            identity: Bytes::from_static(b"0123456789"),
            brotli: Some(Bytes::from_static(b"br")),
            gzip: Some(Bytes::from_static(b"gzp")),
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
        answer.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
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
