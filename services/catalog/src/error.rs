//! Why the catalog refuses or fails, and what it answers then.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use service_kit::error::{ErrorResponse, Fields};

use crate::reservations::Shortage;

/// What can go wrong in a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request says something impossible.
    #[error("the request is invalid")]
    Invalid(Fields),
    /// No product has this slug.
    #[error("there is no product {0}")]
    UnknownProduct(String),
    /// There is less on the shelf than was asked for.
    #[error("out of stock")]
    OutOfStock(Vec<Shortage>),
    /// No reservation has this key, or it went back already.
    #[error("there is no such reservation")]
    UnknownReservation,
    /// The key belongs to a reservation of other lines.
    #[error("the key was used for other lines")]
    KeyReused,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A row holds what no version of ours writes.
    #[error("the database holds what it should not")]
    Corrupt(#[from] serde_json::Error),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let response = match self {
            Self::Invalid(fields) => ErrorResponse::invalid(fields),
            Self::UnknownProduct(slug) => {
                let message = format!("There is no product “{slug}”.");
                ErrorResponse::new(StatusCode::NOT_FOUND, "unknown_product", message)
            }
            Self::OutOfStock(shortages) => {
                let messages: Vec<_> = shortages.iter().map(Shortage::message).collect();
                ErrorResponse::new(StatusCode::CONFLICT, "out_of_stock", messages.join(" "))
                    .detail("lines", json!(shortages))
            }
            Self::UnknownReservation => {
                let message = "There is no such reservation.";
                ErrorResponse::new(StatusCode::NOT_FOUND, "unknown_reservation", message)
            }
            Self::KeyReused => {
                let message = "This key was used for other lines.";
                ErrorResponse::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", message)
            }
            Self::Database(_) | Self::Corrupt(_) => ErrorResponse::internal(&self),
        };
        response.into_response()
    }
}
