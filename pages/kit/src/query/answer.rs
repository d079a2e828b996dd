//! What a query brings: a page can't have its value without having met the other two cases.

use std::time::Duration;

use prometheus::IntCounter;

use crate::metrics::Outcomes;

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a view says so when what it shows is old or missing"]
pub enum Answer<T> {
    /// What the service says, as of a moment ago.
    Fresh(T),
    /// What it said this long ago, since it gives no answer now.
    Stale(T, Duration),
    /// Nothing is known that is young enough.
    Unavailable,
}

impl<T> Answer<T> {
    /// The answer with another value, of the same age.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Fresh(value) => Answer::Fresh(change(value)),
            Self::Stale(value, age) => Answer::Stale(change(value), age),
            Self::Unavailable => Answer::Unavailable,
        }
    }

    /// The value, however old; for what does not change from day to day.
    pub fn of_any_age(self) -> Option<T> {
        match self {
            Self::Fresh(value) | Self::Stale(value, _) => Some(value),
            Self::Unavailable => None,
        }
    }

    /// Whether the service says so now, so that the view may be kept.
    pub fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh(_))
    }

    /// What counts it.
    pub(super) fn counter<'a>(&self, outcomes: &'a Outcomes) -> &'a IntCounter {
        match self {
            Self::Fresh(_) => &outcomes.fresh,
            Self::Stale(..) => &outcomes.stale,
            Self::Unavailable => &outcomes.unavailable,
        }
    }
}

/// A service gives no answer now, and there is none to fall back on. Why has been logged by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a service gives no answer now")]
pub struct Unavailable;
