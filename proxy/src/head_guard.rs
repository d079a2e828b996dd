//! A stream that lets a request's head through only whole, in time, within bounds and strict ([`crate::head`]).
//!
//! It stands between the transport and pingora, whose parser has no deadline over a whole head and reads leniently.
//! A chunked body is read along ([`crate::chunked`]). What follows a message is held back until [`HeadGuard::next_head`]:
//! it is the next head, pipelined, and is guarded like the first. Only upgraded connections flow untouched.

use crate::chunked::ChunkedBody;
use crate::head::{self, Body, Head, HeadLimits, Refusal};
use crate::parking::{self, Parked};
use crate::serving::Serving;
use crate::transport::Transport;
use crate::websocket_frames::Frames;
use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use memchr::memmem::Finder;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest, UniqueID,
};
use pingora_proxy::Session;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;

/// What a head ends with; made ready to be searched for once.
static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// What a refused client is sent before its connection ends.
pub type RefusalAnswer = dyn Fn(Refusal) -> Vec<u8> + Send + Sync;

/// How much a refused client may still send, so that it can read its answer before the connection is reset.
const LINGER_BYTES: usize = 16 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Most heads come in one read of this size.
const READ_SIZE: usize = 4 << 10;

/// What the guard holds a head against.
#[derive(Clone)]
pub struct GuardSettings {
    /// From a head's first byte to its last.
    pub timeout: Duration,
    /// How long a connection may bring nothing before the next head.
    pub idle: Duration,
    /// Bounds of the head.
    pub limits: HeadLimits,
    /// Makes the answer to a refused head, and counts it.
    pub answer: Arc<RefusalAnswer>,
    /// How many connections of this thread are not parked.
    pub unparked: Arc<AtomicUsize>,
}

/// What a connection brings next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A head, whole and good.
    Head,
    /// Nothing for a while.
    Nothing,
    /// Its end: the client has left or was silent for too long, or its head was refused.
    End,
}

enum Phase {
    /// No byte of the next head has come.
    Idle,
    /// Part of a head has come.
    Head,
    /// A good head of so many bytes is there: this many bytes of it, and of its body where that has a length, may still
    /// go through.
    Message { head: usize, left: u64, then: Then },
    /// The head was refused, or the connection ends before its message: the answer is being written, then what still
    /// comes is thrown away.
    Refused { answer: Vec<u8>, written: usize, shut: bool, discarded: usize },
}

/// What follows the counted part of a message.
enum Then {
    /// The next head.
    NextHead,
    /// Chunks.
    Chunks(ChunkedBody),
    /// Whatever comes.
    Anything,
}

/// The guard around one client connection.
pub struct HeadGuard {
    inner: Stream,
    settings: GuardSettings,
    phase: Phase,
    /// What was read and not yet let through.
    held: BytesMut,
    /// How much of it was searched for the end of a head.
    searched: usize,
    /// The head that is held, once it is whole.
    head: Option<Head>,
    /// Until when the phase may last.
    until: Instant,
    /// Runs out then, or before: to set it anew for each request would cost more than to look at it once in a while.
    timer: Pin<Box<Sleep>>,
    serving: Arc<Serving>,
    /// How many good heads the connection has brought.
    requests: u32,
    /// What the page has sent on an upgraded connection.
    frames: Option<Frames>,
}

/// What a session's connection is doing.
pub fn serving(session: &Session) -> Option<&Serving> {
    let stream = session.as_downstream().stream()?;
    (**stream).as_any().downcast_ref::<HeadGuard>().map(|guard| &*guard.serving)
}

impl HeadGuard {
    /// Guards a connection that has brought so many requests before.
    pub fn new(inner: Stream, settings: GuardSettings, serving: Arc<Serving>, requests: u32) -> Self {
        let until = Instant::now() + settings.idle;
        let timer = Box::pin(tokio::time::sleep_until(until));
        let (held, searched) = (BytesMut::new(), 0);
        let (phase, head, frames) = (Phase::Idle, None, None);
        Self { inner, settings, phase, held, searched, head, until, timer, serving, requests, frames }
    }

    /// Waits until the next head is there.
    pub async fn next_head(&mut self) -> Next {
        self.phase = Phase::Idle;
        let unparked = self.settings.unparked.load(Ordering::Relaxed);
        self.last_until(self.settings.idle.min(parking::after(self.requests, unparked)));
        poll_fn(|cx| self.poll_head(cx)).await.unwrap_or(Next::End)
    }

    /// Parks a connection that has brought [`Next::Nothing`], for as long as it may still be idle.
    ///
    /// # Errors
    /// When it may be idle no longer, or can't be parked.
    pub fn park(&self) -> io::Result<Parked> {
        let left = self.settings.idle.checked_sub(parking::AFTER).filter(|left| !left.is_zero());
        let until = Instant::now() + left.ok_or(io::ErrorKind::TimedOut)?;
        self.transport().ok_or(io::ErrorKind::Unsupported)?.park(until, self.requests)
    }

