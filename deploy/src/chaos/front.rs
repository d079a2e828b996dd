//! What stands in front of a process, at an address of its own, and can spoil its answers. As long as it is not told
//! to, it is as if it were not there: each connection has one of its own behind it and ends with it, bodies are
//! streamed, and while the process refuses connections, so does this.

mod spoiled;

use super::schedule::Spoil;
use crate::error::Error;
use hyper_util::rt::TokioIo;
use spoiled::Line;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub(super) use spoiled::MARK;

/// Between two looks whether the process is back.
const POLL: Duration = Duration::from_millis(20);
/// How long an answer may take to be written when the connection behind has ended.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// One process's front. Dropping it closes its connections.
#[derive(Debug)]
pub(super) struct Front {
    /// Where it listens.
    pub(super) address: SocketAddr,
    way: Arc<Way>,
    _task: JoinSet<()>,
}

#[derive(Debug)]
struct Way {
    process: SocketAddr,
    spoil: Mutex<Option<Spoil>>,
    /// A connection behind could not be had, or has ended: the process may have, too.
    broken: Notify,
}

impl Front {
    /// Begins to listen at a free address, in front of what will listen on `process`.
    pub(super) async fn open(address: SocketAddr, process: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await?;
        let way = Arc::new(Way { process, spoil: Mutex::default(), broken: Notify::new() });
        let mut task = JoinSet::new();
        task.spawn(stand(Arc::clone(&way), listener, address));
        Ok(Self { address, way, _task: task })
    }

    /// From now on, answers are spoiled so, or no more.
    pub(super) fn spoils(&self, spoil: Option<Spoil>) {
        *self.way.spoil.lock().unwrap_or_else(PoisonError::into_inner) = spoil;
    }

    /// Looks whether the process is still there.
    pub(super) fn look(&self) {
        self.way.broken.notify_one();
    }
}

impl Way {
    fn spoil(&self) -> Option<Spoil> {
        *self.spoil.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn is_open(&self) -> bool {
        TcpStream::connect(self.process).await.is_ok()
    }
}

async fn stand(way: Arc<Way>, mut listener: TcpListener, address: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((connection, _)) => drop(connections.spawn(pass(Arc::clone(&way), connection))),
                // Descriptors have run out.
                Err(_) => sleep(POLL).await,
            },
            Some(_) = connections.join_next() => {}
            () = way.broken.notified() => if !way.is_open().await {
                drop(listener);
                listener = reopened(&way, address).await;
            }
        }
    }
}

/// Listens again when the process does.
async fn reopened(way: &Way, address: SocketAddr) -> TcpListener {
    loop {
        if way.is_open().await
            && let Ok(listener) = TcpListener::bind(address).await
        {
            return listener;
        }
        sleep(POLL).await;
    }
}

/// One connection, and the one behind it.
async fn pass(way: Arc<Way>, front: TcpStream) {
    let Ok(behind) = TcpStream::connect(way.process).await else {
        way.broken.notify_one();
        let _ = front.set_zero_linger();
        return;
    };
    let _ = (front.set_nodelay(true), behind.set_nodelay(true));
    let Ok((sender, behind)) = hyper::client::conn::http1::handshake(TokioIo::new(behind)).await else { return };
    let Ok(line) = Line::new(Arc::clone(&way), sender, &front) else { return };
    let answers = hyper::service::service_fn(move |request| line.clone().answer(request));
    let mut server = hyper::server::conn::http1::Builder::new();
    let mut server = std::pin::pin!(server.header_read_timeout(None).serve_connection(TokioIo::new(front), answers));
    tokio::select! {
        _ = &mut server => return,
        _ = behind => way.broken.notify_one(),
    }
    server.as_mut().graceful_shutdown();
    let _ = timeout(LAST_WRITE, server).await;
}

#[cfg(test)]
mod tests;
