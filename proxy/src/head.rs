//! Which request heads are let in: strict HTTP/1.1 (RFC 9112 sections 2 to 6), decided on the bytes as they came.
//!
//! The parser behind is lenient where two parsers could differ, and two parsers that differ are how requests are
//! smuggled. So whatever is ambiguous is refused here, before it is parsed.

use crate::field_name;
use http::{HeaderName, StatusCode, header};
use std::ops::Range;

/// How large a head may be.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub head_bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Number of header fields.
    pub fields: usize,
}

/// Why a head is refused: the answer's status, and a word for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: StatusCode,
    /// What is wrong, one or two words joined by dashes.
    pub reason: &'static str,
}

/// A good head: where in its bytes what is, and where its message ends.
#[derive(Debug)]
pub struct Head {
    /// The method.
    pub method: Range<usize>,
    /// The request target (RFC 9112 section 3.2).
    pub target: Range<usize>,
    /// Whether it is of HTTP/1.1, not 1.0.
    pub is_http_11: bool,
    /// Names of the fields, and where their values are, in order.
    pub fields: Vec<(HeaderName, Range<usize>)>,
    /// Where the message ends.
    pub body: Body,
}

/// Where the message of a good head ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// This many bytes after the head; 0 for none.
    Length(u64),
    /// Where its last chunk ends.
    Chunked,
    /// With the connection: a WebSocket handshake.
    Upgrade,
}

const fn refuse(status: StatusCode, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

const fn bad(reason: &'static str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, reason)
}

/// Checks and reads a whole head, from the request line to the empty line, both included.
///
/// # Errors
/// The first rule that it breaks.
pub fn read(head: &[u8], limits: HeadLimits) -> Result<Head, Refusal> {
    let mut lines = Lines(head);
    let request_line = lines.next().ok_or(bad("empty-head"))??;
    let request = RequestLine::parse(request_line, limits)?;
    let place_of = |part: &[u8]| {
        let start = part.as_ptr().addr() - head.as_ptr().addr();
        start..start + part.len()
    };
    // Nearly no head has one; to look at all of it at once takes many bytes at a time, which fields are too short for.
    let may_have_controls = has_control(head, b"\t\r\n");
    let mut framing = Framing::default();
    let mut fields = Vec::with_capacity(16);
    for (count, line) in lines.enumerate() {
        let line = line?;
        if line.is_empty() {
            let (method, target) = (place_of(request.method), place_of(request.target));
            let body = framing.check(&request)?;
            return Ok(Head { method, target, is_http_11: request.http_11, fields, body });
        }
        if count >= limits.fields {
            return Err(refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too-many-fields"));
        }
        let (name, value) = field(line)?;
        if may_have_controls && has_control(value, b"\t") {
            return Err(bad("field-value"));
        }
        framing.note(&name, value)?;
        fields.push((name, place_of(value)));
    }
    Err(bad("unfinished-head"))
}

/// Lines that end with CRLF; a bare CR or LF or a NUL inside is an error (RFC 9112 section 2.2).
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr3(b'\r', b'\n', 0, self.0)?;
        if self.0[end..].starts_with(b"\r\n") {
            let line = &self.0[..end];
            self.0 = &self.0[end + 2..];
            return Some(Ok(line));
        }
        let reason = match self.0[end] {
            0 => "nul",
            b'\r' => "bare-cr",
            _ => "bare-lf",
        };
        self.0 = &[];
        Some(Err(bad(reason)))
    }
}

struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    http_11: bool,
    /// The authority of an absolute-form target.
    authority: Option<&'a [u8]>,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8], limits: HeadLimits) -> Result<Self, Refusal> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("request-line"));
        };
        if !is_token(method) {
            return Err(bad("method"));
        }
        if target.len() > limits.target_bytes {
            return Err(refuse(StatusCode::URI_TOO_LONG, "target-too-long"));
        }
        let http_11 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                return Err(refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "version"));
            }
            _ => return Err(bad("version")),
        };
        if matches!(method, b"CONNECT" | b"TRACE") {
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
        }
        let is_wrong = |byte: &u8| !(0x21..0x7f).contains(byte) | (*byte == b'#');
        if target.is_empty() || target.iter().fold(false, |found, byte| found | is_wrong(byte)) {
            return Err(bad("target"));
        }
        let authority = match target {
            [b'/', ..] => None,
            b"*" if method == b"OPTIONS" => None,
            _ => Some(absolute_authority(target).ok_or(bad("target"))?),
        };
        // The parser behind must be able to take it as a URI: what it can't, it would refuse without a word of ours.
        if !(authority.is_none() && is_common(target)) && http::Uri::try_from(target).is_err() {
            return Err(bad("target"));
        }
        Ok(Self { method, target, http_11, authority })
    }
}