    /// The connection itself.
    pub fn transport(&self) -> Option<&Transport> {
        // The `dyn IO` inside the box, not the box, is what knows its own type.
        (*self.inner).as_any().downcast_ref()
    }

    /// The head that [`Self::next_head`] waited for, and what has come of its body; and the head as it was read, where it is
    /// all of its message. The rest of the body is read.
    pub fn begin_message(&mut self) -> (Bytes, Option<Head>) {
        let Phase::Message { head, left, then } = &mut self.phase else { return (Bytes::new(), None) };
        let is_whole = matches!(then, Then::NextHead) && *left == *head as u64;
        let known = usize::try_from(*left).unwrap_or(usize::MAX).min(self.held.len());
        *left -= known as u64;
        (self.held.split_to(known).freeze(), self.head.take().filter(|_| is_whole))
    }

    fn last_until(&mut self, from_now: Duration) {
        self.until = Instant::now() + from_now;
        if self.until < self.timer.deadline() {
            self.timer.as_mut().reset(self.until);
        }
    }

    /// Whether the phase has lasted as long as it may.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.until <= Instant::now() {
                return true;
            }
            self.timer.as_mut().reset(self.until);
        }
        false
    }

    /// Reads until a whole head is held, or for as long as nothing comes.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        loop {
            match self.scan() {
                Ok(true) => return Poll::Ready(Ok(Next::Head)),
                Ok(false) => {}
                Err(refusal) => self.refuse(refusal),
            }
            if matches!(self.phase, Phase::Idle) && !self.held.is_empty() {
                self.phase = Phase::Head;
                self.last_until(self.settings.timeout);
            }
            if matches!(self.phase, Phase::Refused { .. }) {
                return self.poll_refused(cx).map(|refused| refused.map(|()| Next::End));
            }
            // The clock is looked at only when there is nothing to read.
            match self.poll_hold(cx)? {
                Poll::Ready(0) => return Poll::Ready(Ok(Next::End)),
                Poll::Ready(_) => {}
                Poll::Pending if !self.is_overdue(cx) => return Poll::Pending,
                Poll::Pending if matches!(self.phase, Phase::Idle) => return Poll::Ready(Ok(Next::Nothing)),
                Poll::Pending => self.refuse(TOO_SLOW),
            }
        }
    }

    /// Reads once into what is held; the number of bytes, 0 at the end.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.held.reserve(READ_SIZE);
        poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.held)
    }

    /// Looks for the end of the head in what is held; once it is there and good, the message may pass.
    fn scan(&mut self) -> Result<bool, Refusal> {
        // An empty line before the request line is let pass (RFC 9112 section 2.2).
        while self.searched == 0 && self.held.starts_with(b"\r\n") {
            self.held.advance(2);
        }
        let end = HEAD_END.find(&self.held[self.searched..]);
        let Some(end) = end.map(|end| self.searched + end + 4) else {
            self.check_part()?;
            self.searched = self.held.len().saturating_sub(3);
            return Ok(false);
        };
        if end > self.settings.limits.head_bytes {
            return Err(TOO_LARGE);
        }
        let head = head::read(&self.held[..end], self.settings.limits)?;
        let (body, then) = match head.body {
            Body::Length(length) => (length, Then::NextHead),
            Body::Chunked => (0, Then::Chunks(ChunkedBody::default())),
            Body::Upgrade => (0, Then::Anything),
        };
        self.phase = Phase::Message { head: end, left: end as u64 + body, then };
        (self.head, self.searched) = (Some(head), 0);
        self.requests = self.requests.saturating_add(1);
        Ok(true)
    }

    /// Refuses early what can't become a good head any more, so that nobody waits for the deadline.
    fn check_part(&self) -> Result<(), Refusal> {
        let first_line = self.held.iter().position(|byte| *byte == b'\n').unwrap_or(self.held.len());
        if first_line > self.settings.limits.target_bytes + 64 {
            return Err(Refusal { status: StatusCode::URI_TOO_LONG, reason: "target-too-long" });
        }
        if self.held.len() > self.settings.limits.head_bytes {
            return Err(TOO_LARGE);
        }
        let new = self.searched.saturating_sub(1)..self.held.len();
        let bare_lf = new.clone().any(|at| self.held[at] == b'\n' && (at == 0 || self.held[at - 1] != b'\r'));
        if bare_lf || self.held[new].contains(&0) {
            return Err(Refusal { status: StatusCode::BAD_REQUEST, reason: if bare_lf { "bare-lf" } else { "nul" } });
        }
        Ok(())
    }

    /// Lets through what the message may still have: what is held first, then straight from the connection.
    fn poll_message(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Phase::Message { left, then, .. } = &self.phase else { return Poll::Ready(Ok(())) };
        match (*left, then) {
            (0, Then::Anything) => return self.poll_held_or_inner(cx, buf),
            (0, Then::Chunks(body)) if !body.is_done() => return self.poll_chunks(cx, buf),
            (0, _) => return self.poll_for_the_end(cx),
            _ => {}
        }
        let allowed = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.remaining());
        let before = buf.filled().len();
        if allowed == buf.remaining() && self.held.len() <= allowed {
            ready!(self.poll_held_or_inner(cx, buf))?;
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
            ready!(self.poll_held_or_inner(cx, &mut part))?;
            let read = part.filled().len();
            buf.advance(read);
        }
        let passed = buf.filled().len() - before;
        if let Phase::Message { left, .. } = &mut self.phase {
            *left -= passed as u64;
        }
        Poll::Ready(Ok(()))
    }

    /// Only the next head can come, which is held back, or the client's end.
    fn poll_for_the_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < self.settings.limits.head_bytes {
            if ready!(self.poll_hold(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    fn poll_chunks(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.poll_held_or_inner(cx, buf))?;
        let Phase::Message { then: Then::Chunks(body), .. } = &mut self.phase else { return Poll::Ready(Ok(())) };
        match body.read(&buf.filled()[before..]) {
            Ok(ours) => {
                // What is behind the last chunk was held before what is held now.
                let next = BytesMut::from(&buf.filled()[before + ours..]);
                let later = std::mem::replace(&mut self.held, next);
                self.held.extend_from_slice(&later);
                buf.set_filled(before + ours);
                Poll::Ready(Ok(()))
            }
            Err(malformed) => {
                buf.set_filled(before);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)))
            }
        }
    }

    fn poll_held_or_inner(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let part = self.held.split_to(buf.remaining().min(self.held.len()));
        buf.put_slice(&part);
        if self.held.is_empty() {
            // What follows comes straight from the connection.
            self.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the client may still be sending its message.
    fn is_message_open(&self) -> bool {
        match &self.phase {
            Phase::Message { left: 0, then: Then::Chunks(body), .. } => !body.is_done(),
            Phase::Message { left, .. } => *left > 0,
            Phase::Idle | Phase::Head | Phase::Refused { .. } => false,
        }
    }

    /// Follows the frames of an upgraded connection; the head that upgrades it comes alone, in one write or several.
    fn follow(&mut self, written: &[u8]) {
        if !matches!(self.phase, Phase::Message { then: Then::Anything, .. }) {
            return;
        }
        match &mut self.frames {
            Some(frames) => frames.read(written),
            None if written.ends_with(b"\r\n\r\n") => self.frames = Some(Frames::default()),
            None => {}
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        let answer = (self.settings.answer)(refusal);
        self.linger_after(answer);
    }

    fn linger_after(&mut self, answer: Vec<u8>) {
        self.last_until(LINGER_TIME);
        self.phase = Phase::Refused { answer, written: 0, shut: false, discarded: 0 };
    }

    /// Writes the answer, ends our side, and reads on for a while; always ends in an error for the reader.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_overdue = self.is_overdue(cx);
        let Phase::Refused { answer, written, shut, discarded } = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        let refused = || Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "request head refused")));
        if is_overdue {
            return refused();
        }
        while *written < answer.len() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &answer[*written..])) {
                Ok(count) if count > 0 => *written += count,
                _ => return refused(),
            }
        }
        if !*shut {
            // A failed shutdown is seen by the read below.
            let _ = ready!(Pin::new(&mut self.inner).poll_shutdown(cx));
            *shut = true;
        }
        let mut scratch = [0; 16 << 10];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf));
            *discarded += buf.filled().len();
            if read.is_err() || buf.filled().is_empty() || *discarded > LINGER_BYTES {
                return refused();
            }
        }
    }
}

