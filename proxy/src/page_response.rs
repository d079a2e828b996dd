//! What a client may learn from a page's response: its instances' hosts and ports stay invisible, and headers that only
//! the proxy may set are the proxy's.

use crate::asset_url::AssetUrl;
use http::{HeaderName, StatusCode, Uri, header};
use pingora_http::ResponseHeader;
use std::net::SocketAddr;

/// Headers that only the proxy sets, whatever a page says.
const OURS: [&str; 5] = ["x-page", "x-release", "x-route-reason", "x-proxy-error", "x-request-id"];

/// Hop-by-hop fields (RFC 9110 section 7.6.1) and fields that tell what runs behind.
const NOT_FORWARDED: [&str; 6] =
    ["keep-alive", "proxy-connection", "proxy-authenticate", "server", "x-powered-by", "via"];

/// Removes what is not for the client, and rewrites what names the instance.
///
/// # Errors
/// When a rewritten header can't be inserted.
pub fn clean(response: &mut ResponseHeader, instance: SocketAddr, host: &str) -> pingora_core::Result<()> {
    for name in OURS.into_iter().chain(NOT_FORWARDED) {
        response.remove_header(name);
    }
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        for name in nominated(response) {
            response.remove_header(&name);
        }
    }
    for name in [header::LOCATION, header::CONTENT_LOCATION, header::REFRESH] {
        let written = response.headers.get(&name).and_then(|value| value.to_str().ok());
        if let Some(public) = written.and_then(|written| without_instance(written, instance)) {
            response.insert_header(name, public)?;
        }
    }
    let cookies: Vec<_> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    if cookies.iter().any(|cookie| cookie.as_bytes().to_ascii_lowercase().windows(6).any(|part| part == b"domain")) {
        response.remove_header(&header::SET_COOKIE);
        for cookie in cookies {
            match cookie.to_str() {
                Ok(text) => response.append_header(header::SET_COOKIE, cookie_for(text, host))?,
                Err(_) => response.append_header(header::SET_COOKIE, cookie)?,
            };
        }
    }
    Ok(())
}

/// Sets what holds for everything under `/assets/` (DESIGN section 4), whatever the page said.
///
/// # Errors
/// When a header can't be inserted, which these constants never cause.
pub fn set_asset_headers(response: &mut ResponseHeader, url: AssetUrl) -> pingora_core::Result<()> {
    let good = response.status.is_success() || response.status == StatusCode::NOT_MODIFIED;
    let cache_control = match url {
        _ if !good => "no-store",
        AssetUrl::Fingerprinted => "public, max-age=31536000, immutable",
        AssetUrl::Stable => "private, no-cache",
    };
    response.insert_header(header::CACHE_CONTROL, cache_control)?;
    response.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    if good {
        response.insert_header(header::VARY, "accept-encoding")?;
    }
    for name in [header::SET_COOKIE, header::EXPIRES, header::PRAGMA] {
        response.remove_header(&name);
    }
    Ok(())
}

/// Fields that `Connection` names: they were meant for us alone.
fn nominated(response: &ResponseHeader) -> Vec<HeaderName> {
    let values = response.headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    // Framing is pingora's to forward; a page that nominates it is wrong.
    names
        .filter(|name| ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONTENT_TYPE].contains(name))
        .collect()
}

/// A URL that names the instance, as one on our own origin; `None` when it names something else. A `Refresh` value has
/// its URL behind `url=`.
fn without_instance(written: &str, instance: SocketAddr) -> Option<String> {
    let (before, url) = match written.to_ascii_lowercase().find("url=") {
        Some(at) if written.starts_with(|first: char| first.is_ascii_digit()) => written.split_at(at + 4),
        _ => ("", written),
    };
    let absolute = if url.starts_with("//") { format!("http:{url}") } else { url.to_owned() };
    let parsed: Uri = absolute.parse().ok()?;
    let authority = parsed.authority()?;
    let same_host =
        authority.host().trim_matches(['[', ']']) == instance.ip().to_string() || authority.host() == "localhost";
    (same_host && authority.port_u16() == Some(instance.port())).then(|| {
        let path = parsed.path_and_query().map_or("/", |path| path.as_str());
        let fragment = url.split_once('#').map_or(String::new(), |(_, fragment)| format!("#{fragment}"));
        format!("{before}{path}{fragment}")
    })
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

    fn cleaned(fields: &[(&'static str, &str)]) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        clean(&mut response, INSTANCE.parse().unwrap(), "shop.example:8080").unwrap();
        response
    }

    #[test]
    fn a_location_that_names_the_instance_becomes_a_path() {
        for (written, public) in [
            ("http://127.0.0.1:4101/checkout?a=1#b", "/checkout?a=1#b"),
            ("//localhost:4101/x", "/x"),
            ("http://127.0.0.1:4101", "/"),
            ("http://127.0.0.1:9/x", "http://127.0.0.1:9/x"),
            ("https://pay.example/x", "https://pay.example/x"),
            ("/checkout", "/checkout"),
            ("details", "details"),
        ] {
            assert_eq!(cleaned(&[("location", written)]).headers["location"], public);
        }
        assert_eq!(cleaned(&[("refresh", "5; url=http://127.0.0.1:4101/x")]).headers["refresh"], "5; url=/x");
    }

    #[test]
    fn a_cookie_keeps_a_domain_of_ours_only() {
        for (written, public) in [
            ("a=b; Domain=127.0.0.1; Path=/", "a=b; Path=/"),
            ("a=b; domain=.shop.example; HttpOnly", "a=b; domain=.shop.example; HttpOnly"),
            ("a=b; Domain=page.internal", "a=b"),
            ("domain=x; Path=/", "domain=x; Path=/"),
        ] {
            assert_eq!(cleaned(&[("set-cookie", written)]).headers["set-cookie"], public);
        }
        assert_eq!(
            cleaned(&[("set-cookie", "a=1; Domain=x"), ("set-cookie", "b=2")])
                .headers
                .get_all("set-cookie")
                .iter()
                .count(),
            2
        );
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
            assert!(!response.headers.contains_key(name), "{name}");
        }
        assert_eq!(response.headers["x-end"], "2");
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
            let mut response = ResponseHeader::build(status, None).unwrap();
            response.insert_header("cache-control", "max-age=5, immutable").unwrap();
            set_asset_headers(&mut response, url).unwrap();
            assert_eq!(response.headers["cache-control"], expected);
        }
    }
}
