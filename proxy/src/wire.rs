//! How an answer is written to a connection (RFC 9112), where pingora does not write it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::protocols::http::date::get_cached_date;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// An answer's head (RFC 9112 sections 4 and 5). `reason` is a phrase other than the usual one.
pub fn head(status: StatusCode, reason: Option<&[u8]>, fields: &HeaderMap) -> BytesMut {
    let mut head = BytesMut::with_capacity(1 << 10);
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(status.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().as_bytes()));
    head.put_slice(b"\r\n");
    for (name, value) in fields {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"\r\n");
    head
}

/// Sets the fields that are this hop's: the date, if there is none (RFC 9110 section 6.6.1), and whether the connection ends
/// with the answer (RFC 9112 section 9.6).
pub fn set_date_and_end(fields: &mut HeaderMap, is_last: bool) {
    fields.entry(header::DATE).or_insert_with(get_cached_date);
    if is_last {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    } else {
        fields.remove(header::CONNECTION);
    }
}

/// Whether an answer has a body at all (RFC 9112 section 6.3).
pub fn may_have_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD
        && !status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// A piece of a chunked body (RFC 9112 section 7.1); an empty one would be the last.
pub fn chunk(data: Bytes) -> impl Buf {
    let size = Bytes::from(format!("{:x}\r\n", data.len()));
    size.chain(data).chain(&b"\r\n"[..])
}

/// The end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes all of `bytes` and flushes; `bound` is how long it may make no progress.
///
/// # Errors
/// When the connection is gone, or takes nothing for as long as that.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), mut bytes: impl Buf, bound: Duration) -> io::Result<()> {
    while bytes.has_remaining() {
        // Head and body in one system call, and without a copy.
        let mut parts = [IoSlice::new(&[]); 4];
        let count = bytes.chunks_vectored(&mut parts);
        let written = poll_fn(|cx| Pin::new(&mut *to).poll_write_vectored(cx, &parts[..count]));
        match timeout(bound, written).await?? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes.advance(written),
        }
    }
    timeout(bound, to.flush()).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_a_line_for_each_value() {
        let mut fields = HeaderMap::new();
        fields.append(header::SET_COOKIE, "a=1".parse().unwrap());
        fields.append(header::SET_COOKIE, "b=2".parse().unwrap());
        let written = head(StatusCode::OK, None, &fields);
        assert_eq!(&written[..], b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n");
        let status = StatusCode::from_u16(299).unwrap();
        assert_eq!(&head(status, None, &HeaderMap::new())[..], b"HTTP/1.1 299 \r\n\r\n");
        assert_eq!(&head(status, Some(b"Fine"), &HeaderMap::new())[..], b"HTTP/1.1 299 Fine\r\n\r\n");
    }

    #[tokio::test]
    async fn chunks_are_written_with_their_size_in_hexadecimal() {
        let mut written = Vec::new();
        for piece in [Bytes::from("a".repeat(17)), Bytes::from_static(b"b")] {
            write(&mut written, chunk(piece), Duration::from_secs(1)).await.unwrap();
        }
        write(&mut written, LAST_CHUNK, Duration::from_secs(1)).await.unwrap();
        assert_eq!(written, [&b"11\r\n"[..], &[b'a'; 17], b"\r\n1\r\nb\r\n0\r\n\r\n"].concat());
    }
}
