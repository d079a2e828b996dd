//! How an answer is written to a connection (RFC 9112), where pingora does not write it.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pingora_core::protocols::http::date::get_cached_date;
use std::future::poll_fn;
use std::io::{self, Cursor, IoSlice};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// An answer's head in the making (RFC 9112 sections 4 and 5).
pub struct Head(Vec<u8>);

/// Field lines that many answers have, written once.
#[derive(Debug, Clone)]
pub struct FieldLines(Bytes);

/// An answer, ready to be sent but for the fields that each answer has of its own.
#[derive(Debug)]
pub struct WrittenAnswer {
    /// Its status.
    pub status: StatusCode,
    /// The fields that many such answers have.
    pub lines: FieldLines,
    /// Its body. A HEAD is answered without it.
    pub body: Bytes,
}

/// Most heads are shorter.
const HEAD_SIZE: usize = 640;

impl Head {
    /// The status line. `reason` is a phrase other than the usual one.
    pub fn new(status: StatusCode, reason: Option<&[u8]>) -> Self {
        let mut head = Vec::with_capacity(HEAD_SIZE);
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(status.as_str().as_bytes());
        head.push(b' ');
        head.extend_from_slice(reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().as_bytes()));
        head.extend_from_slice(b"\r\n");
        Self(head)
    }

    /// One more field.
    pub fn field(&mut self, name: &HeaderName, value: &HeaderValue) {
        let Self(head) = self;
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }

    /// More fields.
    pub fn fields(mut self, fields: &HeaderMap) -> Self {
        for (name, value) in fields {
            self.field(name, value);
        }
        self
    }

    /// More fields, as they were written before.
    pub fn lines(&mut self, FieldLines(lines): &FieldLines) {
        self.0.extend_from_slice(lines);
    }

    /// The whole head.
    pub fn end(mut self) -> Cursor<Vec<u8>> {
        self.0.extend_from_slice(b"\r\n");
        Cursor::new(self.0)
    }
}

impl FieldLines {
    /// These fields.
    pub fn of(fields: &HeaderMap) -> Self {
        Self(Head(Vec::new()).fields(fields).0.into_boxed_slice().into())
    }
}

/// The value of `Date` (RFC 9110 section 6.6.1).
pub fn date() -> HeaderValue {
    get_cached_date()
}

/// The value of `Connection` in an answer with which the connection ends (RFC 9112 section 9.6).
pub const CLOSE: HeaderValue = HeaderValue::from_static("close");

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
        let writing = poll_fn(|cx| Pin::new(&mut *to).poll_write_vectored(cx, &parts[..count]));
        match within(bound, writing).await?? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes.advance(written),
        }
    }
    within(bound, to.flush()).await?
}

/// What a future gives within `bound`. Mostly it is there at once: then no clock is looked at.
///
/// # Errors
/// When it takes longer.
pub async fn within<F: Future>(bound: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(bound, future).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::SET_COOKIE;

    #[test]
    fn a_head_has_a_line_for_each_value() {
        let mut fields = HeaderMap::new();
        fields.append(SET_COOKIE, "a=1".parse().unwrap());
        fields.append(SET_COOKIE, "b=2".parse().unwrap());
        let mut head = Head::new(StatusCode::OK, None).fields(&fields);
        head.lines(&FieldLines::of(&fields));
        let lines = "set-cookie: a=1\r\nset-cookie: b=2\r\n";
        assert_eq!(head.end().into_inner(), format!("HTTP/1.1 200 OK\r\n{lines}{lines}\r\n").as_bytes());
        let status = StatusCode::from_u16(299).unwrap();
        assert_eq!(Head::new(status, None).end().into_inner(), b"HTTP/1.1 299 \r\n\r\n");
        assert_eq!(Head::new(status, Some(b"Fine")).end().into_inner(), b"HTTP/1.1 299 Fine\r\n\r\n");
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
