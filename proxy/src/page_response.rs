//! What a client may learn from a page's response: its instances' hosts and ports stay invisible, and headers that only
//! the proxy may set are the proxy's.

use crate::asset_url::AssetUrl;
use crate::content_type;
use crate::shares;
use http::header::{self, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pingora_core::{Error, ErrorType};
use std::net::SocketAddr;

/// Fields that only the proxy sets, whatever a page says.
fn is_ours(name: &str) -> bool {
    matches!(name, "x-page" | "x-release" | "x-route-reason" | "x-cache" | "x-proxy-error" | "x-request-id")
}

/// Hop-by-hop fields (RFC 9110 section 7.6.1) and fields that tell what runs behind.
fn is_not_forwarded(name: &str) -> bool {
    matches!(name, "keep-alive" | "proxy-connection" | "proxy-authenticate" | "server" | "x-powered-by" | "via")
}

/// Refuses a response whose end two readers could see in two places, or that switches protocols unasked.
///
/// # Errors
/// An upstream error, which becomes a 502.
pub fn check(status: StatusCode, fields: &HeaderMap, upgrade_was_asked: bool) -> pingora_core::Result<()> {
    let wrong = |what: &'static str| Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
    if status == StatusCode::SWITCHING_PROTOCOLS && !upgrade_was_asked {
        return wrong("101 that nobody asked for (RFC 9110 section 15.2.2)");
    }
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_none_or(is_chunked) || codings.next().is_some() {
        return wrong("transfer coding other than chunked (RFC 9112 section 6.1)");
    }
    Ok(())
}

/// Removes what is not for the client, and rewrites what names the instance.
pub fn clean(fields: &mut HeaderMap, status: StatusCode, instance: SocketAddr, host: &str) {
    let (mut unwanted, mut with_urls) = (Vec::new(), Vec::new());
    let (mut has_connection, mut has_cookies) = (false, false);
    // One look at the names costs less than to look for each.
    for name in fields.keys() {
        match *name {
            header::CONNECTION => has_connection = true,
            header::SET_COOKIE => has_cookies = true,
            header::UPGRADE if status != StatusCode::SWITCHING_PROTOCOLS => unwanted.push(name.clone()),
            header::LOCATION | header::CONTENT_LOCATION | header::REFRESH | header::LINK => {
                with_urls.push(name.clone())
            }
            _ if is_ours(name.as_str()) || is_not_forwarded(name.as_str()) => unwanted.push(name.clone()),
            _ => {}
        }
    }
    if has_connection && status != StatusCode::SWITCHING_PROTOCOLS {
        unwanted.extend(nominated(fields));
    }
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        unwanted.extend([header::CONTENT_LENGTH, header::TRANSFER_ENCODING]);
    }
    for name in unwanted {
        fields.remove(name);
    }
    collapse_length(fields);
    for name in with_urls {
        rewrite_urls(fields, &name, instance);
    }
    if has_cookies {
        clean_cookies(fields, host);
    }
}

/// Removes from cookies what names another host, and the cookie that only the proxy sets.
fn clean_cookies(fields: &mut HeaderMap, host: &str) {
    let names_domain = |cookie: &[u8]| cookie.to_ascii_lowercase().windows(6).any(|part| part == b"domain");
    let is_ours = |cookie: &[u8]| {
        let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(shares::COOKIE_NAME.as_bytes())
    };
    let is_unclean = |cookie: &HeaderValue| names_domain(cookie.as_bytes()) || is_ours(cookie.as_bytes());
    if !fields.get_all(header::SET_COOKIE).iter().any(is_unclean) {
        return;
    }
    let Entry::Occupied(cookies) = fields.entry(header::SET_COOKIE) else { return };
    let cookies: Vec<_> = cookies.remove_entry_mult().1.collect();
    for cookie in cookies.into_iter().filter(|cookie| !is_ours(cookie.as_bytes())) {
        let cleaned = cookie.to_str().ok().and_then(|text| cookie_for(text, host).try_into().ok());
        fields.append(header::SET_COOKIE, cleaned.unwrap_or(cookie));
    }
}

