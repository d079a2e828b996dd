//! Changes to the header fields of pingora's messages.
//!
//! pingora keeps a second map beside the fields, of how their names were written, so that every change is made twice and
//! every name parsed anew. To HTTP a name is the same however it is written (RFC 9110 section 5.1): the second map is let
//! go, and the first one changed.

use http::HeaderMap;
use pingora_http::{RequestHeader, ResponseHeader};

/// Changes a request's fields. Its target is to be in origin form.
pub fn of_request<T>(request: &mut RequestHeader, change: impl FnOnce(&mut HeaderMap) -> T) -> T {
    let empty = http::Request::new(()).into_parts().0;
    let mut parts: http::request::Parts = std::mem::replace(request, empty.into()).into();
    let changed = change(&mut parts.headers);
    *request = parts.into();
    changed
}

/// Changes a response's fields.
pub fn of_response<T>(response: &mut ResponseHeader, change: impl FnOnce(&mut HeaderMap) -> T) -> T {
    let reason = response.get_reason_phrase().filter(|said| Some(*said) != response.status.canonical_reason());
    let reason = reason.map(str::to_owned);
    let empty = http::Response::new(()).into_parts().0;
    let mut parts: http::response::Parts = std::mem::replace(response, empty.into()).into();
    let changed = change(&mut parts.headers);
    *response = parts.into();
    if reason.is_some() {
        // It fails for no text.
        let _ = response.set_reason_phrase(reason.as_deref());
    }
    changed
}
