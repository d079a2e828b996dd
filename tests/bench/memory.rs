//! How much memory a peer has: before anybody asked it much, under load, and for each of many idle connections that have
//! asked for a page before.

use crate::error::Error;
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::{Kind, Peer};
use crate::probe::Ask;
use crate::rounds::CONNECTIONS;
use crate::scenarios::PRIVATE_PAGE;
use crate::usage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Idle connections, if the system allows that many files.
pub(crate) const IDLE_CONNECTIONS: usize = 10_000;
/// Files that a process has open for other things.
const OTHER_FILES: u64 = 500;
const AT_ONCE: usize = 50;
/// Who has asked just now is not idle yet.
const UNTIL_IDLE: Duration = Duration::from_secs(1);
const HALF_A_LOAD: Duration = Duration::from_millis(600);

/// A peer's memory: PSS of all its processes.
#[derive(Debug, Serialize)]
pub(crate) struct Held {
    pub(crate) peer: Kind,
    pub(crate) idle_kib: u64,
    pub(crate) loaded_kib: u64,
    pub(crate) connections: usize,
    /// With that many idle connections.
    pub(crate) connected_kib: u64,
    /// By which it has grown for each of them.
    pub(crate) bytes_per_connection: f64,
}

/// Lets us and whoever we start have as many open files as the system allows.
pub(crate) fn raise_file_limit() -> Result<(), Error> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(io::Error::from)?)
}

/// Measures one peer whose memory was `idle_kib` at its start.
pub(crate) async fn run(ground: &Ground, peer: &Peer, idle_kib: u64) -> Result<Held, Error> {
    let wrong = |reason: String| Error::Measurement {
        scenario: "memory".to_owned(),
        peer: peer.kind.name().to_owned(),
        reason,
    };
    let asks = [Ask::plain(PRIVATE_PAGE)];
    let load = Load { at: peer.address, asks: &asks, connections: CONNECTIONS, seconds: 1 };
    let folder = ground.folder("");
    let (loaded, held) = tokio::join!(load.run(&ground.tools.wrk, &folder), async {
        tokio::time::sleep(HALF_A_LOAD).await;
        usage::memory(peer.pid())
    });
    loaded.map_err(wrong)?;
    let before = usage::memory(peer.pid())?;
    let count = possible();
    let held_open = idle(peer.address, count).await.map_err(|error| wrong(format!("an idle connection: {error}")))?;
    tokio::time::sleep(UNTIL_IDLE).await;
    let after = usage::memory(peer.pid())?;
    drop(held_open);
    let grown = after.pss_kib.saturating_sub(before.pss_kib) * 1024;
    Ok(Held {
        peer: peer.kind,
        idle_kib,
        loaded_kib: held?.pss_kib,
        connections: count,
        connected_kib: after.pss_kib,
        bytes_per_connection: grown as f64 / count as f64,
    })
}

fn possible() -> usize {
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    usize::try_from(allowed).unwrap_or(usize::MAX).min(IDLE_CONNECTIONS)
}

/// Opens connections, each of which asks for the page once and then for nothing.
async fn idle(at: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let mut opening = JoinSet::new();
    for share in 0..AT_ONCE {
        let own = count / AT_ONCE + usize::from(share < count % AT_ONCE);
        opening.spawn(async move {
            let mut opened = Vec::with_capacity(own);
            for _ in 0..own {
                opened.push(asked_once(at).await?);
            }
            Ok::<_, io::Error>(opened)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(opened) = opening.join_next().await {
        all.extend(opened.map_err(io::Error::other)??);
    }
    Ok(all)
}

async fn asked_once(at: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(format!("GET {PRIVATE_PAGE} HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::with_capacity(8 << 10);
    while !is_whole(&answer) {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}

/// Whether an answer is all there: by its length, or by its last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    match length {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_by_its_length_or_its_last_chunk() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"));
    }
}