/// Whether a response is a stream of server-sent events.
pub fn is_event_stream(fields: &HeaderMap) -> bool {
    let kind = fields.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// Keeps a response out of shared caches (RFC 9111 section 5.2.2.7), whatever it says; how long the visitor's own keeps
/// it stays the page's to say.
pub fn make_private(fields: &mut HeaderMap) {
    let lines = fields.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let said: Vec<_> = lines.flat_map(|line| line.split(',')).map(|part| part.trim().to_ascii_lowercase()).collect();
    if said.iter().any(|directive| directive == "no-store") {
        return;
    }
    let shared = |directive: &&String| {
        ["public", "private", "s-maxage", "stale-while-revalidate", "proxy-revalidate", ""]
            .contains(&directive.split(['=', ' ']).next().unwrap_or_default())
    };
    let kept = said.iter().filter(|directive| !shared(directive)).map(String::as_str);
    let private = std::iter::once("private").chain(kept).collect::<Vec<_>>().join(", ");
    fields.insert(header::CACHE_CONTROL, private.try_into().unwrap_or(HeaderValue::from_static("private")));
}

/// What is known of a proxied asset.
#[derive(Debug, Clone, Copy)]
pub struct Asset<'a> {
    /// Its path.
    pub path: &'a str,
    /// Whether the page's validators name its content.
    pub believed: bool,
}

/// Sets what holds for everything under `/assets/` (DESIGN section 4), whatever the page said.
pub fn set_asset_headers(fields: &mut HeaderMap, status: StatusCode, url: AssetUrl, asset: &Asset<'_>) {
    let named = fields.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // Another type than its name's, HTML above all, is an error whatever status it has.
    let of_its_type = match content_type::of(asset.path) {
        Some(known) => content_type::is_unnamed(named) || content_type::is_same(known, named),
        None => !content_type::is_same("text/html", named),
    };
    let good = (of_its_type && status.is_success()) || status == StatusCode::NOT_MODIFIED;
    let cache_control = if good { url.cache_control() } else { "no-store" };
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if good {
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(known) = content_type::of(asset.path).filter(|_| status != StatusCode::NOT_MODIFIED) {
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(known));
        }
    }
    for name in [header::SET_COOKIE, header::EXPIRES, header::PRAGMA, header::LAST_MODIFIED] {
        fields.remove(name);
    }
    if !asset.believed {
        fields.remove(header::ETAG);
        fields.remove(header::ACCEPT_RANGES);
    }
}

/// Fields that `Connection` names: they were meant for us alone.
fn nominated(fields: &HeaderMap) -> Vec<HeaderName> {
    let values = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    // Framing is pingora's to forward; a page that nominates it is wrong.
    names
        .filter(|name| ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONTENT_TYPE].contains(name))
        .collect()
}

/// Several equal lengths become one (RFC 9110 section 8.6); pingora refuses those that differ.
fn collapse_length(fields: &mut HeaderMap) {
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let one = first.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    if let Ok(one) = HeaderValue::from_bytes(one) {
        fields.insert(header::CONTENT_LENGTH, one);
    }
}

fn rewrite_urls(fields: &mut HeaderMap, name: &HeaderName, instance: SocketAddr) {
    let Entry::Occupied(mut written) = fields.entry(name) else { return };
    for value in written.iter_mut().filter(|value| memchr::memmem::find(value.as_bytes(), b"//").is_some()) {
        let public = without_instance(value.as_bytes(), instance);
        if let Some(public) = public.try_into().ok().filter(|public| public != value) {
            *value = public;
        }
    }
}

