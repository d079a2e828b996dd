//! What anybody may keep has a validator, and so has a view that was kept ([`crate::Kept`]): a browser or cache asks whether
//! its copy is still the same, and is told so by a 304 (RFC 9110, sections 8.8.3, 13.1.2 and 15.4.5). What is rendered for one
//! visitor has none.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_extra::headers::{HeaderMapExt, IfNoneMatch};
use sha2::{Digest, Sha256};

use crate::headers;
use crate::problem::Problem;

/// What a request says that its answer depends on.
pub(crate) struct Asked {
    is_to_read: bool,
    known: Option<IfNoneMatch>,
}

impl Asked {
    pub(crate) fn by(request: &Request) -> Self {
        let is_to_read = matches!(*request.method(), Method::GET | Method::HEAD);
        Self { is_to_read, known: request.headers().typed_get() }
    }

    /// The answer with its tag, or a 304 in place of it.
    pub(crate) async fn answered(self, mut response: Response) -> Response {
        if !self.is_to_read || response.status() != StatusCode::OK {
            return response;
        }
        if !response.headers().contains_key(ETAG) {
            if !is_public(response.headers()) {
                return response;
            }
            // What is streamed can't tell yet; and what has no bytes may be half of an answer to HEAD.
            if response.body().size_hint().exact().is_none_or(|length| length == 0) {
                return response;
            }
            // In a box: few answers get here, and all would make room for what this takes.
            response = match Box::pin(tagged(response)).await {
                Ok(response) => response,
                Err(error) => return error.into_response(),
            };
        }
        if self.knows(response.headers()) { not_modified(response) } else { response }
    }

    /// Whether the client has what these headers are of: weak comparison. A field that can't be read is as good as none.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let tag = headers.typed_get();
        self.known.as_ref().zip(tag).is_some_and(|(known, tag)| !known.precondition_passes(&tag))
    }
}

/// The tag of these very bytes. It is strong, and every instance of a page gives the same.
pub(crate) fn tag(bytes: &[u8]) -> HeaderValue {
    let hash: String = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{hash}\"")).expect("hex digits in quotes are visible ASCII")
}

/// Whether every cache may keep an answer for a time.
fn is_public(headers: &HeaderMap) -> bool {
    // What nearly every view says.
    if headers.get(CACHE_CONTROL) == Some(&headers::PRIVATE) {
        return false;
    }
    let lines = headers.get_all(CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    let mut is_public = false;
    for directive in lines.flat_map(|line| line.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii) {
        let name = directive.split(|&byte| byte == b'=').next().unwrap_or_default();
        let is_one_of = |names: &[&str]| names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
        if is_one_of(&["no-store", "private"]) {
            return false;
        }
        is_public |= is_one_of(&["public", "max-age", "s-maxage"]);
    }
    is_public
}

async fn tagged(response: Response) -> Result<Response, Problem> {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Err(Problem::of(StatusCode::INTERNAL_SERVER_ERROR));
    };
    parts.headers.insert(ETAG, tag(&bytes));
    Ok(Response::from_parts(parts, bytes.into()))
}

/// The 304 in place of an answer: the fields that a kept one is renewed by. A length is the whole's, and not that of nothing
/// (RFC 9110, section 8.6).
fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    // What says how to treat a body: there is none, and what is kept has it.
    for name in [CONTENT_TYPE, CONTENT_SECURITY_POLICY, REFERRER_POLICY] {
        response.headers_mut().remove(name);
    }
    *response.body_mut() = Body::empty();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, known: Option<&str>) -> Asked {
        let mut request = Request::builder().method(method);
        if let Some(known) = known {
            request = request.header("if-none-match", known);
        }
        Asked::by(&request.body(Body::empty()).unwrap())
    }

    async fn answer(asked: Asked, cache_control: &'static str) -> (u16, String, String, String) {
        let response = asked.answered(([(CACHE_CONTROL, cache_control)], "tents").into_response()).await;
        let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let (status, tag, kind) = (response.status().as_u16(), header("etag"), header("content-type"));
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, tag, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn public_is_what_every_cache_may_keep() {
        for (line, expected) in [
            ("public, max-age=60", true),
            ("Max-Age=60", true),
            ("s-maxage=5", true),
            ("private, max-age=60", false),
            ("public, no-store", false),
            ("no-cache", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(line))]);
            assert_eq!(is_public(&headers), expected, "{line}");
        }
        assert!(!is_public(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        let tag = tag(b"tents").to_str().unwrap().to_owned();
        let whole = (200, tag.clone(), "text/plain; charset=utf-8".to_owned(), "tents".to_owned());
        for known in [None, Some("\"other\""), Some("tents")] {
            assert_eq!(answer(asked("GET", known), "max-age=60").await, whole, "{known:?}");
        }
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let same = (304, tag.clone(), String::new(), String::new());
            assert_eq!(answer(asked("GET", Some(&known)), "max-age=60").await, same, "{known}");
        }
    }

    #[tokio::test]
    async fn a_304_tells_the_length_of_the_whole() {
        let response =
            asked("HEAD", Some("*")).answered(([(CACHE_CONTROL, "max-age=60")], "tents").into_response()).await;
        assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (304, &"5".parse().unwrap()));
    }

    #[tokio::test]
    async fn what_nobody_else_may_keep_has_no_tag() {
        for (method, line) in [("GET", "private, no-cache"), ("GET", "no-store"), ("POST", "public, max-age=60")] {
            let (status, tag, _, body) = answer(asked(method, Some("*")), line).await;
            assert_eq!((status, tag.as_str(), body.as_str()), (200, "", "tents"), "{method} {line}");
        }
    }
}
