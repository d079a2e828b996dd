//! What a page is told of the client: the forwarding headers, the request id and the trace, and nothing that an
//! untrusted client made up.

use crate::request_id::{RequestId, X_REQUEST_ID};
use crate::trace_context::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use ipnet::IpNet;
use pingora_http::RequestHeader;
use std::net::IpAddr;
use std::time::Duration;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Fields by which a proxy in front says who asked and in which trace; from an untrusted client they are made up.
fn is_of_a_proxy(name: &str) -> bool {
    matches!(
        name,
        "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-forwarded-port"
            | "x-forwarded-prefix"
            | "x-real-ip"
            | "forwarded"
            | "tracestate"
            | "baggage"
    )
}

/// Whether a peer's word is taken: it is in one of the `trusted_proxies`.
pub fn is_trusted(peer: Option<IpAddr>, trusted: &[IpNet]) -> bool {
    peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer.to_canonical())))
}

/// The address that a request comes from: the peer's, or, through trusted proxies, the last in `X-Forwarded-For` that is
/// none of theirs. What is left of it anybody can write.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(Some(peer), trusted) {
        return peer;
    }
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
    let mut client = peer;
    for hop in lines.flat_map(|line| line.rsplit(',')) {
        if !is_trusted(Some(client), trusted) {
            break;
        }
        let Ok(before) = hop.trim().trim_matches(['[', ']']).parse() else { break };
        client = before;
    }
    client
}