/// A value in which every URL that names the instance is one on our own origin. On bytes: a page may write what no URL
/// parser takes, and the instance is to be hidden all the same.
fn without_instance(value: &[u8], instance: SocketAddr) -> Vec<u8> {
    let authorities = [instance.to_string(), format!("localhost:{}", instance.port())];
    let prefixes: Vec<_> = authorities
        .iter()
        .flat_map(|authority| ["http:", "https:", ""].map(|scheme| format!("{scheme}//{authority}")))
        .collect();
    let mut public = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(first) = rest.first() {
        // A URL begins where the value does, or behind what no URL has inside.
        let starts = public.last().is_none_or(|before| matches!(before, b'<' | b'=' | b' ' | b'"' | b'\''));
        let named = prefixes.iter().find(|prefix| {
            let here = rest.get(..prefix.len()).is_some_and(|part| part.eq_ignore_ascii_case(prefix.as_bytes()));
            here && !rest.get(prefix.len()).is_some_and(u8::is_ascii_digit)
        });
        match named.filter(|_| starts) {
            Some(prefix) => {
                rest = &rest[prefix.len()..];
                // One slash: two would name another host.
                while rest.first() == Some(&b'/') {
                    rest = &rest[1..];
                }
                public.push(b'/');
            }
            None => {
                public.push(*first);
                rest = &rest[1..];
            }
        }
    }
    public
}

