//! What a connection's request waits for: the instance that it went to, and until when. And how the connection ends when
//! that instance, or the proxy, has to go before the answer is complete, or the time is over.

use crate::instance::Instance;
use crate::request::Request;
use crate::request_id::RequestId;
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
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a client that is cut off may go on sending: to close with bytes unread would reset the connection, and take
/// what it was told with it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What one connection is doing, shared by its task and its stream.
#[derive(Default)]
pub struct Serving {
    watched: Mutex<Watched>,
    looks_sooner: Notify,
    handed_over: Mutex<Option<Box<Request>>>,
    is_cut: AtomicBool,
    left: Mutex<Option<Left>>,
}

/// What an instance was asked, and until when somebody looks whether that is overdue.
#[derive(Debug, Default)]
struct Watched {
    asked: Option<Asked>,
    looks_at: Option<Instant>,
}

/// A request that an instance was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The instance.
    pub instance: Arc<Instance>,
    /// The request's id.
    pub request_id: RequestId,
    /// Whether the client can show an error page.
    pub wants_html: bool,
    /// Until when it may wait; `None` while its body is still coming, and for answers without an end.
    pub deadline: Option<Deadline>,
}

/// Until when a request may wait, and for what.
#[derive(Debug, Clone, Copy)]
pub enum Deadline {
    /// For the answer's first byte.
    FirstByte(Instant),
    /// For its last one.
    LastByte(Instant),
}

impl Deadline {
    const fn at(self) -> Instant {
        match self {
            Self::FirstByte(at) | Self::LastByte(at) => at,
        }
    }
}

/// Why a connection is cut off.
#[derive(Debug)]
pub enum Cut {
    /// The instance, or the proxy, has to go.
    Leaving,
    /// The time is over.
    Overdue(Asked, Deadline),
}

/// A socket whose connection was cut off.
#[derive(Debug)]
struct Left {
    socket: OwnedFd,
    is_between_frames: bool,
}

impl Serving {
    /// Notes what an instance was asked.
    pub fn ask(&self, asked: Asked) {
        let mut watched = lock(&self.watched);
        let deadline = asked.deadline;
        watched.asked = Some(asked);
        self.look_by(&watched, deadline);
    }

    /// Until when it may wait from now on.
    pub fn wait_until(&self, deadline: Option<Deadline>) {
        let mut watched = lock(&self.watched);
        if let Some(asked) = watched.asked.as_mut() {
            asked.deadline = deadline;
            self.look_by(&watched, deadline);
        }
    }

    /// Has the deadline looked at in time. Mostly somebody looks sooner, for an earlier request of the connection: so a
    /// request sets no timer.
    fn look_by(&self, watched: &Watched, deadline: Option<Deadline>) {
        if let Some(deadline) = deadline
            && watched.looks_at.is_none_or(|looks_at| deadline.at() < looks_at)
        {
            self.looks_sooner.notify_one();
        }
    }

    /// The instance whose answer is to be cut off, if it is.
    pub fn cut_instance(&self) -> Option<Arc<Instance>> {
        lock(&self.watched).asked.as_ref().map(|asked| &asked.instance).filter(|instance| instance.is_cut()).cloned()
    }

    /// Hands over to pingora's turn what is known of its request; `None` when nothing is.
    pub fn hand_over(&self, request: Option<Box<Request>>) {
        *lock(&self.handed_over) = request;
    }

    /// What was handed over.
    pub fn take_over(&self) -> Option<Box<Request>> {
        lock(&self.handed_over).take()
    }

    /// The request is answered: no instance is asked any more.
    pub fn answered(&self) {
        lock(&self.watched).asked = None;
    }

    /// Ends when the time is over, which may be never.
    pub async fn overdue(&self) -> Cut {
        loop {
            let looks_at = {
                let mut watched = lock(&self.watched);
                let deadline = watched.asked.as_ref().and_then(|asked| Some((asked, asked.deadline?)));
                if let Some((asked, deadline)) = deadline.filter(|(_, deadline)| deadline.at() <= Instant::now()) {
                    return Cut::Overdue(asked.clone(), deadline);
                }
                let looks_at = deadline.map(|(_, deadline)| deadline.at());
                watched.looks_at = looks_at;
                looks_at
            };
            match looks_at {
                // Whatever ends this wait, the next look says what is so.
                Some(looks_at) => drop(tokio::time::timeout_at(looks_at, self.looks_sooner.notified()).await),
                None => self.looks_sooner.notified().await,
            }
        }
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
    /// `last_words` come before, where nothing of an answer has been sent.
    pub async fn end(&self, last_words: &[u8]) {
        let Some(Left { socket, is_between_frames }) = lock(&self.left).take() else { return };
        let ended = async {
            let mut socket = TcpStream::from_std(StdTcpStream::from(socket))?;
            socket.write_all(last_words).await?;
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
