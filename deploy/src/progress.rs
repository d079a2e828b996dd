//! What the person at the terminal sees. A closed terminal or pipe is no reason to end a fleet, so a line that can't be
//! written is dropped.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// One aligned line: what is being done, and what is known of it.
pub(crate) fn step(what: &str, known: impl Display) {
    line(format_args!("{what:<10} {known}"));
}

/// One line on stdout.
pub(crate) fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// One line on stderr, of what an error will say last.
pub(crate) fn explanation(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// One error on stderr.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}

/// Whether stderr is a terminal that can show colours.
pub(crate) fn has_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
