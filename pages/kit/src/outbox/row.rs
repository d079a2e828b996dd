//! What a row of the outbox is named by, and how it may have ended.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::client::{Error as ServiceError, Refusal};
use uuid::Uuid;

/// The idempotency key of a command. Who knows it may see what became of the command, so it stands in no log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(Uuid);

impl Key {
    /// Reads a key: a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// Too little of the key to know it by, and enough to find its row.
    pub(super) fn hint(self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is accepted, and will be delivered.
    Pending,
    /// It was applied; this is what the service answered.
    Done(Value),
    /// The service refused it, for good.
    Failed(Reason),
    /// It could not be delivered for so long that people have to look at it. It is kept.
    Parked,
}

/// Why a service refused, in its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The status, 4xx.
    pub status: u16,
    /// The code for programs; may be empty.
    pub code: String,
    /// The text for people; may be empty.
    pub message: String,
    /// What is wrong, by field.
    pub fields: std::collections::BTreeMap<String, String>,
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status.as_u16(),
            code: refusal.code.clone(),
            message: refusal.message.clone(),
            fields: refusal.fields.clone(),
        }
    }
}

/// The refusal that trying again can't change; none when it can. Of all 4xx, three ask for another try (RFC 9110,
/// section 15.5.9; RFC 8470, section 5.2; RFC 6585, section 4).
pub(super) fn definite(error: &ServiceError) -> Option<Reason> {
    let refusal = error.refusal()?;
    (![408, 425, 429].contains(&refusal.status.as_u16())).then(|| refusal.into())
}

/// A row as it is read.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) version: i64,
    pub(super) payload: String,
    pub(super) accepted_at: i64,
    pub(super) outcome: Outcome,
}

/// A command that this process has in hand: it holds the row's lease.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) key: Key,
    pub(super) lease: String,
    pub(super) payload: String,
    pub(super) accepted_at: i64,
    /// How often it was tried, this time included.
    pub(super) attempts: i64,
}