/// The authority of an absolute-form target of our own schemes (RFC 9112 section 3.2.2).
fn absolute_authority(target: &[u8]) -> Option<&[u8]> {
    let scheme_end = target.windows(3).position(|window| window == b"://")?;
    let scheme = &target[..scheme_end];
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = &target[scheme_end + 3..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    is_host(&rest[..end]).then_some(&rest[..end])
}

fn field(line: &[u8]) -> Result<(HeaderName, &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(bad("folded-field"));
    }
    let colon = memchr::memchr(b':', line).ok_or(bad("field-without-colon"))?;
    let name = field_name::of(&line[..colon]).ok_or(bad("field-name"))?;
    Ok((name, trim(&line[colon + 1..])))
}

/// Whether there is a control character that is none of these.
fn has_control<const N: usize>(bytes: &[u8], but: &[u8; N]) -> bool {
    bytes.iter().fold(false, |found, byte| {
        let is_one_of = but.iter().fold(false, |is, other| is | (byte == other));
        found | ((*byte < 0x20) & !is_one_of) | (*byte == 0x7f)
    })
}

/// The fields that say where a message ends and whom it is for, as far as they were read.
#[derive(Default)]
struct Framing<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    upgrade: bool,
    connection_upgrade: bool,
    transfer_encoding: Option<&'a [u8]>,
}

impl<'a> Framing<'a> {
    fn note(&mut self, name: &HeaderName, value: &'a [u8]) -> Result<(), Refusal> {
        match *name {
            header::HOST => {
                if self.host.replace(value).is_some() {
                    return Err(bad("two-hosts"));
                }
                if !is_host(value) {
                    return Err(bad("host"));
                }
            }
            header::CONTENT_LENGTH => {
                if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
                    return Err(bad("content-length"));
                }
                let length = value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0'));
                if self.content_length.replace(length).is_some() {
                    return Err(bad("two-content-lengths"));
                }
            }
            header::TRANSFER_ENCODING if self.transfer_encoding.replace(value).is_some() => {
                return Err(bad("two-transfer-encodings"));
            }
            header::UPGRADE => self.upgrade = value.eq_ignore_ascii_case(b"websocket"),
            header::CONNECTION => {
                self.connection_upgrade |=
                    value.split(|byte| *byte == b',').any(|token| trim(token).eq_ignore_ascii_case(b"upgrade"));
            }
            header::EXPECT if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(refuse(StatusCode::EXPECTATION_FAILED, "expectation"));
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self, request: &RequestLine<'_>) -> Result<Body, Refusal> {
        if let Some(coding) = self.transfer_encoding {
            if !request.http_11 {
                return Err(bad("transfer-encoding-in-1.0"));
            }
            if self.content_length.is_some() {
                return Err(bad("length-and-transfer-encoding"));
            }
            let mut codings = coding.split(|byte| *byte == b',').map(trim);
            let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
            if !codings.next().is_some_and(chunked) {
                return Err(refuse(StatusCode::NOT_IMPLEMENTED, "transfer-coding"));
            }
            if codings.next().is_some() {
                return Err(bad("chunked-not-last"));
            }
        }
        match (self.host, request.authority) {
            (None, _) if request.http_11 => Err(bad("no-host")),
            // The parser behind compares them byte by byte.
            (Some(host), Some(authority)) if host != authority => Err(bad("host-and-target-differ")),
            _ if self.transfer_encoding.is_some() => Ok(Body::Chunked),
            _ if request.method == b"GET" && request.http_11 && self.upgrade && self.connection_upgrade => {
                Ok(Body::Upgrade)
            }
            _ => Ok(Body::Length(self.content_length.unwrap_or(0))),
        }
    }
}

