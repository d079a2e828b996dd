//! The one shape in which a service refuses: `{"error":{"code","message","fields"?,…}}`.
//!
//! A service has an error enum of its own, one variant for each cause, and turns it into an [`ErrorResponse`] in one
//! `match`. What happened inside is logged here, once, and never sent.

use std::collections::BTreeMap;
use std::error::Error;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::failure::chain;

/// The code of a request that is well-formed and says something impossible; `fields` tells what.
pub const INVALID: &str = "invalid";

/// What is wrong with a form, by the name of the field (`email`, `address.city`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// One field and what is wrong with it.
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        let mut fields = Self::default();
        fields.add(field, message);
        fields
    }

    /// Adds what is wrong with `field`.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.insert(field.to_owned(), message.into());
    }

    /// Adds what is wrong with a part of the form, whose fields are `<part>.<field>`.
    pub fn add_part(&mut self, part: &str, fields: Self) {
        self.0.extend(fields.0.into_iter().map(|(field, message)| (format!("{part}.{field}"), message)));
    }

    /// The parsed value, or nothing and a message at `field`.
    pub fn take<T>(&mut self, field: &str, parsed: Result<T, impl Into<String>>) -> Option<T> {
        parsed.map_err(|message| self.add(field, message)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with one field.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }
}

/// An answer that refuses.
#[derive(Debug, Clone)]
pub struct ErrorResponse {
    status: StatusCode,
    code: &'static str,
    message: String,
    fields: Fields,
    details: Map<String, Value>,
}

impl ErrorResponse {
    /// A refusal: `code` is for programs, `message` for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: Fields::default(), details: Map::new() }
    }

    /// 422: what is wrong is in the fields.
    pub fn invalid(fields: Fields) -> Self {
        let message = "Some fields need another look.";
        Self { fields, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, INVALID, message) }
    }

    /// 500: `error` is logged and not told.
    pub fn internal(error: &dyn Error) -> Self {
        tracing::error!(error = chain(error), "a request failed");
        Self::unexpected()
    }

    /// 503, come back later: `error` is logged and not told.
    pub fn unavailable(code: &'static str, message: &str, error: &dyn Error) -> Self {
        tracing::warn!(error = chain(error), code, "a request cannot be answered now");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// 500 without a word about the cause, which someone else has logged.
    pub(crate) fn unexpected() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.")
    }

    /// 503 for a request whose deadline has passed. It may have been done.
    pub(crate) fn too_late() -> Self {
        let message = "There was not enough time for an answer.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_late", message)
    }

    /// Adds one more member to the error object.
    #[must_use]
    pub fn detail(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let mut error = self.details;
        error.insert("code".to_owned(), self.code.into());
        error.insert("message".to_owned(), self.message.into());
        if !self.fields.is_empty() {
            error.insert("fields".to_owned(), json!(self.fields.0));
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<JsonRejection> for ErrorResponse {
    fn from(rejection: JsonRejection) -> Self {
        let code = match &rejection {
            JsonRejection::JsonDataError(_) => INVALID,
            JsonRejection::MissingJsonContentType(_) => "not_json",
            _ => "bad_json",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }
}

impl From<QueryRejection> for ErrorResponse {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", rejection.body_text())
    }
}

impl From<PathRejection> for ErrorResponse {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad_path", rejection.body_text())
    }
}

/// `router` with JSON answers for a path that it does not have (404) and a method that the path does not take (405).
pub fn with_fallbacks(router: Router) -> Router {
    router.fallback(unknown_path).method_not_allowed_fallback(wrong_method)
}

async fn unknown_path() -> ErrorResponse {
    ErrorResponse::new(StatusCode::NOT_FOUND, "unknown_path", "There is nothing at this path.")
}

async fn wrong_method() -> ErrorResponse {
    let message = "This path does not take this method.";
    ErrorResponse::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
}
