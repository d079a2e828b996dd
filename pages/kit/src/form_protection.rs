//! Refuses forms that another site sends in a visitor's name. It needs no token in the page: the browser says where a
//! request comes from (Fetch Metadata; before it, `Origin`). The algorithm is that of Go's `http.CrossOriginProtection`.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use url::Url;

use crate::Error;

/// Lets a request through that may change something here, if that is what it does.
pub(crate) fn check(request: &Request) -> Result<(), Error> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    match allows(request.method(), request.headers(), authority) {
        true => Ok(()),
        false => Err(Error::CrossOrigin),
    }
}

/// Whether a request may change something here. `authority` is the request target's, which HTTP/2 has in place of
/// `Host`.
fn allows(method: &Method, headers: &HeaderMap, authority: Option<&str>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return true;
    };
    let Some(origin) = host_and_port(origin) else {
        return false;
    };
    // The proxy passes the visitor's own Host on in X-Forwarded-Host, and drops one that a visitor made up; a page
    // of another site can't send it at all without a preflight, which nobody here answers.
    [text(HOST.as_str()), text("x-forwarded-host"), authority].into_iter().flatten().any(|host| host == origin)
}

/// `shop.example:8443` out of `https://shop.example:8443`; none for `null`.
fn host_and_port(origin: &str) -> Option<String> {
    let origin = Url::parse(origin).ok()?;
    let host = origin.host_str()?;
    Some(match origin.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn post(headers: &[(&'static str, &'static str)]) -> bool {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        allows(&Method::POST, &HeaderMap::from_iter(pairs), None)
    }

    #[test]
    fn a_form_is_taken_from_this_site_and_from_programs_only() {
        const HOST: (&str, &str) = ("host", "shop.example");
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[HOST], true),
            (&[HOST, ("sec-fetch-site", "same-origin")], true),
            (&[HOST, ("sec-fetch-site", "none")], true),
            (&[HOST, ("sec-fetch-site", "same-site")], false),
            (&[HOST, ("sec-fetch-site", "cross-site")], false),
            (&[HOST, ("sec-fetch-site", "")], false),
            (&[HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://shop.example")], false),
            (&[HOST, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], true),
            (&[HOST, ("origin", "https://shop.example")], true),
            (&[HOST, ("origin", "http://shop.example")], true),
            (&[HOST, ("origin", "https://shop.example:8443")], false),
            (&[("host", "shop.example:8443"), ("origin", "https://shop.example:8443")], true),
            (&[HOST, ("origin", "https://evil.example")], false),
            (&[HOST, ("origin", "https://shop.example.evil.example")], false),
            (&[HOST, ("origin", "null")], false),
            (&[HOST, ("origin", "")], false),
            (
                &[("host", "127.0.0.1:4101"), ("x-forwarded-host", "shop.example"), ("origin", "https://shop.example")],
                true,
            ),
            (
                &[("host", "127.0.0.1:4101"), ("x-forwarded-host", "shop.example"), ("origin", "https://evil.example")],
                false,
            ),
        ];
        for (headers, taken) in table {
            let headers: Vec<_> = headers.to_vec();
            assert_eq!(post(&headers), *taken, "{headers:?}");
        }
    }

    #[test]
    fn reading_is_allowed_from_anywhere() {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("cross-site"))]);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(allows(&method, &headers, None));
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!allows(&method, &headers, None));
        }
    }
}
