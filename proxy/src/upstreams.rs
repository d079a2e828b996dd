//! Connections of one serving thread to instances, by hyper: opened, asked, and kept for the next request.
//!
//! A connection is driven by the task that asks through it, so that no second task has to be woken for an answer.

use bytes::Bytes;
use foldhash::HashMap;
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
pub const IDLE: Duration = Duration::from_secs(4);

/// When there is no room, the one that goes is the oldest of those to this many addresses.
const LOOKED_AT: usize = 8;

/// The connections that are kept.
pub struct Upstreams {
    kept: Mutex<KeptOnes>,
    limit: usize,
}

/// By address, the one last used at the end.
#[derive(Default)]
struct KeptOnes {
    by_address: HashMap<SocketAddr, Vec<Kept>>,
    count: usize,
}

struct Kept {
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
            let Kept { since, mut upstream } = self.lock().take(address)?;
            if since.elapsed() < IDLE && upstream.is_ready() {
                return Some(upstream);
            }
        }
    }

    /// Keeps a connection whose answer is complete. Whether it can be asked again is seen when it is taken.
    pub fn keep(&self, address: SocketAddr, upstream: Box<Upstream>) {
        if self.limit == 0 || upstream.is_over {
            return;
        }
        let mut kept = self.lock();
        let oldest = if kept.count >= self.limit { kept.take_an_old_one() } else { None };
        kept.by_address.entry(address).or_default().push(Kept { since: Instant::now(), upstream });
        kept.count += 1;
        drop(kept);
        // That closes it.
        drop(oldest);
    }

    /// Closes what has been idle for too long, once a second, for as long as somebody has them.
    pub async fn tidy(self: Arc<Self>) {
        let these = Arc::downgrade(&self);
        drop(self);
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        loop {
            every_second.tick().await;
            let Some(these) = these.upgrade() else { return };
            these.lock().drop_old();
        }
    }

    fn lock(&self) -> MutexGuard<'_, KeptOnes> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptOnes {
    fn take(&mut self, address: SocketAddr) -> Option<Kept> {
        let kept = self.by_address.get_mut(&address)?.pop()?;
        self.count -= 1;
        Some(kept)
    }

    fn take_an_old_one(&mut self) -> Option<Kept> {
        let some = self.by_address.values_mut().filter(|kept| !kept.is_empty()).take(LOOKED_AT);
        let kept = some.min_by_key(|kept| kept[0].since)?;
        self.count -= 1;
        Some(kept.remove(0))
    }

    fn drop_old(&mut self) {
        for kept in self.by_address.values_mut() {
            kept.retain(|one| one.since.elapsed() < IDLE);
        }
        self.by_address.retain(|_, kept| !kept.is_empty());
        self.count = self.by_address.values().map(Vec::len).sum();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A page that answers each request with nothing; on `/last` it says that it closes, and on `/gone` it just does.
    async fn page() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut request).await {
                        let (is_last, is_gone) =
                            (request[..read].starts_with(b"GET /last"), request[..read].starts_with(b"GET /gone"));
                        let field = if is_last { "connection: close\r\n" } else { "" };
                        let answer = format!("HTTP/1.1 200 OK\r\n{field}content-length: 0\r\n\r\n");
                        if stream.write_all(answer.as_bytes()).await.is_err() || is_gone {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    async fn answered(address: SocketAddr, path: &str) -> Box<Upstream> {
        let mut upstream = Upstream::connect(address).await.unwrap();
        let question = Request::get(path).header("host", "a").body(Empty::new()).unwrap();
        let mut asking = pin!(upstream.ask(question));
        let Ok(Reply::Answer(answer)) = upstream.reply(asking.as_mut()).await else { panic!("no answer") };
        assert_eq!(answer.status(), StatusCode::OK);
        upstream
    }

    #[tokio::test]
    async fn as_many_are_kept_as_there_is_room_for() {
        let (upstreams, one, other) = (Upstreams::new(2), page().await, page().await);
        for address in [one, one, other] {
            upstreams.keep(address, answered(address, "/").await);
        }
        assert!(upstreams.take(other).is_some() && upstreams.take(other).is_none());
        assert!(upstreams.take(one).is_some() && upstreams.take(one).is_none());
        upstreams.keep(one, answered(one, "/").await);
        assert_eq!(upstreams.lock().count, 1);
    }

    #[tokio::test]
    async fn what_is_closed_is_not_asked_again() {
        let (upstreams, page) = (Upstreams::new(2), page().await);
        upstreams.keep(page, answered(page, "/last").await);
        assert!(upstreams.take(page).is_none());
        let mut gone = answered(page, "/gone").await;
        poll_fn(|cx| {
            gone.drive(cx);
            if gone.is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        upstreams.keep(page, gone);
        assert!(upstreams.take(page).is_none());
    }
}
