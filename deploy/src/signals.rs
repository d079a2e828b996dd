//! The signals that ask for an orderly end: Ctrl-C, SIGTERM and a closed terminal.

use crate::error::Error;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Caught from its making on: the signals' own effect, sudden death, is off.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to catch.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Does `work`, unless a signal comes first: then it is dropped.
    pub(crate) async fn interrupt<T>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            done = work => done,
            () = self.next() => Err(Error::Interrupted),
        }
    }

    /// Ends with the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
