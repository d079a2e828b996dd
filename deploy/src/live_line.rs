//! One line that tells how far something is: rewritten in place on a terminal; elsewhere a line every few seconds, if it
//! says something new.

use crate::progress;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const BETWEEN: Duration = Duration::from_secs(3);
/// To the line's start, clear it, and let the terminal cut what is longer than it is wide.
const REWRITE: &str = "\r\x1b[2K\x1b[?7l";
const WRAP_AGAIN: &str = "\x1b[?7h";

/// The line.
#[derive(Debug)]
pub(crate) struct LiveLine {
    on_terminal: bool,
    /// What stands there, or was written last; empty when it was cleared.
    shown: String,
    since: Instant,
}

impl LiveLine {
    /// Nothing is shown yet.
    pub(crate) fn new() -> Self {
        Self { on_terminal: std::io::stdout().is_terminal(), shown: String::new(), since: Instant::now() }
    }

    /// Shows `text` in place of what is shown.
    pub(crate) fn show(&mut self, text: &str) {
        if self.shown == text {
            return;
        }
        if self.on_terminal {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{REWRITE}{text}{WRAP_AGAIN}").and_then(|()| out.flush());
        } else if self.is_due(text) {
            progress::line(text);
        } else {
            return;
        }
        (self.shown, self.since) = (text.to_owned(), Instant::now());
    }

    /// Makes place for a line that stays.
    pub(crate) fn clear(&mut self) {
        if self.on_terminal && !self.shown.is_empty() {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{REWRITE}{WRAP_AGAIN}").and_then(|()| out.flush());
        }
        (self.shown, self.since) = (String::new(), Instant::now());
    }

    fn is_due(&self, text: &str) -> bool {
        self.shown != text && self.since.elapsed() >= BETWEEN
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_a_terminal_a_line_is_due_when_it_is_new_and_the_last_is_some_seconds_old() {
        let line = |shown: &str, age| LiveLine {
            on_terminal: false,
            shown: shown.to_owned(),
            since: Instant::now().checked_sub(age).unwrap(),
        };
        assert!(!line("", Duration::ZERO).is_due("1 in flight"), "what takes no time is told when it is done");
        assert!(line("", BETWEEN).is_due("1 in flight"));
        assert!(!line("2 in flight", Duration::ZERO).is_due("1 in flight"));
        assert!(line("2 in flight", BETWEEN).is_due("1 in flight"));
        assert!(!line("1 in flight", BETWEEN).is_due("1 in flight"));
    }
}
