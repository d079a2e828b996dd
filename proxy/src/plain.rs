//! What a plain request is: a GET or HEAD of HTTP/1.1 for a path, without a body, and without a field that changes how it is
//! to be passed on. Most are; they need nothing of pingora ([`crate::course`]).

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use httparse::{Header, ParserConfig};
use std::mem::MaybeUninit;

/// A request with more fields than this is not a plain one.
const MAX_FIELDS: usize = 64;

/// A plain request's head. `message` is a whole and good head, and all of the request; `None` when it is not a plain one.
pub fn head_of(message: &Bytes) -> Option<Parts> {
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let status = ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, message, &mut room);
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = match (status.ok()?.is_complete(), parsed.version, parsed.method?) {
        (true, Some(1), "GET") => Method::GET,
        (true, Some(1), "HEAD") => Method::HEAD,
        _ => return None,
    };
    let target = parsed.path.filter(|target| target.starts_with('/'))?;
    head.uri = Uri::from_maybe_shared(message.slice_ref(target.as_bytes())).ok()?;
    // As many come on top of them when the request is passed on.
    head.headers.reserve(parsed.headers.len() + 8);
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(message.slice_ref(field.value)).ok()?;
        if !is_plain(&name, &value) {
            return None;
        }
        head.headers.append(name, value);
    }
    Some(head)
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

    fn parsed(message: &'static str) -> Option<Parts> {
        head_of(&Bytes::from_static(message.as_bytes()))
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
            assert!(head_of(&message.into()).is_none(), "{field}");
        }
        for line in ["POST / HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://shop/ HTTP/1.1", "GET / HTTP/1.0"] {
            assert!(head_of(&format!("{line}\r\nHost: shop\r\n\r\n").into()).is_none(), "{line}");
        }
        let many = "x: 1\r\n".repeat(MAX_FIELDS + 1);
        assert!(head_of(&format!("GET / HTTP/1.1\r\n{many}\r\n").into()).is_none());
    }
}
