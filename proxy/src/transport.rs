//! A client's TCP connection as pingora wants it, with a write buffer large enough that a response's head and a small
//! body leave in one system call.

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

const WRITE_BUFFER: usize = 32 << 10;

/// One accepted connection. Dropping it frees its place under the connection limit.
#[derive(Debug)]
pub struct Transport {
    io: BufWriter<TcpStream>,
    digest: Arc<SocketDigest>,
    accepted_at: SystemTime,
    _permit: OwnedSemaphorePermit,
}

impl Transport {
    /// Wraps an accepted connection.
    pub fn new(tcp: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) -> Self {
        let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        // Setting it saves a getpeername for each request; it is only ever set here.
        let _ = digest.peer_addr.set(Some(peer.into()));
        Self {
            io: BufWriter::with_capacity(WRITE_BUFFER, tcp),
            digest: Arc::new(digest),
            accepted_at: SystemTime::now(),
            _permit: permit,
        }
    }

    /// The socket once more, for after this transport is gone; what was not written yet is not in it.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.io.get_ref().as_fd().try_clone_to_owned()
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Transport {
    async fn shutdown(&mut self) {
        if let Err(error) = self.io.shutdown().await {
            tracing::debug!(%error, "connection was gone before it was shut down");
        }
    }
}

impl UniqueID for Transport {
    fn id(&self) -> i32 {
        self.io.get_ref().as_raw_fd()
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
