//! The supervisor's end.

use super::{Event, Failure, Report, Request};
use crate::error::Error;
use crate::folder::Folder;
use crate::progress;
use crate::site::Site;
use crate::{rollout, upgrade_proxy};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const QUEUE: u32 = 16;
/// How long a request may take to come, and how long it may be.
const REQUEST_BOUND: (Duration, u64) = (Duration::from_secs(5), 64 << 10);
/// After an accept that failed, which it does when descriptors run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The socket, bound; removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds it, in the place of one that a killed supervisor left. Only the fleet's owner may connect.
    pub(crate) fn bind(folder: &Folder) -> Result<Self, Error> {
        let path = folder.control_socket();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::at(&path)(error)),
            _ => {}
        }
        let bound = || {
            let socket = UnixSocket::new_stream()?;
            socket.bind(&path)?;
            // Nobody can connect before it listens.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            socket.listen(QUEUE)
        };
        Ok(Self { listener: bound().map_err(Error::at(&path))?, path })
    }

    /// Does what it is asked until `end`; then what is not done is broken off.
    pub(crate) async fn serve(&self, site: Arc<Site>, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let mut conversations = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = &mut end => break,
                Some(_) = conversations.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => drop(conversations.spawn(converse(stream, Arc::clone(&site)))),
                    Err(error) => {
                        progress::error(format_args!("{}: {error}", self.path.display()));
                        sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        }
        conversations.shutdown().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, site: Arc<Site>) {
    let (reader, writer) = stream.into_split();
    let mut line = String::new();
    let (patience, length) = REQUEST_BOUND;
    let mut request = BufReader::new(reader.take(length));
    if !matches!(timeout(patience, request.read_line(&mut line)).await, Ok(Ok(1..))) {
        return;
    }
    let request = Request::parse(&line);
    let subject = request.as_ref().map(|request| request.subject().to_owned()).unwrap_or_default();
    let (report, events) = Report::new(&subject);
    let work = async {
        let outcome = match request {
            Ok(request) => work(site, request, &report).await,
            Err(error) => Err(error.into()),
        };
        report.outcome(outcome);
        drop(report);
    };
    tokio::join!(work, tell(events, writer));
}

async fn work(site: Arc<Site>, request: Request, report: &Report) -> Result<String, Failure> {
    match request {
        Request::Rollout { page, binary, terms } => rollout::roll_out(&site, &page, (&binary, terms), report).await,
        Request::Rollback { page, terms } => rollout::roll_back(&site, &page, terms, report).await,
        Request::UpgradeProxy { binary } => upgrade_proxy::upgrade(&site, &binary, report).await,
    }
}

/// Passes events on until there are no more, or the one who asked has gone away.
async fn tell(mut events: mpsc::UnboundedReceiver<Event>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(event) = events.recv().await {
        let mut line = serde_json::to_vec(&event).expect("strings and numbers can be written as JSON");
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
}
