//! Connections of one serving thread to instances, by hyper: opened, asked, and kept for the next request.
//!
//! A connection is driven by the task that asks through it, so that no second task has to be woken for an answer.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long a connection is kept idle: less than the 5 s after which common servers close one, so that it is rarely closed
/// in use.
const IDLE: Duration = Duration::from_secs(4);

/// The connections that are kept, the one last used at the back.
pub struct Upstreams {
    kept: Mutex<VecDeque<Kept>>,
    limit: usize,
}

struct Kept {
    address: SocketAddr,
    since: Instant,
    upstream: Box<Upstream>,
}

/// One connection.
pub struct Upstream {
    sender: SendRequest<Empty<Bytes>>,
    connection: Connection<TokioIo<TcpStream>, Empty<Bytes>>,
    is_over: bool,
}

/// What an instance says to a question.
pub enum Reply {
    /// An interim answer (RFC 9110 section 15.2).
    Interim(StatusCode, HeaderMap),
    /// The answer, its body unread.
    Answer(Response<Incoming>),
}

type Answered = hyper::Result<Response<Incoming>>;
type Interims = Arc<Mutex<VecDeque<(StatusCode, HeaderMap)>>>;

pin_project! {
    /// A question that was asked.
    pub struct Asking<F> {
        #[pin]
        answer: F,
        interims: Interims,
    }
}

impl Upstreams {
    /// Keeps at most `limit`.
    pub fn new(limit: usize) -> Self {
        Self { kept: Mutex::default(), limit }
    }

    /// A kept connection to this address that can be asked.
    pub fn take(&self, address: SocketAddr) -> Option<Box<Upstream>> {
        loop {
            let found = {
                let mut kept = self.lock();
                let index = kept.iter().rposition(|one| one.address == address)?;
                kept.remove(index)?
            };
            let mut upstream = found.upstream;
            if found.since.elapsed() < IDLE && upstream.is_ready() {
                return Some(upstream);
            }
        }
    }

    /// Keeps a connection whose answer is complete, if it can be asked again.
    pub fn keep(&self, address: SocketAddr, mut upstream: Box<Upstream>) {
        if self.limit == 0 || !upstream.is_ready() {
            return;
        }
        let mut kept = self.lock();
        // Dropped after the lock: that closes it.
        let _oldest = if kept.len() >= self.limit { kept.pop_front() } else { None };
        kept.push_back(Kept { address, since: Instant::now(), upstream });
        drop(kept);
    }

    /// Closes what has been idle for too long, once a second, for as long as somebody has them.
    pub async fn tidy(self: Arc<Self>) {
        let these = Arc::downgrade(&self);
        drop(self);
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        loop {
            every_second.tick().await;
            let Some(these) = these.upgrade() else { return };
            let mut kept = these.lock();
            let old = kept.iter().take_while(|one| one.since.elapsed() >= IDLE).count();
            let old: Vec<_> = kept.drain(..old).collect();
            drop(kept);
            drop(old);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn connect(address: SocketAddr) -> std::io::Result<Box<Self>> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(tcp)).await.map_err(std::io::Error::other)?;
        Ok(Box::new(Self { sender, connection, is_over: false }))
    }

    /// Asks; [`Self::reply`] waits for what comes of it.
    pub fn ask(&mut self, mut question: Request<Empty<Bytes>>) -> Asking<impl Future<Output = Answered> + use<>> {
        let interims = Interims::default();
        let told = Arc::clone(&interims);
        hyper::ext::on_informational(&mut question, move |interim| {
            lock(&told).push_back((interim.status(), interim.headers().clone()));
        });
        Asking { answer: self.sender.send_request(question), interims }
    }

    /// What comes next in reply.
    ///
    /// # Errors
    /// When the connection ends before the head of an answer, or its bytes are none.
    pub async fn reply(
        &mut self,
        mut asking: Pin<&mut Asking<impl Future<Output = Answered>>>,
    ) -> hyper::Result<Reply> {
        poll_fn(|cx| {
            self.drive(cx);
            let asking = asking.as_mut().project();
            if let Some((status, fields)) = lock(asking.interims).pop_front() {
                return Poll::Ready(Ok(Reply::Interim(status, fields)));
            }
            // Only what was driven just now can have brought it: there is nothing to be woken for.
            asking.answer.poll(&mut Context::from_waker(Waker::noop())).map_ok(Reply::Answer)
        })
        .await
    }

    /// The next piece of an answer's body; `None` at its end.
    ///
    /// # Errors
    /// When the connection ends before the body does.
    pub fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.drive(cx);
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// Whether it can be asked now.
    fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.is_over && self.sender.is_ready()
    }

    /// Reads and writes what can be; how it ends is told to who waits for an answer.
    fn drive(&mut self, cx: &mut Context<'_>) {
        self.is_over = self.is_over || Pin::new(&mut self.connection).poll(cx).is_ready();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