/// A cookie without a `Domain` that the visitor's host is not part of; browsers would drop it, and it may name a host
/// of ours.
fn cookie_for(cookie: &str, host: &str) -> String {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    let keeps = |attribute: &&str| {
        let Some((name, domain)) = attribute.split_once('=') else { return true };
        let domain = domain.trim().trim_start_matches('.').to_ascii_lowercase();
        !name.trim().eq_ignore_ascii_case("domain") || host == domain || host.ends_with(&format!(".{domain}"))
    };
    cookie
        .split(';')
        .enumerate()
        .filter(|(index, part)| *index == 0 || keeps(part))
        .map(|(_, part)| part)
        .collect::<Vec<_>>()
        .join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: &str = "127.0.0.1:4101";

    fn cleaned(said: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in said {
            fields.append(*name, value.parse().unwrap());
        }
        clean(&mut fields, StatusCode::OK, INSTANCE.parse().unwrap(), "shop.example:8080");
        fields
    }

    #[test]
    fn a_location_that_names_the_instance_becomes_a_path() {
        for (written, public) in [
            ("http://127.0.0.1:4101/checkout?a=1#b", "/checkout?a=1#b"),
            ("//localhost:4101/x", "/x"),
            ("http://127.0.0.1:4101", "/"),
            ("HTTP://127.0.0.1:4101?x=1", "/?x=1"),
            ("http://127.0.0.1:4101//evil.example/x", "/evil.example/x"),
            ("http://127.0.0.1:4101/a b|c", "/a b|c"),
            ("http://127.0.0.1:41011/x", "http://127.0.0.1:41011/x"),
            ("https://pay.example/?back=/x//127.0.0.1:4101", "https://pay.example/?back=/x//127.0.0.1:4101"),
            ("http://127.0.0.1:9/x", "http://127.0.0.1:9/x"),
            ("https://pay.example/x", "https://pay.example/x"),
            ("/checkout", "/checkout"),
            ("details", "details"),
        ] {
            assert_eq!(cleaned(&[("location", written)])["location"], public);
        }
        assert_eq!(cleaned(&[("link", "<http://127.0.0.1:4101/a.css>; rel=preload")])["link"], "</a.css>; rel=preload");
        assert_eq!(cleaned(&[("refresh", "5; url=http://127.0.0.1:4101/x")])["refresh"], "5; url=/x");
    }

    #[test]
    fn a_cookie_keeps_a_domain_of_ours_only() {
        for (written, public) in [
            ("a=b; Domain=127.0.0.1; Path=/", "a=b; Path=/"),
            ("a=b; domain=.shop.example; HttpOnly", "a=b; domain=.shop.example; HttpOnly"),
            ("a=b; Domain=page.internal", "a=b"),
            ("domain=x; Path=/", "domain=x; Path=/"),
        ] {
            assert_eq!(cleaned(&[("set-cookie", written)])["set-cookie"], public);
        }
        assert_eq!(
            cleaned(&[("set-cookie", "a=1; Domain=x"), ("set-cookie", "b=2")]).get_all("set-cookie").iter().count(),
            2
        );
    }

    #[test]
    fn no_page_sets_the_visitors_bucket() {
        let response = cleaned(&[("set-cookie", "pagefleet-bucket=1; Path=/"), ("set-cookie", "a=b")]);
        let cookies: Vec<_> = response.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=b"]);
    }

    #[test]
    fn a_private_response_keeps_what_its_page_said_to_the_visitors_own_cache() {
        for (said, private) in [
            ("", "private"),
            ("public, max-age=60, s-maxage=600", "private, max-age=60"),
            ("no-cache", "private, no-cache"),
            ("no-store", "no-store"),
            ("Private, Max-Age=5", "private, max-age=5"),
        ] {
            let mut response = cleaned(&[("cache-control", said)]);
            make_private(&mut response);
            assert_eq!(response["cache-control"], private);
        }
    }

    #[test]
    fn nothing_tells_what_runs_behind_and_nothing_plays_the_proxy() {
        let response = cleaned(&[
            ("server", "nginx"),
            ("x-powered-by", "x"),
            ("x-proxy-error", "faked"),
            ("x-page", "faked"),
            ("x-request-id", "faked"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-end", "2"),
        ]);
        for name in ["server", "x-powered-by", "x-proxy-error", "x-page", "x-request-id", "x-hop"] {
            assert!(!response.contains_key(name), "{name}");
        }
        assert_eq!(response["x-end"], "2");
    }

    #[test]
    fn framing_that_is_ambiguous_is_refused_or_made_plain() {
        let coded = |coding: &str| HeaderMap::from_iter([(header::TRANSFER_ENCODING, coding.parse().unwrap())]);
        let (ok, switching) = (StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS);
        assert!(
            check(switching, &HeaderMap::new(), false).is_err() && check(switching, &HeaderMap::new(), true).is_ok()
        );
        assert!(check(ok, &coded("identity"), false).is_err());
        assert!(check(ok, &coded("Chunked"), false).is_ok());
        assert_eq!(
            cleaned(&[("content-length", "2"), ("content-length", "2")]).get_all("content-length").iter().count(),
            1
        );
        assert_eq!(cleaned(&[("content-length", "2, 2")])["content-length"], "2");
    }

    #[test]
    fn an_asset_is_cached_by_its_url_and_an_error_never() {
        for (status, url, expected) in [
            (200, AssetUrl::Fingerprinted, "public, max-age=31536000, immutable"),
            (304, AssetUrl::Fingerprinted, "public, max-age=31536000, immutable"),
            (200, AssetUrl::Stable, "private, no-cache"),
            (404, AssetUrl::Fingerprinted, "no-store"),
            (500, AssetUrl::Stable, "no-store"),
        ] {
            let mut fields = HeaderMap::from_iter([(header::CACHE_CONTROL, "max-age=5, immutable".parse().unwrap())]);
            let status = StatusCode::from_u16(status).unwrap();
            set_asset_headers(&mut fields, status, url, &Asset { path: "/assets/a.css", believed: false });
            assert_eq!(fields["cache-control"], expected);
        }
        for (kind, expected) in
            [("text/css", "private, no-cache"), ("text/html", "no-store"), ("text/plain", "no-store")]
        {
            let mut fields = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            let asset = Asset { path: "/assets/a.css", believed: false };
            set_asset_headers(&mut fields, StatusCode::OK, AssetUrl::Stable, &asset);
            assert_eq!(fields["cache-control"], expected, "{kind}");
        }
    }
}
