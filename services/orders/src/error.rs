//! Why orders refuses or fails, and what it answers then.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use service_kit::client;
use service_kit::error::{ErrorResponse, Fields};

/// What can go wrong in a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request says something impossible.
    #[error("the request is invalid")]
    Invalid(Fields),
    /// No basket has this id.
    #[error("there is no such basket")]
    UnknownBasket,
    /// No product has this slug.
    #[error("there is no such product")]
    UnknownProduct,
    /// No order has this id.
    #[error("there is no such order")]
    UnknownOrder,
    /// An order without a key could be placed twice.
    #[error("the request has no idempotency key")]
    NoKey,
    /// The key belongs to an order of another basket.
    #[error("the key was used for another basket")]
    KeyReused,
    /// There is nothing to order.
    #[error("the basket is empty")]
    EmptyBasket,
    /// The basket is not what it was when the order began.
    #[error("the basket changed")]
    BasketChanged,
    /// The basket costs something else than its customer has seen.
    #[error("the price changed")]
    PriceChanged,
    /// The catalog has less than was asked for, and says so in a message and details.
    #[error("out of stock")]
    OutOfStock {
        /// For the customer.
        message: String,
        /// What the catalog told about it.
        details: Map<String, Value>,
    },
    /// The catalog gave no answer that can be used.
    #[error("the catalog cannot be asked")]
    Catalog(#[source] client::Error),
    /// The catalog has prices in two currencies, which no total can have.
    #[error("prices in two currencies")]
    MixedCurrencies,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A row holds what no version of ours writes.
    #[error("the database holds what it should not")]
    Corrupt(#[from] serde_json::Error),
}

impl Error {
    /// The code of a definite refusal.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::UnknownBasket => "unknown_basket",
            Self::EmptyBasket => "empty_basket",
            Self::BasketChanged => "basket_changed",
            Self::PriceChanged => "price_changed",
            _ => "out_of_stock",
        }
    }

    /// Whether this order will not be made, rather than: not now, or nobody knows.
    pub(crate) fn is_definite(&self) -> bool {
        match self {
            Self::EmptyBasket | Self::UnknownBasket | Self::BasketChanged => true,
            Self::PriceChanged | Self::OutOfStock { .. } => true,
            Self::Invalid(_) | Self::UnknownProduct | Self::UnknownOrder | Self::NoKey | Self::KeyReused => false,
            Self::Catalog(_) | Self::MixedCurrencies | Self::Database(_) | Self::Corrupt(_) => false,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let unknown = |code, message| ErrorResponse::new(StatusCode::NOT_FOUND, code, message);
        let conflict = |code, message: &str| ErrorResponse::new(StatusCode::CONFLICT, code, message);
        let unprocessable = |code, message| ErrorResponse::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
        let response = match self {
            Self::Invalid(fields) => ErrorResponse::invalid(fields),
            Self::UnknownBasket => unknown("unknown_basket", "There is no such basket."),
            Self::UnknownProduct => unknown("unknown_product", "There is no such product."),
            Self::UnknownOrder => unknown("unknown_order", "There is no such order."),
            Self::NoKey => unprocessable("no_key", "An order needs a UUID in the header Idempotency-Key."),
            Self::KeyReused => unprocessable("key_reused", "This key was used for another order."),
            Self::EmptyBasket => conflict("empty_basket", "The basket is empty."),
            Self::BasketChanged => {
                conflict("basket_changed", "The basket changed while the order was placed. Please look at it again.")
            }
            Self::PriceChanged => {
                let message =
                    "A price changed since you saw it, so nothing is ordered yet. Please check the new total.";
                conflict("price_changed", message)
            }
            Self::OutOfStock { message, details } => details
                .into_iter()
                .fold(conflict("out_of_stock", &message), |response, (name, value)| response.detail(&name, value)),
            Self::Catalog(_) => {
                let message = "Prices and stock cannot be looked up right now. Please try again in a moment.";
                ErrorResponse::unavailable("catalog_unavailable", message, &self)
            }
            Self::MixedCurrencies | Self::Database(_) | Self::Corrupt(_) => ErrorResponse::internal(&self),
        };
        response.into_response()
    }
}
