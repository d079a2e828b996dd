//! What a `Referer` says of the page that is showing: a path on our own site, or nothing that can be used.
//!
//! It is a hint, never trusted and never required (RFC 9110 section 10.1.3). Which page owns the path is the route
//! table's matter.

use crate::{head, path};
use http::Uri;
use std::borrow::Cow;

/// Referers longer than this name no page; browsers cut at 4,096 (Referrer Policy section 8.3).
const MAX_BYTES: usize = 8 << 10;

/// Why a Referer names no page of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// There is none, as under `no-referrer`.
    Missing,
    /// Longer than 8 KiB.
    TooLong,
    /// Not an absolute http or https URL, or with a path that no page is asked for.
    Malformed,
    /// Another site's.
    Foreign,
}

/// The normal path of a Referer from one of `public_hosts` (lower case, without port). Scheme and port are ignored,
/// since TLS may end in front of us.
///
/// # Errors
/// Says why the Referer can't guide; that is never an error for the client.
pub fn path_of(value: Option<&[u8]>, public_hosts: &[String]) -> Result<String, Unusable> {
    let value = value.ok_or(Unusable::Missing)?;
    if value.len() > MAX_BYTES {
        return Err(Unusable::TooLong);
    }
    let normal = |path: &str| path::normalise(path).map(Cow::into_owned).map_err(|_| Unusable::Malformed);
    if let Some(path) = common_path(value, public_hosts) {
        return normal(path);
    }
    let url = Uri::try_from(value).map_err(|_| Unusable::Malformed)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(Unusable::Malformed);
    }
    let authority = url.authority().ok_or(Unusable::Malformed)?;
    if authority.as_str().contains('@') {
        return Err(Unusable::Malformed);
    }
    if !public_hosts.iter().any(|host| host.eq_ignore_ascii_case(authority.host())) {
        return Err(Unusable::Foreign);
    }
    normal(url.path())
}

/// The path of what most Referers are, `http://host:port/path?query`: each asset is asked for with one, and to read it as a URI
/// takes several times as long.
fn common_path<'a>(value: &'a [u8], public_hosts: &[String]) -> Option<&'a str> {
    let rest = value.strip_prefix(b"http://").or_else(|| value.strip_prefix(b"https://"))?;
    let (authority, target) = rest.split_at(memchr::memchr(b'/', rest)?);
    let is_port = |rest: &[u8]| match rest {
        [] => true,
        [b':', digits @ ..] => (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_ours = public_hosts.iter().any(|host| authority.strip_prefix(host.as_bytes()).is_some_and(is_port));
    if !is_ours || !head::is_common(target) {
        return None;
    }
    let target = std::str::from_utf8(target).ok()?;
    Some(target.split_once('?').map_or(target, |(path, _query)| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referer_gives_the_path_of_our_own_pages_only() {
        let hosts = ["shop.example".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        let long = format!("http://shop.example/{}", "a".repeat(10_000));
        let cases: [(Option<&str>, Result<&str, Unusable>); 25] = [
            (None, Err(Unusable::Missing)),
            (Some(""), Err(Unusable::Malformed)),
            (Some("http://shop.example/checkout?x=1#y"), Ok("/checkout")),
            (Some("https://shop.example:8443/?q=warm+tent&sort=%E2%82%AC"), Ok("/")),
            (Some("https://shop.example/checkout?a b"), Err(Unusable::Malformed)),
            (Some("https://SHOP.example:8443/checkout/"), Ok("/checkout/")),
            (Some("http://shop.example"), Ok("/")),
            (Some("http://shop.example/"), Ok("/")),
            (Some("http://127.0.0.1:8080/my-account"), Ok("/my-account")),
            (Some("http://[::1]:8080/my-account"), Ok("/my-account")),
            (Some("http://shop.example/%63heckout"), Ok("/checkout")),
            (Some("http://evil.example/checkout"), Err(Unusable::Foreign)),
            (Some("http://shop.example.evil.example/"), Err(Unusable::Foreign)),
            (Some("http://evil.example/http://shop.example/"), Err(Unusable::Foreign)),
            (Some("http://shop.example@evil.example/"), Err(Unusable::Malformed)),
            (Some("http://evil@shop.example/"), Err(Unusable::Malformed)),
            (Some("http://shop.example:80@evil.example/"), Err(Unusable::Malformed)),
            (Some("/checkout"), Err(Unusable::Malformed)),
            (Some("//shop.example/checkout"), Err(Unusable::Malformed)),
            (Some("about:blank"), Err(Unusable::Malformed)),
            (Some("ftp://shop.example/checkout"), Err(Unusable::Malformed)),
            (Some("http://shop.example/a/../checkout"), Err(Unusable::Malformed)),
            (Some("http://shop.example//checkout"), Err(Unusable::Malformed)),
            (Some("http://"), Err(Unusable::Malformed)),
            (Some(&long), Err(Unusable::TooLong)),
        ];
        for (value, expected) in cases {
            let found = path_of(value.map(str::as_bytes), &hosts);
            assert_eq!(found.as_deref().map_err(|why| *why), expected, "{value:?}");
        }
        assert_eq!(path_of(Some(b"http://shop.example/\xff"), &hosts), Err(Unusable::Malformed));
    }
}
