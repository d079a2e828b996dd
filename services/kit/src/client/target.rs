//! What a request asks for, as it stands in its URL: path and query. Whatever is in a segment or in a value stays in it.

use form_urlencoded::byte_serialize;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may not stand in a segment as it is (RFC 3986, section 3.3).
const NOT_OF_A_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The path with these segments.
pub(super) fn of(segments: &[&str]) -> String {
    let mut target = String::with_capacity(64);
    for segment in segments {
        target.push('/');
        target.extend(utf8_percent_encode(segment, NOT_OF_A_SEGMENT));
    }
    target
}

/// Adds a pair to the query, as a form has it (URL Standard, section 5.2).
pub(super) fn append_pair(target: &mut String, name: &str, value: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    target.extend(byte_serialize(name.as_bytes()));
    target.push('=');
    target.extend(byte_serialize(value.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_url_allows_stands_as_it_is() {
        let mut target = of(&["things", "a/b c?d%\u{fc}[1]", "it's;2,3"]);
        assert_eq!(target, "/things/a%2Fb%20c%3Fd%25%C3%BC%5B1%5D/it's;2,3");
        append_pair(&mut target, "q", "a&b=c d");
        append_pair(&mut target, "a b", "~+\u{fc}");
        assert!(target.ends_with("?q=a%26b%3Dc+d&a+b=%7E%2B%C3%BC"), "{target}");
    }
}
