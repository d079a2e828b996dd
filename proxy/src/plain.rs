//! What a plain request is: a GET or HEAD of HTTP/1.1 for a path, without a body, and without a field that changes how it is
//! to be passed on. Most are; they need nothing of pingora ([`crate::course`]).

use crate::head::Head;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri, header};

/// A request with more fields than this is not a plain one.
const MAX_FIELDS: usize = 64;

/// A plain request's head, `head` as it was read from `message`; `None` when it is not a plain one.
pub fn head_of(message: &Bytes, head: Head) -> Option<Parts> {
    if !head.is_http_11 || head.fields.len() > MAX_FIELDS || message.get(head.target.start) != Some(&b'/') {
        return None;
    }
    let (mut plain, ()) = http::Request::new(()).into_parts();
    plain.method = match message.get(head.method)? {
        b"GET" => Method::GET,
        b"HEAD" => Method::HEAD,
        _ => return None,
    };
    plain.uri = Uri::from_maybe_shared(message.slice(head.target)).ok()?;
    // As many come on top of them when the request is passed on.
    plain.headers.reserve(head.fields.len() + 8);
    for (name, value) in head.fields {
        let value = HeaderValue::from_maybe_shared(message.slice(value)).ok()?;
        if !is_plain(&name, &value) {
            return None;
        }
        plain.headers.append(name, value);
    }
    Some(plain)
}

/// Whether a field asks nothing of the way that the request takes.
fn is_plain(name: &HeaderName, value: &HeaderValue) -> bool {
    match *name {
        header::CONNECTION => {
            let mut options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            options.all(|option| [&b"keep-alive"[..], b"close"].iter().any(|plain| option.eq_ignore_ascii_case(plain)))
        }
        header::CONTENT_LENGTH
        | header::EXPECT
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION
        | header::TE
        | header::TRAILER
        | header::TRANSFER_ENCODING
        | header::UPGRADE => false,
        _ => !matches!(name.as_str(), "http2-settings" | "keep-alive" | "proxy-connection"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{self, HeadLimits};

    fn parsed(message: &str) -> Option<Parts> {
        let limits = HeadLimits { head_bytes: 1 << 16, target_bytes: 1 << 10, fields: 100 };
        let head = head::read(message.as_bytes(), limits).unwrap();
        head_of(&Bytes::copy_from_slice(message.as_bytes()), head)
    }

    #[test]
    fn a_plain_head_is_as_it_came() {
        let head =
            parsed("HEAD /a%20b?c HTTP/1.1\r\nHost: shop\r\nX-A: 1\r\nConnection: Keep-Alive, close\r\nx-a: 2\r\n\r\n")
                .unwrap();
        assert_eq!((head.method, head.uri.to_string().as_str()), (Method::HEAD, "/a%20b?c"));
        assert_eq!(head.headers["host"], "shop");
        assert_eq!(head.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn what_asks_something_of_the_way_is_not_plain() {
        for field in [
            "Connection: x-hop",
            "Connection: upgrade",
            "Connection: close, host",
            "Content-Length: 0",
            "Expect: 100-continue",
            "HTTP2-Settings: x",
            "Keep-Alive: timeout=5",
            "Proxy-Authorization: x",
            "Proxy-Connection: close",
            "TE: trailers",
            "Trailer: x",
            "Transfer-Encoding: chunked",
            "Upgrade: websocket",
        ] {
            let message = format!("GET / HTTP/1.1\r\nHost: shop\r\n{field}\r\n\r\n");
            assert!(parsed(&message).is_none(), "{field}");
        }
        for line in ["POST / HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://shop/ HTTP/1.1", "GET / HTTP/1.0"] {
            assert!(parsed(&format!("{line}\r\nHost: shop\r\n\r\n")).is_none(), "{line}");
        }
        let many = "x: 1\r\n".repeat(MAX_FIELDS + 1);
        assert!(parsed(&format!("GET / HTTP/1.1\r\nHost: shop\r\n{many}\r\n")).is_none());
    }
}