/// Optional white space is spaces and tabs, nothing else (RFC 9110 section 5.6.3).
fn trim(bytes: &[u8]) -> &[u8] {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// RFC 9110 section 5.6.2.
const IS_TCHAR: [bool; 256] = letters_digits_and(b"!#$%&'*+-.^_`|~");

/// What most targets are made of: unreserved and reserved characters (RFC 3986 section 2) that may be in a path as in a query.
const IS_COMMON: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=:@/?%");

/// Targets of this many bytes are looked at by the parser of URIs, which has a limit of its own.
const LONG: usize = 1 << 15;

const fn letters_digits_and(others: &[u8]) -> [bool; 256] {
    let mut is_one = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        is_one[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        is_one[others[at] as usize] = true;
        at += 1;
    }
    is_one
}

/// Whether a target in origin form is surely a URI: it is no longer than most, and of what most are made of.
pub(crate) fn is_common(target: &[u8]) -> bool {
    target.len() < LONG && target.iter().all(|byte| IS_COMMON[usize::from(*byte)])
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| IS_TCHAR[usize::from(*byte)])
}

/// `uri-host [ ":" port ]` without user information (RFC 9110 section 7.2).
fn is_host(bytes: &[u8]) -> bool {
    let (host, port) = match bytes.first() {
        Some(b'[') => match bytes.iter().position(|byte| *byte == b']') {
            Some(end) => (&bytes[..=end], &bytes[end + 1..]),
            None => return false,
        },
        _ => bytes.split_at(bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len())),
    };
    let port_is_good = match port {
        [] => true,
        [b':'] => true,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
        _ => false,
    };
    let host_is_good = match host {
        [b'[', inner @ .., b']'] => {
            std::str::from_utf8(inner).is_ok_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
        }
        name => name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) && !name.is_empty(),
    };
    port_is_good && host_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { head_bytes: 1 << 16, target_bytes: 64, fields: 5 };

    fn status_of(head: &[u8]) -> u16 {
        read(head, LIMITS).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[test]
    fn plain_heads_are_let_in() {
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a?b=%20|{}^ HTTP/1.1\r\nHost: a.example:8080\r\nX:\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: [::1]:80\r\nCookie: a=\"b\"; c=d\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
            "M-SEARCH / HTTP/1.1\r\nHost: a\r\nX-Tab: a\tb\r\nX-Latin: \u{e4}\r\n\r\n",
        ] {
            assert!(read(head.as_bytes(), LIMITS).is_ok(), "{head:?}");
        }
    }

    #[test]
    fn a_name_is_a_token() {
        for byte in 0..=u8::MAX {
            assert_eq!(field_name::of(&[b'a', byte]).is_some(), IS_TCHAR[usize::from(byte)], "{byte}");
        }
    }

    #[test]
    fn common_targets_are_uris() {
        for byte in (0..=u8::MAX).filter(|byte| IS_COMMON[usize::from(*byte)]) {
            let both = format!("/{0}{0}?{0}{0}", char::from(byte));
            for target in [&both[..], &both[..2], "*"] {
                assert!(http::Uri::try_from(target).is_ok(), "{target}");
            }
        }
    }

    #[test]
    fn what_is_where_in_a_head_is_said() {
        let head = b"GET /a?b HTTP/1.1\r\nHost:  a \r\nX:\r\n\r\n";
        let read = read(head, LIMITS).unwrap();
        let fields = read.fields.iter().map(|(name, value)| (name.as_str(), &head[value.clone()]));
        assert_eq!(fields.collect::<Vec<_>>(), [("host", &b"a"[..]), ("x", b"")]);
        assert_eq!((&head[read.method], &head[read.target], read.is_http_11), (&b"GET"[..], &b"/a?b"[..], true));
    }

    #[test]
    fn a_head_says_where_its_message_ends() {
        for (fields, body) in [
            ("", Body::Length(0)),
            ("Content-Length: 0042\r\n", Body::Length(42)),
            ("Transfer-Encoding: chunked\r\n", Body::Chunked),
            ("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", Body::Upgrade),
            ("Connection: upgrade\r\nUpgrade: h2c\r\n", Body::Length(0)),
            ("Upgrade: websocket\r\n", Body::Length(0)),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            assert_eq!(read(head.as_bytes(), LIMITS).unwrap().body, body, "{fields}");
        }
    }

    #[test]
    fn ambiguous_and_malformed_heads_are_refused_with_their_status() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(5));
        for (status, head) in [
            (400, "GET / HTTP/1.1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a/../c\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x0cb\r\n\r\n"),
            (400, "GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET http://A/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
            (400, "GET / HTTP/1.1\nHost: a\n\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n"),
            (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET foo HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET /\r\n\r\n"),
            (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
            (505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
            (405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (405, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n"),
            (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
            (414, &long),
            (431, &many),
        ] {
            assert_eq!(status_of(head.as_bytes()), status, "{head:?}");
        }
    }
}
