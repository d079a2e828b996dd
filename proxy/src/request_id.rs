//! The id by which a request is found in every answer, log line and error page.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// The field that it travels in.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id, ready to be sent; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// An id of our own: a random UUID (RFC 9562 section 5.4) as 32 hexadecimal digits.
    pub fn new() -> Self {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let mut digits = [0; uuid::fmt::Simple::LENGTH];
        let digits: &str = id.simple().encode_lower(&mut digits);
        Self(HeaderValue::from_str(digits).unwrap_or(HeaderValue::from_static("")))
    }

    /// The id that a trusted peer gives, if it is printable and short.
    pub fn given(headers: &HeaderMap) -> Option<Self> {
        let given = headers.get(X_REQUEST_ID)?;
        let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        ((8..=128).contains(&given.len()) && given.as_bytes().iter().all(is_good)).then(|| Self(given.clone()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The value of `x-request-id`.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_as_given_when_it_is_well_formed() {
        let mut headers = HeaderMap::new();
        assert_eq!(RequestId::given(&headers), None);
        for (given, is_good) in [("given-by-peer", true), ("a<script>", false), ("short", false)] {
            headers.insert("x-request-id", given.parse().unwrap());
            assert_eq!(RequestId::given(&headers).is_some_and(|id| id.as_str() == given), is_good, "{given}");
        }
    }

    #[test]
    fn ours_are_32_digits_and_differ() {
        let (one, two) = (RequestId::new(), RequestId::new());
        assert!(one != two && one.as_str().len() == 32 && one.as_str().bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
