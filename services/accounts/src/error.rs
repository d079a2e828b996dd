//! Why accounts refuses or fails, and what it answers then.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use service_kit::error::{ErrorResponse, Fields};

use crate::passwords;

/// What can go wrong in a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request says something impossible.
    #[error("the request is invalid")]
    Invalid(Fields),
    /// No account has this email and password.
    #[error("bad credentials")]
    BadCredentials,
    /// No token, or one that is unknown or over.
    #[error("no session")]
    NoSession,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A row holds what no version of ours writes.
    #[error("the database holds what it should not")]
    Corrupt(#[from] serde_json::Error),
    /// A password could not be hashed or compared.
    #[error("hashing failed")]
    Passwords(#[from] passwords::Error),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let unauthorized = |code, message| ErrorResponse::new(StatusCode::UNAUTHORIZED, code, message);
        let response = match self {
            Self::Invalid(fields) => ErrorResponse::invalid(fields),
            Self::BadCredentials => {
                unauthorized("bad_credentials", "There is no account with this email and password.")
            }
            Self::NoSession => unauthorized("no_session", "Sign in first."),
            Self::Database(_) | Self::Corrupt(_) | Self::Passwords(_) => ErrorResponse::internal(&self),
        };
        response.into_response()
    }
}
