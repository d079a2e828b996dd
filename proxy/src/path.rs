//! When two request paths are one path, and which paths no page may ever see.
//!
//! Only routing uses the normal form; the page gets the target as the client wrote it.

use std::borrow::Cow;

/// Why a path is not routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path is not absolute")]
    NotAbsolute,
    /// A percent sign without two hexadecimal digits (RFC 3986 section 2.1).
    #[error("the path has a malformed percent-encoding")]
    BadEncoding,
    /// NUL, another control character, a backslash or a byte outside ASCII, encoded or not UTF-8.
    #[error("the path has a forbidden character")]
    ForbiddenCharacter,
    /// A `.` or `..` segment, encoded or not: nobody who sends one means the page that would answer.
    #[error("the path has a dot segment")]
    DotSegment,
    /// An empty segment, as in `//my-account`.
    #[error("the path has an empty segment")]
    EmptySegment,
}

/// The normal form of a path (RFC 3986 section 6.2.2.2): unreserved characters decoded, all others left encoded, so
/// that `%2F` never becomes a separator.
///
/// # Errors
/// The first thing that is wrong, from left to right of the checks in [`PathError`].
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    // Over all bytes whatever comes, which takes many at a time.
    if path.bytes().fold(false, |found, byte| found | !(0x21..0x7f).contains(&byte) | (byte == b'\\')) {
        return Err(PathError::ForbiddenCharacter);
    }
    let normal = if memchr::memchr(b'%', path.as_bytes()).is_some() {
        Cow::Owned(decode_unreserved(path)?)
    } else {
        Cow::Borrowed(path)
    };
    for slash in memchr::memchr_iter(b'/', normal.as_bytes()) {
        match &normal.as_bytes()[slash + 1..] {
            [b'.'] | [b'.', b'/', ..] | b".." | [b'.', b'.', b'/', ..] => return Err(PathError::DotSegment),
            [b'/', ..] => return Err(PathError::EmptySegment),
            _ => {}
        }
    }
    Ok(normal)
}

fn decode_unreserved(path: &str) -> Result<String, PathError> {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).ok_or(PathError::BadEncoding)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(PathError::BadEncoding);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_| PathError::BadEncoding)?;
        if byte < 0x20 || byte == 0x7f || byte == b'\\' {
            return Err(PathError::ForbiddenCharacter);
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        rest = &rest[at + 3..];
    }
    normal.push_str(rest);
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_paths_have_one_normal_form() {
        for (written, normal) in [
            ("/", "/"),
            ("/checkout/", "/checkout/"),
            ("/%63heckout", "/checkout"),
            ("/a%2fb", "/a%2Fb"),
            ("/%E2%82%AC", "/%E2%82%AC"),
            ("/%252e%252e/", "/%252e%252e/"),
            ("/a.b/..c", "/a.b/..c"),
        ] {
            assert_eq!(normalise(written).as_deref(), Ok(normal), "{written}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        for (written, error) in [
            ("", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("//my-account", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("/%2e%2e/my-account", PathError::DotSegment),
            ("/a/.%2E/b", PathError::DotSegment),
            ("/a/../b", PathError::DotSegment),
            ("/a/.", PathError::DotSegment),
            ("/%00", PathError::ForbiddenCharacter),
            ("/a%0d%0ab", PathError::ForbiddenCharacter),
            ("/a\\b", PathError::ForbiddenCharacter),
            ("/a%5cb", PathError::ForbiddenCharacter),
            ("/\u{e4}", PathError::ForbiddenCharacter),
            ("/%", PathError::BadEncoding),
            ("/%4", PathError::BadEncoding),
            ("/%+1", PathError::BadEncoding),
            ("/%zz", PathError::BadEncoding),
        ] {
            assert_eq!(normalise(written), Err(error), "{written}");
        }
    }
}
