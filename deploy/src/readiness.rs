//! Waiting for a child that was just started: until it listens, until it is ready, until a page answers through the proxy.
//! Every wait has a bound.

use crate::child::{self, Child};
use crate::error::{Error, LogTail};
use crate::layout::Page;
use crate::plan::Spec;
use crate::state_file::Kind;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, StatusCode};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a child may take from its start until it is ready, and a page until it answers through the proxy.
const BOUND: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(25);
const ANSWER_BOUND: Duration = Duration::from_secs(5);

/// A client that asks what runs on this machine how it is: no system proxy, no redirect followed.
pub(crate) fn client() -> Result<Client, Error> {
    Ok(local().timeout(ANSWER_BOUND).build()?)
}

/// As [`client`], for whole answers of any length.
pub(crate) fn client_without_bound() -> Result<Client, Error> {
    Ok(local().build()?)
}

fn local() -> ClientBuilder {
    // A connection kept idle would be one more for the proxy to wait for when it hands over.
    Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0)
}

/// How a child is waited for.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    /// Asks it.
    pub(crate) client: &'a Client,
    /// Named in the error.
    pub(crate) log: PathBuf,
    /// From its start on.
    pub(crate) bound: Duration,
}

impl<'a> Patience<'a> {
    /// The usual.
    pub(crate) fn new(client: &'a Client, log: PathBuf) -> Self {
        Self { client, log, bound: BOUND }
    }
}

/// Waits until a child listens and, unless it is the proxy, says it is ready.
pub(crate) async fn until_ready(child: &mut Child, spec: &Spec, patience: Patience<'_>) -> Result<(), Error> {
    let Patience { client, log, bound } = patience;
    let deadline = Instant::now() + bound;
    let binds_itself = spec.sockets.is_empty();
    let reason = match timeout_at(deadline, child.listening()).await {
        Err(_) => format!("it did not listen on {} within {} s", spec.address, bound.as_secs()),
        Ok(Err(_)) if binds_itself && crate::address::is_taken(spec.address) => {
            return Err(Error::AddressTaken { name: spec.name.clone(), address: spec.address });
        }
        Ok(Err(status)) => format!("it ended ({}) before it listened", child::how(status)),
        Ok(Ok(_)) if spec.kind == Kind::Proxy => return Ok(()),
        Ok(Ok(_)) => {
            tokio::select! {
                answer = timeout_at(deadline, says_ready(client, spec.address)) => match answer {
                    Ok(()) => return Ok(()),
                    Err(_) => format!("GET /health/ready gave no 200 within {} s", bound.as_secs()),
                },
                status = child.ended() => format!("it ended ({}) before it was ready", child::how(status)),
            }
        }
    };
    let lines = child.last_lines().await;
    Err(Error::NotReady { name: spec.name.clone(), reason, log: LogTail { file: log, lines } })
}

async fn says_ready(client: &Client, address: SocketAddr) {
    let url = format!("http://{address}/health/ready");
    while !client.get(&url).send().await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
        sleep(POLL).await;
    }
}

/// Waits until every page that has a path to look at answers through the proxy.
pub(crate) async fn until_browsable(client: &Client, site: &str, pages: &[Page], log: PathBuf) -> Result<(), Error> {
    let deadline = Instant::now() + BOUND;
    for page in pages {
        let Some(path) = page.first_path() else { continue };
        let url = format!("{site}{path}");
        loop {
            let seen = match look(client, &url, &page.name).await {
                Ok(()) => break,
                Err(seen) => seen,
            };
            if Instant::now() >= deadline {
                let log = LogTail { lines: last_lines_of(&log), file: log };
                return Err(Error::NotBrowsable { page: page.name.clone(), path: path.to_owned(), seen, log });
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

async fn look(client: &Client, url: &str, page: &str) -> Result<(), String> {
    let answer = client.get(url).send().await.map_err(|_| "got no answer".to_owned())?;
    let status = answer.status();
    match answer.headers().get("x-page").and_then(|from| from.to_str().ok()) {
        _ if status.is_server_error() => Err(format!("gave {status}")),
        Some(from) if from == page => Ok(()),
        Some(from) => Err(format!("was answered by page `{from}`")),
        None => Err(format!("gave {status} and came from no page")),
    }
}

/// The end of a child's log.
pub(crate) fn last_lines_of(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].iter().map(|line| (*line).to_owned()).collect()
}
