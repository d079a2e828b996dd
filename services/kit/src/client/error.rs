//! What can become of a call. The difference that matters to a caller: was it refused, or is the outcome unknown?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The code of a refusal that was made here: a URL would resolve a segment of the path away, or cannot be as long.
pub const NAMELESS: &str = "nameless";

/// Why a service cannot be called at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nobody said where it is.
    #[error("{variable} is not set: it tells where the {service} service is, as in http://127.0.0.1:7001")]
    Missing {
        /// The service.
        service: String,
        /// The variable to set.
        variable: String,
    },
    /// What was said is no address.
    #[error("{variable} is not an http:// address: {address}")]
    Address {
        /// The variable to correct.
        variable: String,
        /// What it says now.
        address: String,
    },
}

/// Why a call brought no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, so the service has not seen the request.
    #[error("{service} cannot be reached")]
    Unreachable {
        /// The service.
        service: Arc<str>,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// No answer within the deadline. The service may have done what was asked.
    #[error("{service} did not answer within {after:?}")]
    Timeout {
        /// The service.
        service: Arc<str>,
        /// The deadline. Zero: the request in which it was to be asked was over, so it was not.
        after: Duration,
    },
    /// The connection broke. The service may have done what was asked.
    #[error("{service} broke off")]
    Interrupted {
        /// The service.
        service: Arc<str>,
        /// What the connection said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service said no (4xx): asking again changes nothing.
    #[error("{service} refused with {} {}: {}", .refusal.status, .refusal.code, .refusal.message)]
    Refused {
        /// The service.
        service: Arc<str>,
        /// What it said.
        refusal: Refusal,
    },
    /// The service failed (5xx, or a redirect that no service of ours sends).
    #[error("{service} failed with {status}")]
    Failed {
        /// The service.
        service: Arc<str>,
        /// The status.
        status: StatusCode,
    },
    /// The answer is too long, or not what was expected.
    #[error("{service} gave an answer that makes no sense: {reason}")]
    Garbage {
        /// The service.
        service: Arc<str>,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The refusal, when the service said no; none when it may be worth asking again.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether the service said no with this code.
    pub fn is(&self, code: &str) -> bool {
        self.refusal_of(&[code]).is_some()
    }

    /// The refusal, when the service said no with one of these codes; any other no is a surprise.
    pub fn refusal_of(&self, codes: &[&str]) -> Option<&Refusal> {
        self.refusal().filter(|refusal| codes.contains(&refusal.code.as_str()))
    }

    /// Whether there is nothing of this name: the service said so with `code`, or nothing can have such a name.
    pub fn is_unknown(&self, code: &str) -> bool {
        self.refusal_of(&[code, NAMELESS]).is_some()
    }
}

/// A service's no, as its JSON error says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status, 4xx.
    pub status: StatusCode,
    /// The code for programs; empty when the answer had no JSON error.
    pub code: String,
    /// The text for people; empty when the answer had no JSON error.
    pub message: String,
    /// What is wrong, by field.
    pub fields: BTreeMap<String, String>,
    /// What else the error object holds.
    pub details: Map<String, Value>,
}

#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Told,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    code: String,
    message: String,
    fields: BTreeMap<String, String>,
    #[serde(flatten)]
    details: Map<String, Value>,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        let Told { code, message, fields, details } =
            serde_json::from_slice::<Envelope>(body).unwrap_or_default().error;
        Self { status, code, message, fields, details }
    }

    /// The refusal of what no resource can be named by: a segment that is empty, `.` or `..`, or too long a URL.
    pub(super) fn nameless() -> Self {
        let message = "Nothing has such a name.".to_owned();
        Self { code: NAMELESS.to_owned(), message, ..Self::read(StatusCode::NOT_FOUND, b"") }
    }
}
