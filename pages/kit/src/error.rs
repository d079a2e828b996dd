//! What can go wrong in a handler. It is logged here, once, and the visitor learns only what helps.

use std::error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use service_kit::client;

use crate::Unavailable;
use crate::problem::Problem;

/// What `main` returns: an error that ends the process, told in one line.
pub type Result<T, E = service_kit::Failure> = std::result::Result<T, E>;

/// Why a handler has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A service can't be asked, or gave an answer that this page has no use for.
    #[error(transparent)]
    Service(#[from] client::Error),
    /// A query or lookup has no answer, and there is no view without it. Its cause has been logged.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A template failed.
    #[error("a view could not be rendered")]
    Render(#[from] askama::Error),
    /// A form that another site sent.
    #[error("a form of another origin was refused")]
    CrossOrigin,
    /// A handler panicked with this message.
    #[error("a handler panicked: {0}")]
    Panicked(String),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Service(client::Error::Refused { .. } | client::Error::Garbage { .. }) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Service(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Render(_) | Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::CrossOrigin => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        match status {
            _ if matches!(self, Self::Unavailable(_)) => {}
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(error = chain(&self), "a request failed"),
            _ => tracing::warn!(error = chain(&self), "a request could not be answered"),
        }
        Problem::of(status).into_response()
    }
}

/// Logs why a view is shown without what a service would have added; for handlers that can do without it.
pub fn log_missing(error: &client::Error) {
    tracing::warn!(error = chain(error), "a view is shown without a service's answer");
}

/// An error and its causes in one line, outermost first.
pub(crate) fn chain(error: &dyn error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line = format!("{line}: {inner}");
        cause = inner.source();
    }
    line
}