const TOO_LARGE: Refusal = Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason: "head-too-large" };
const TOO_SLOW: Refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: "head-timeout" };

impl AsyncRead for HeadGuard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_message(cx, buf)
    }
}

impl AsyncWrite for HeadGuard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.follow(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.frames.is_some() || matches!(self.phase, Phase::Message { then: Then::Anything, .. }) {
            return self.poll_write(cx, parts.first().map_or(&[], |part| part));
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Ends our side. A client that is still sending gets a while to see our answer: to close with bytes unread would
    /// reset the connection and take the answer with it (RFC 9112 section 9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_message_open() {
            self.linger_after(Vec::new());
        }
        if matches!(self.phase, Phase::Refused { .. }) {
            // It always ends in an error for a reader; here there is none.
            return self.poll_refused(cx).map(|_| Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Drop for HeadGuard {
    /// Leaves the socket of a connection that is being cut off to [`crate::connection`], which ends it properly.
    fn drop(&mut self) {
        let is_between_frames = self.frames.as_ref().is_some_and(|frames| frames.at_boundary() && !frames.closed());
        self.serving.leave(&self.inner, is_between_frames);
    }
}

impl fmt::Debug for HeadGuard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HeadGuard").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for HeadGuard {
    async fn shutdown(&mut self) {
        // It is told by what is read later; there is nobody to tell now.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for HeadGuard {
    fn id(&self) -> i32 {
        self.inner.id()
    }
}

impl Ssl for HeadGuard {
    fn get_ssl_digest(&self) -> Option<Arc<pingora_core::protocols::tls::SslDigest>> {
        self.inner.get_ssl_digest()
    }
}

impl Peek for HeadGuard {}

impl GetTimingDigest for HeadGuard {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for HeadGuard {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for HeadGuard {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}
