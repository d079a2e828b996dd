//! A client's TCP connection as pingora wants it. What is written is gathered until it is flushed or much, so that a
//! response's head and body leave in one system call; an idle connection keeps no buffer.

use crate::memory_file::MemoryFile;
use crate::parking::Parked;
use crate::wire::within;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use rustix::fs::sendfile;
use rustix::net::SendFlags;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// As much is gathered; more is sent at once, without a copy of what comes in one piece.
const GATHERED: usize = 16 << 10;

/// One accepted connection. Dropping it frees its place under the connection limit.
#[derive(Debug)]
pub struct Transport {
    tcp: TcpStream,
    peer: SocketAddr,
    unsent: BytesMut,
    digest: Arc<SocketDigest>,
    accepted_at: SystemTime,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Transport {
    /// Wraps an accepted connection.
    pub fn new(tcp: TcpStream, peer: SocketAddr, permit: Arc<OwnedSemaphorePermit>) -> Self {
        let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        // Setting it saves a getpeername for each request; it is only ever set here.
        let _ = digest.peer_addr.set(Some(peer.into()));
        Self { tcp, peer, unsent: BytesMut::new(), digest: Arc::new(digest), accepted_at: SystemTime::now(), permit }
    }

    /// The address of the connection's other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket once more, for after this transport is gone; what was not written yet is not in it.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.tcp.as_fd().try_clone_to_owned()
    }

    /// The connection as it is parked, until then at most, after so many requests; this transport is to be dropped.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn park(&self, until: Instant, requests: u32) -> io::Result<Parked> {
        let (tcp, permit) = (self.socket()?.into(), Arc::clone(&self.permit));
        Ok(Parked { tcp, peer: self.peer, permit, until, requests })
    }

    /// Sends all of `head` and then of a file of so many bytes; `bound` is how long it may make no progress. Nothing may be
    /// gathered.
    ///
    /// # Errors
    /// When the connection is gone, or takes nothing for as long as that.
    pub async fn send_file(&self, head: &[u8], file: &MemoryFile, length: usize, bound: Duration) -> io::Result<()> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let mut sent = 0;
        while sent < head.len() {
            let send = || Ok(rustix::net::send(&self.tcp, &head[sent..], flags)?);
            sent += within(bound, self.tcp.async_io(Interest::WRITABLE, send)).await??;
        }
        let mut offset = 0;
        while let Some(left) = length.checked_sub(offset).filter(|left| *left > 0) {
            let mut at = offset as u64;
            let send = || Ok(sendfile(&self.tcp, file, Some(&mut at), left)?);
            match within(bound, self.tcp.async_io(Interest::WRITABLE, send)).await?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent => offset += sent,
            }
        }
        Ok(())
    }

    /// Sends what was gathered, and `bytes` after it; how many of `bytes` went with it.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.unsent.is_empty() {
            let parts = [IoSlice::new(&self.unsent), IoSlice::new(bytes)];
            let sent = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, &parts))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let gathered = sent.min(self.unsent.len());
            self.unsent.advance(gathered);
            if self.unsent.is_empty() {
                self.unsent = BytesMut::new();
            }
            if sent > gathered {
                return Poll::Ready(Ok(sent - gathered));
            }
        }
        if bytes.is_empty() { Poll::Ready(Ok(0)) } else { Pin::new(&mut self.tcp).poll_write(cx, bytes) }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.unsent.len() + bytes.len() > GATHERED {
            return self.poll_send(cx, bytes);
        }
        self.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx, &[]))?;
        match parts {
            [only] => Pin::new(&mut self.tcp).poll_write(cx, only),
            parts => Pin::new(&mut self.tcp).poll_write_vectored(cx, parts),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &[]))?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &[]))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Transport {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            tracing::debug!(%error, "connection was gone before it was shut down");
        }
    }
}

impl UniqueID for Transport {
    fn id(&self) -> i32 {
        self.tcp.as_raw_fd()
    }
}

impl Ssl for Transport {}

impl Peek for Transport {}

impl GetTimingDigest for Transport {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.accepted_at, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for Transport {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Transport {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}
