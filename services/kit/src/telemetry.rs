//! Log lines: one JSON object a line on stdout, the event's fields at the top level, the request's under `span`.

use std::env::{self, VarError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The variable that says what is logged, in `tracing_subscriber::EnvFilter`'s words. Default: `info`.
pub const FILTER: &str = "PAGEFLEET_LOG";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is no filter.
    #[error("{FILTER} is not a log filter, as in `info,catalog=debug`")]
    Filter(#[source] ParseError),
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
        Ok(words) => EnvFilter::try_new(words).map_err(Error::Filter)?,
        Err(VarError::NotPresent) => EnvFilter::new("info"),
        Err(VarError::NotUnicode(_)) => return Err(Error::Unicode),
    };
    // A closed stdout must not end the server: the subscriber's own complaint about it would go to stderr, which
    // panics when that is closed too.
    let _already_started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .log_internal_errors(false)
        .try_init();
    Ok(())
}
