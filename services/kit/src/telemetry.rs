//! Log lines: one JSON object a line on stdout, the event's fields at the top level, the request's under `span`.

mod lines;
mod output;

use std::env::{self, VarError};
use std::io::{self, Write};

use tracing_subscriber::filter::{ParseError, Targets};

use lines::Lines;
use output::Output;

/// The variable that says what is logged: levels, for all or by target, as in `info,catalog=debug`. Default: `info`.
pub const FILTER: &str = "PAGEFLEET_LOG";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is no filter.
    #[error("{FILTER} is not a log filter, as in `info,catalog=debug`")]
    Filter(#[source] ParseError),
    /// The filter asks for spans or fields.
    #[error(
        "{FILTER} is not a log filter, as in `info,catalog=debug`: it can't choose by span or field, as `{0}` does"
    )]
    Span(String),
    /// The filter is no text.
    #[error("{FILTER} is not valid Unicode")]
    Unicode,
}

/// Starts logging for this process. A second call changes nothing.
///
/// # Errors
/// When [`FILTER`] is no filter.
pub fn init() -> Result<(), Error> {
    let filter = match env::var(FILTER) {
        Ok(words) => filter(&words)?,
        Err(VarError::NotPresent) => filter("info")?,
        Err(VarError::NotUnicode(_)) => return Err(Error::Unicode),
    };
    let output = Output::new(|lines| {
        // Nobody can be told that stdout is closed, and that must not end the server.
        let _closed = io::stdout().write_all(lines);
    });
    let write = move |line: &[u8], urgency| output.write(line, urgency);
    let _already_started = tracing::subscriber::set_global_default(Lines { filter, write });
    Ok(())
}

/// The filter that `words` ask for, with commas between them. Of no words it is `error`.
// Not `EnvFilter`: it can choose by a span's fields too, with regular expressions that would be a tenth of a page.
fn filter(words: &str) -> Result<Targets, Error> {
    let words: Vec<&str> = words.split(',').filter(|word| !word.is_empty()).collect();
    match words.iter().find(|word| word.contains('[')) {
        Some(word) => Err(Error::Span((*word).to_owned())),
        None => words.join(",").parse().map_err(Error::Filter),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_levels_for_all_or_by_target() {
        let chosen = filter("info,catalog=debug,hyper=off,").expect("a filter");
        for (target, level, is_logged) in [
            ("orders", Level::INFO, true),
            ("orders", Level::DEBUG, false),
            ("catalog::api", Level::DEBUG, true),
            ("catalog", Level::TRACE, false),
            ("hyper", Level::ERROR, false),
        ] {
            assert_eq!(chosen.would_enable(target, &level), is_logged, "{target} {level}");
        }
        let silent = filter("").expect("a filter");
        assert!(silent.would_enable("catalog", &Level::ERROR) && !silent.would_enable("catalog", &Level::WARN));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        for words in ["catalog=loud", "catalog=everything=loud", "[request]=debug", "info,catalog[{id=7}]=debug"] {
            let error = filter(words).expect_err(words);
            assert!(error.to_string().starts_with("PAGEFLEET_LOG is not a log filter"), "{words}: {error}");
        }
    }
}
