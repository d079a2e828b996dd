//! What a child prints: kept raw in its log, its last lines at hand for an error, and searched for the one line that says
//! that it listens.

use crate::log::Log;
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;

const TAIL_LINES: usize = 12;
/// A longer line is kept as several.
const LINE_BOUND: u64 = 64 << 10;
/// A child's own children may keep its pipes open after its end; its last lines are waited for no longer than this.
const DRAIN_BOUND: Duration = Duration::from_millis(500);

/// Where raw lines go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Appended to a log.
    Log(Log),
    /// To the terminal's stderr.
    Terminal,
    /// They are not kept; the last are at hand.
    Nowhere,
}

/// What a child has printed and will print.
#[derive(Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
    listening: watch::Receiver<Option<Listening>>,
    pumps: JoinSet<()>,
}

/// The child says that it listens; the address is absent when its line names none that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) address: Option<SocketAddr>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    listening: watch::Sender<Option<Listening>>,
}

#[derive(Debug)]
struct Kept {
    sink: Sink,
    tail: VecDeque<String>,
}

impl Output {
    /// Begins to read both streams.
    pub(crate) fn read(
        stdout: impl AsyncRead + Unpin + Send + 'static,
        stderr: impl AsyncRead + Unpin + Send + 'static,
        sink: Sink,
    ) -> Self {
        let (sender, listening) = watch::channel(None);
        let kept = Mutex::new(Kept { sink, tail: VecDeque::new() });
        let shared = Arc::new(Shared { kept, listening: sender });
        let mut pumps = JoinSet::new();
        pumps.spawn(pump(stdout, Arc::clone(&shared)));
        pumps.spawn(pump(stderr, Arc::clone(&shared)));
        Self { shared, listening, pumps }
    }

    /// Ends when the child says that it listens, which may be never.
    pub(crate) async fn listening(&mut self) -> Listening {
        let said = self.listening.wait_for(Option::is_some).await;
        said.ok().and_then(|said| *said).expect("the sender lives as long as we do, and the wait was for a value")
    }

    /// The last lines of a child that has ended.
    pub(crate) async fn last_lines(&mut self) -> Vec<String> {
        let drained = async { while self.pumps.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN_BOUND, drained).await;
        self.lines()
    }

    /// The last lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).tail.iter().cloned().collect()
    }
}

async fn pump(stream: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!((&mut stream).take(LINE_BOUND).read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
        shared.keep(&mut line);
        line.clear();
    }
}

impl Shared {
    fn keep(&self, line: &mut Vec<u8>) {
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if let Some(listening) = said_to_listen(line) {
            self.listening.send_replace(Some(listening));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not end the child by a pipe that nobody reads, so a line that can't be kept is dropped.
        let _ = match &mut kept.sink {
            Sink::Log(log) => log.append(line),
            Sink::Terminal => std::io::stderr().write_all(line),
            Sink::Nowhere => Ok(()),
        };
        if kept.tail.len() == TAIL_LINES {
            kept.tail.pop_front();
        }
        kept.tail.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
    }
}

#[derive(Deserialize)]
struct Line {
    message: String,
    address: Option<String>,
}

fn said_to_listen(line: &[u8]) -> Option<Listening> {
    let line: Line = serde_json::from_slice(line).ok()?;
    (line.message == "listening").then(|| Listening { address: line.address.and_then(|address| address.parse().ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_listens_when_a_json_line_says_so() {
        let address = Some("127.0.0.1:41231".parse().unwrap());
        for (line, expected) in [
            (r#"{"level":"INFO","message":"listening","address":"127.0.0.1:41231"}"#, Some(Listening { address })),
            (r#"{"message":"listening"}"#, Some(Listening { address: None })),
            (r#"{"message":"listening soon","address":"127.0.0.1:1"}"#, None),
            (r#"{"fields":{"message":"listening"}}"#, None),
            ("listening on 127.0.0.1:41231", None),
        ] {
            assert_eq!(said_to_listen(line.as_bytes()), expected, "{line}");
        }
    }

    #[tokio::test]
    async fn raw_lines_of_both_streams_are_kept_and_the_last_are_at_hand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let many: String = (0..20).map(|number| format!("line {number}\n")).collect();
        let mut output = Output::read(
            std::io::Cursor::new(many.clone().into_bytes()),
            tokio::io::empty(),
            Sink::Log(Log::open(path.clone()).unwrap()),
        );
        assert_eq!(output.last_lines().await.last().unwrap(), "line 19");
        assert_eq!(output.lines().len(), TAIL_LINES);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), many);
    }

    #[tokio::test]
    async fn a_line_without_end_is_kept_in_pieces_of_bounded_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let bound = usize::try_from(LINE_BOUND).unwrap();
        let endless = std::io::Cursor::new(vec![b'x'; bound * 3 + 1]);
        let mut output = Output::read(endless, tokio::io::empty(), Sink::Log(Log::open(path.clone()).unwrap()));
        let lengths: Vec<usize> = output.last_lines().await.iter().map(String::len).collect();
        assert_eq!(lengths, [bound, bound, bound, 1]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
    }
}
