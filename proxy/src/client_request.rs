//! What a page is told of the client: the forwarding headers, the request id and the trace, and nothing that an
//! untrusted client made up.

use crate::trace_context::TraceContext;
use http::{HeaderMap, Method, Version, header};
use ipnet::IpNet;
use pingora_http::RequestHeader;
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;

const FORWARDED: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-real-ip",
];

/// Whether a peer's word is taken: it is in one of the `trusted_proxies`.
pub fn is_trusted(peer: Option<IpAddr>, trusted: &[IpNet]) -> bool {
    peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer.to_canonical())))
}

/// The address that a request comes from: the peer's, or, through trusted proxies, the last in `X-Forwarded-For` that is
/// none of theirs. What is left of it anybody can write.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
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
pub fn is_https(headers: &HeaderMap, trusted: bool) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|proto| trusted && proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The id of a request: a trusted peer's if it is printable and short, else a new one.
pub fn request_id(headers: &HeaderMap, trusted: bool) -> String {
    let given = headers.get("x-request-id").filter(|_| trusted).and_then(|value| value.to_str().ok());
    let well_formed = |id: &&str| {
        (8..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(well_formed).map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// The trace of a request: a trusted peer's continued, else a new one.
pub fn trace(headers: &HeaderMap, trusted: bool) -> TraceContext {
    let given = headers.get("traceparent").filter(|_| trusted).and_then(|value| value.to_str().ok());
    given.and_then(TraceContext::continued).unwrap_or_default()
}

/// Whether a request is a WebSocket handshake (RFC 6455 section 4.1). No other upgrade is passed on.
pub fn is_websocket(request: &RequestHeader) -> bool {
    let is = |name: header::HeaderName, wanted: &str| {
        tokens(&request.headers, &name).any(|token| token.eq_ignore_ascii_case(wanted))
    };
    request.method == Method::GET
        && request.version == Version::HTTP_11
        && is(header::UPGRADE, "websocket")
        && is(header::CONNECTION, "upgrade")
}

/// Whether any `Connection` line says `close` (RFC 9112 section 9.6).
pub fn asks_to_close(headers: &HeaderMap) -> bool {
    tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("close"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Who sent a request, and by which name it goes.
#[derive(Debug)]
pub struct Client<'a> {
    /// The peer's address.
    pub peer: Option<IpAddr>,
    /// Whether the peer is a trusted proxy.
    pub trusted: bool,
    /// The request's id.
    pub request_id: &'a str,
    /// The request's trace.
    pub trace: TraceContext,
    /// How long the page may take until its answer begins.
    pub budget: Duration,
}

/// Takes out every condition and range: for a page whose validators may name two contents by one tag.
pub fn ask_unconditionally(request: &mut RequestHeader) {
    for name in [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
    ] {
        request.remove_header(&name);
    }
}

/// Writes the forwarding headers, `x-request-id`, `x-request-timeout-ms`, `traceparent` and `Via` into the request that goes to a page.
///
/// # Errors
/// When a header can't be inserted, which well-formed values never cause.
pub fn prepare(request: &mut RequestHeader, client: &Client<'_>) -> pingora_core::Result<()> {
    let earlier = |request: &RequestHeader, name: &str| {
        let values: Vec<_> = request.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (client.trusted && !values.is_empty()).then(|| values.join(", "))
    };
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let address = client.peer.map_or("unknown".to_owned(), |peer| peer.to_canonical().to_string());
    let chain =
        |earlier: Option<String>, ours: String| earlier.map_or(ours.clone(), |earlier| format!("{earlier}, {ours}"));

    let forwarded_for = chain(earlier(request, "x-forwarded-for"), address.clone());
    let proto = earlier(request, "x-forwarded-proto").unwrap_or_else(|| "http".to_owned());
    let forwarded_host = earlier(request, "x-forwarded-host").unwrap_or_else(|| host.clone());
    let node = if address.contains(':') { format!("\"[{address}]\"") } else { address };
    let forwarded = chain(earlier(request, "forwarded"), format!("for={node};host=\"{host}\";proto=http"));
    // Many servers read `X_Forwarded_For` as `X-Forwarded-For`: a client could say through the one what it may not in the other.
    let lookalikes: Vec<_> = request.headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in lookalikes {
        request.remove_header(&name);
    }
    if !client.trusted {
        for name in FORWARDED.into_iter().chain(["tracestate", "baggage"]) {
            request.remove_header(name);
        }
    }
    request.insert_header("x-forwarded-for", forwarded_for)?;
    request.insert_header("x-forwarded-proto", proto)?;
    request.insert_header("x-forwarded-host", forwarded_host)?;
    request.insert_header("forwarded", forwarded)?;
    request.insert_header("x-request-id", client.request_id)?;
    request.insert_header("x-request-timeout-ms", client.budget.as_millis().to_string())?;
    request.insert_header("traceparent", client.trace.to_string())?;
    // RFC 9110 section 7.6.3.
    request.append_header(header::VIA, "1.1 pagefleet")?;
    Ok(())
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

    fn prepared(trusted: bool) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in [
            ("host", "shop.example:8080"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
        ] {
            request.insert_header(name, value).unwrap();
        }
        let peer = Some("192.0.2.7".parse().unwrap());
        prepare(
            &mut request,
            &Client { peer, trusted, request_id: "r1", trace: TraceContext::new(), budget: Duration::from_secs(1) },
        )
        .unwrap();
        request
    }

    #[test]
    fn what_an_untrusted_client_says_of_itself_is_dropped() {
        let request = prepared(false);
        assert_eq!(request.headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(request.headers["x-forwarded-proto"], "http");
        assert_eq!(request.headers["x-forwarded-host"], "shop.example:8080");
        assert_eq!(request.headers["forwarded"], "for=192.0.2.7;host=\"shop.example:8080\";proto=http");
        assert!(!request.headers.contains_key("x-real-ip") && !request.headers.contains_key("x_forwarded_for"));
        assert_eq!(request.headers["via"], "1.1 pagefleet");
    }

    #[test]
    fn a_trusted_proxy_is_added_to() {
        let request = prepared(true);
        assert_eq!(request.headers["x-forwarded-for"], "6.6.6.6, 192.0.2.7");
        assert_eq!(request.headers["x-forwarded-proto"], "https");
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
    fn a_request_id_is_taken_from_trusted_peers_only() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "given-by-peer".parse().unwrap());
        assert_eq!(request_id(&headers, true), "given-by-peer");
        assert_ne!(request_id(&headers, false), "given-by-peer");
        headers.insert("x-request-id", "a<script>".parse().unwrap());
        assert_ne!(request_id(&headers, true), "a<script>");
        let networks = ["10.0.0.0/8".parse().unwrap()];
        assert!(is_trusted(Some("10.1.2.3".parse().unwrap()), &networks));
        assert!(!is_trusted(Some("192.0.2.1".parse().unwrap()), &networks));
        assert!(!is_trusted(None, &networks));
    }
}