/// Whether the visitor came by HTTPS, as a trusted peer says.
pub fn is_https(headers: &HeaderMap) -> bool {
    headers.get(X_FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The trace that a trusted peer gives.
pub fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::continued(headers.get("traceparent")?.to_str().ok()?)
}

/// Whether a request is a WebSocket handshake (RFC 6455 section 4.1). No other upgrade is passed on.
pub fn is_websocket(request: &RequestHeader) -> bool {
    let is = |name: header::HeaderName, wanted: &[u8]| {
        tokens(&request.headers, &name).any(|token| token.eq_ignore_ascii_case(wanted))
    };
    request.method == Method::GET
        && request.version == Version::HTTP_11
        && is(header::UPGRADE, b"websocket")
        && is(header::CONNECTION, b"upgrade")
}

/// Whether any `Connection` line says `close` (RFC 9112 section 9.6).
pub fn asks_to_close(headers: &HeaderMap) -> bool {
    tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case(b"close"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Who sent a request, and by which name it goes.
#[derive(Debug)]
pub struct Client<'a> {
    /// The peer's address.
    pub peer: Option<IpAddr>,
    /// Whether the peer is a trusted proxy.
    pub trusted: bool,
    /// The request's id.
    pub request_id: &'a RequestId,
    /// The request's trace.
    pub trace: TraceContext,
    /// How long the page may take until its answer begins.
    pub budget: Duration,
}

/// Takes out every condition and range: for a page whose validators may name two contents by one tag.
pub fn ask_unconditionally(fields: &mut HeaderMap) {
    for name in [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
    ] {
        fields.remove(name);
    }
}

/// Writes the forwarding headers, `x-request-id`, `x-request-timeout-ms`, `traceparent` and `Via` into the request that
/// goes to a page.
pub fn prepare(fields: &mut HeaderMap, client: &Client<'_>) {
    // Many servers read `X_Forwarded_For` as `X-Forwarded-For`: a client could say through the one what it may not in the other.
    let is_unwanted = |name: &str| name.as_bytes().contains(&b'_') || (!client.trusted && is_of_a_proxy(name));
    let unwanted: Vec<_> = fields.keys().filter(|name| is_unwanted(name.as_str())).cloned().collect();
    for name in unwanted {
        fields.remove(name);
    }
    let after_earlier = |name: &HeaderName, ours: String| {
        let mut values: Vec<_> = Vec::new();
        if client.trusted {
            values.extend(fields.get_all(name).iter().filter_map(|value| value.to_str().ok()));
        }
        HeaderValue::try_from(if values.is_empty() { ours } else { format!("{}, {ours}", values.join(", ")) })
    };
    let host = fields.get(header::HOST).cloned().unwrap_or(HeaderValue::from_static(""));
    let address = client.peer.map_or("unknown".to_owned(), |peer| text_of(peer.to_canonical()));
    let (open, close) = if address.contains(':') { ("\"[", "]\"") } else { ("", "") };
    let host_text = host.to_str().unwrap_or_default();
    let forwarded = ["for=", open, &address, close, ";host=\"", host_text, "\";proto=http"].concat();
    let written = [
        (after_earlier(&header::FORWARDED, forwarded), header::FORWARDED),
        (after_earlier(&X_FORWARDED_FOR, address), X_FORWARDED_FOR),
    ];
    fields.reserve(8);
    // None fails: addresses, digits and what was a header already are well-formed.
    for (value, name) in written {
        if let Ok(value) = value {
            fields.insert(name, value);
        }
    }
    fields.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    fields.entry(X_FORWARDED_HOST).or_insert(host);
    fields.insert(X_REQUEST_ID, client.request_id.to_header());
    fields.insert(TRACEPARENT, client.trace.to_header());
    fields.insert(X_REQUEST_TIMEOUT_MS, u64::try_from(client.budget.as_millis()).unwrap_or(u64::MAX).into());
    // RFC 9110 section 7.6.3.
    fields.append(header::VIA, HeaderValue::from_static("1.1 pagefleet"));
}

/// An address's text. For each request, so not by the formatter.
fn text_of(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity(15);
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        for (value, is_shown) in [(octet / 100, octet >= 100), (octet / 10 % 10, octet >= 10), (octet % 10, true)] {
            if is_shown {
                text.push(char::from(b'0' + value));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_last_hop_that_no_trusted_proxy_is() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
            ("10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "6.6.6.6, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
            ("::1", "[2001:db8::7]", "2001:db8::7"),
            ("10.0.0.1", "192.0.2.7, nonsense", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.9", "10.0.0.9"),
        ] {
            let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
            let client = client_address(&headers, peer.parse().unwrap(), &trusted);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded}");
        }
    }

    #[test]
    fn an_address_is_written_as_the_formatter_writes_it() {
        for text in ["0.9.10.99", "100.101.255.200", "::1", "2001:db8::7"] {
            assert_eq!(text_of(text.parse().unwrap()), text);
        }
    }

    fn prepared(trusted: bool) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("host", "shop.example:8080"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
        ] {
            fields.insert(name, value.parse().unwrap());
        }
        let peer = Some("192.0.2.7".parse().unwrap());
        let (trace, request_id, budget) = (TraceContext::new(), &RequestId::new(), Duration::from_secs(1));
        prepare(&mut fields, &Client { peer, trusted, request_id, trace, budget });
        fields
    }

    #[test]
    fn what_an_untrusted_client_says_of_itself_is_dropped() {
        let fields = prepared(false);
        assert_eq!(fields["x-forwarded-for"], "192.0.2.7");
        assert_eq!(fields["x-forwarded-proto"], "http");
        assert_eq!(fields["x-forwarded-host"], "shop.example:8080");
        assert_eq!(fields["forwarded"], "for=192.0.2.7;host=\"shop.example:8080\";proto=http");
        assert!(!fields.contains_key("x-real-ip") && !fields.contains_key("x_forwarded_for"));
        assert_eq!(fields["via"], "1.1 pagefleet");
    }

    #[test]
    fn a_trusted_proxy_is_added_to() {
        let fields = prepared(true);
        assert_eq!(fields["x-forwarded-for"], "6.6.6.6, 192.0.2.7");
        assert_eq!(fields["x-forwarded-proto"], "https");
    }

    #[test]
    fn only_a_whole_handshake_is_a_websocket() {
        for (method, upgrade, connection, expected) in [
            ("GET", "websocket", "keep-alive, Upgrade", true),
            ("GET", "WebSocket", "upgrade", true),
            ("POST", "websocket", "upgrade", false),
            ("GET", "h2c", "upgrade", false),
            ("GET", "websocket", "keep-alive", false),
        ] {
            let mut request = RequestHeader::build(method, b"/", None).unwrap();
            request.insert_header("upgrade", upgrade).unwrap();
            request.insert_header("connection", connection).unwrap();
            assert_eq!(is_websocket(&request), expected, "{method} {upgrade} {connection}");
        }
    }

    #[test]
    fn a_peer_is_trusted_when_its_network_is() {
        let networks = ["10.0.0.0/8".parse().unwrap()];
        assert!(is_trusted(Some("10.1.2.3".parse().unwrap()), &networks));
        assert!(!is_trusted(Some("192.0.2.1".parse().unwrap()), &networks));
        assert!(!is_trusted(None, &networks));
    }
}
