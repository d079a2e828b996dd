//! What a request asks for, as it stands in its URL: path and query. Whatever is in a segment or in a value stays in it.

use std::fmt::Write;

/// The path with these segments.
pub(super) fn of(segments: &[&str]) -> String {
    let mut target = String::with_capacity(64);
    for segment in segments {
        target.push('/');
        encode(&mut target, segment, is_of_a_segment);
    }
    target
}

/// Adds a pair to the query, as a form has it (URL Standard, section 5.2).
pub(super) fn append_pair(target: &mut String, name: &str, value: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    encode_for_a_form(target, name);
    target.push('=');
    encode_for_a_form(target, value);
}

fn encode_for_a_form(target: &mut String, text: &str) {
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            target.push('+');
        }
        encode(target, word, is_of_a_form);
    }
}

fn encode(target: &mut String, text: &str, stands: fn(u8) -> bool) {
    for byte in text.bytes() {
        match stands(byte) {
            true => target.push(char::from(byte)),
            false => write!(target, "%{byte:02X}").expect("writing to a String does not fail"),
        }
    }
}

/// What RFC 3986, section 3.3, allows in a segment.
fn is_of_a_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn is_of_a_form(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-._".contains(&byte)
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
