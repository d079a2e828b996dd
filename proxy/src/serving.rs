//! Which instance a connection's request went to, and how the connection ends when that instance, or the proxy, has to go
//! before the answer is complete.

use crate::instance::Instance;
use crate::transport::Transport;
use crate::websocket_frames::GOING_AWAY;
use pingora_core::protocols::Stream;
use std::net::TcpStream as StdTcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a client that is cut off may go on sending: to close with bytes unread would reset the connection, and take
/// what it was told with it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What one connection is doing, shared by its task and its stream.
#[derive(Debug, Default)]
pub struct Serving {
    instance: Mutex<Option<Arc<Instance>>>,
    is_cut: AtomicBool,
    left: Mutex<Option<Left>>,
}

/// A socket whose connection was cut off.
#[derive(Debug)]
struct Left {
    socket: OwnedFd,
    is_between_frames: bool,
}

impl Serving {
    /// Notes the instance that the request went to.
    pub fn note(&self, instance: &Arc<Instance>) {
        *lock(&self.instance) = Some(Arc::clone(instance));
    }

    /// The instance whose answer is to be cut off, if it is.
    pub fn cut_instance(&self) -> Option<Arc<Instance>> {
        lock(&self.instance).as_ref().filter(|instance| instance.is_cut()).cloned()
    }

    /// The request is answered: no instance is asked any more.
    pub fn answered(&self) {
        *lock(&self.instance) = None;
    }

    /// From now on, the connection's stream leaves its socket behind.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// Keeps the socket of a stream that is going, if it is cut off.
    pub fn leave(&self, stream: &Stream, is_between_frames: bool) {
        if !self.is_cut.load(Ordering::Relaxed) {
            return;
        }
        // The `dyn IO` inside the box, not the box, is what knows its own type.
        let transport = (**stream).as_any().downcast_ref::<Transport>();
        match transport.map(Transport::socket) {
            Some(Ok(socket)) => *lock(&self.left) = Some(Left { socket, is_between_frames }),
            Some(Err(error)) => tracing::warn!(%error, "a connection was cut off without its end"),
            None => {}
        }
    }

    /// Ends the connection that was cut off: a WebSocket by a Close frame (1001, RFC 6455 section 7.4.1), and everything by
    /// the end of our side, not by a reset.
    pub async fn end(&self) {
        let Some(Left { socket, is_between_frames }) = lock(&self.left).take() else { return };
        let ended = async {
            let mut socket = TcpStream::from_std(StdTcpStream::from(socket))?;
            if is_between_frames {
                socket.write_all(&GOING_AWAY).await?;
            }
            socket.shutdown().await?;
            let mut rest = [0; 4096];
            while socket.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        // Who is gone, or goes on sending, needs nothing more.
        let _ = tokio::time::timeout(LINGER, ended).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
