//! The event feed: what a service tells of, in order, kept in a read model of the page's own, so that the page shows it
//! without asking, and goes on showing it while the service is down.
//!
//! - The read model is a SQLite file in the page's data folder. An event is applied and the cursor moved in one
//!   transaction: nothing is lost and nothing applied twice, whatever is killed when.
//! - One instance of the page reads at a time, by a lease that any of them takes over when it ends.
//! - Each answer begins with the event that was read last. If it does not, the service tells another story than
//!   before: its data were restored from an older copy. That is logged as an error, and the feed is read anew.
//! - What is repeated or out of order changes nothing.
//! - While the service gives no answer, the feed waits longer and longer, up to half a minute, and then goes on.

mod model;
mod poll;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use service_kit::client::Service;
use service_kit::context::RequestContext;
use service_kit::serve::Readiness;
use sqlx::migrate::Migrator;
use sqlx::{SqliteConnection, SqlitePool};

use crate::data::{Data, Folder};
use crate::error::chain;
use crate::{Answer, Config, Work};

pub use model::OpenError;
use poll::Polled;

/// How often to look for news.
const EVERY: Duration = Duration::from_millis(700);

/// The longest pause while the service gives no answer.
const LONGEST: Duration = Duration::from_secs(30);

/// What was read longer ago than this is late.
const LATE: Duration = Duration::from_secs(10);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// Its place in the feed.
    pub cursor: i64,
    /// What kind of thing happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, in RFC 3339.
    pub at: String,
    /// What else the service tells of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Writes an event into the read model. It is called once for each event, in their order; and once more for each after
/// the service's data were restored, so it replaces what it has written before. What it has no use for it passes over:
/// an error stops the feed.
pub type Apply =
    for<'a> fn(&'a mut SqliteConnection, &'a Event) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'a>>;

/// What a page makes of a feed.
#[derive(Debug)]
pub struct Model {
    /// Name of the database file.
    pub file: &'static str,
    /// Its tables. Their numbers begin at 100.
    pub migrations: Migrator,
    /// How an event gets there.
    pub apply: Apply,
}

/// A service's events in a read model. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    service: Service,
    database: SqlitePool,
    apply: Apply,
    /// By which this instance knows its own lease.
    reader: Arc<str>,
    _folder: Folder,
}

impl Feed {
    /// The feed of `service`, read into `model` in the page's data folder.
    ///
    /// # Errors
    /// When the folder or the file can't be used.
    pub async fn open(config: &Config, data: &Data, service: Service, model: Model) -> Result<Self, OpenError> {
        Self::open_in(Folder::of(config, data)?, service, model).await
    }

    async fn open_in(folder: Folder, service: Service, model: Model) -> Result<Self, OpenError> {
        let database = model::open(&folder, model.file, model.migrations).await?;
        let reader = RequestContext::new().trace_id().into();
        Ok(Self { service, database, apply: model.apply, reader, _folder: folder })
    }

    /// The read model.
    pub fn model(&self) -> &SqlitePool {
        &self.database
    }

    /// What was read from the model, as fresh or as old as the feed is. Unavailable as long as it has never been read
    /// to its end, or when it can't be looked at.
    pub async fn as_of<T>(&self, value: sqlx::Result<T>) -> Answer<T> {
        let read_at = model::read_at(&self.database).await;
        match (value, read_at) {
            (Ok(value), Ok(Some(read_at))) => {
                let age = Duration::from_millis((now() - read_at).max(0).unsigned_abs());
                if age < LATE { Answer::Fresh(value) } else { Answer::Stale(value, age) }
            }
            (Ok(_), Ok(None)) => Answer::Unavailable,
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(error = chain(&error), "the read model can't be read");
                Answer::Unavailable
            }
        }
    }

    /// Reads what is new. Anybody may call it at any time; for tests, and for what needs the news at once.
    ///
    /// # Errors
    /// When the service gives no answer or the read model can't be written. Nothing is lost.
    pub async fn read(&self) -> Result<(), ReadError> {
        while self.poll(now()).await? == Polled::More {}
        Ok(())
    }

    /// The loop that reads, for [`crate::serve_with`].
    pub fn work(&self) -> Work {
        let feed = self.clone();
        Work::new("feed", move |readiness| feed.run(readiness))
    }

    async fn run(self, readiness: Readiness) {
        let mut failures = 0_u32;
        while readiness.is_ready() {
            let reading = RequestContext::new().scope(self.read()).await;
            failures = match reading {
                Ok(()) => 0,
                Err(error) => {
                    // Once for each outage, and not for each try.
                    match failures {
                        0 => tracing::warn!(error = chain(&error), "the feed can't be read"),
                        _ => tracing::debug!(error = chain(&error), "the feed still can't be read"),
                    }
                    failures + 1
                }
            };
            self.pause(failures, &readiness).await;
        }
        if let Err(error) = model::give_up(&self.database, &self.reader).await {
            tracing::debug!(error = chain(&error), "another instance takes over a little later");
        }
    }

    /// Waits for the next look, in steps that are short enough to be stopped between them.
    async fn pause(&self, failures: u32, readiness: &Readiness) {
        let wait = (EVERY * 2_u32.pow(failures.min(10))).min(LONGEST).mul_f64(rand::random_range(0.75..1.25));
        let until = tokio::time::Instant::now() + wait;
        while readiness.is_ready() && tokio::time::Instant::now() < until {
            tokio::time::sleep_until(until.min(tokio::time::Instant::now() + EVERY)).await;
        }
    }
}

/// Why there is no news.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The service gives no answer that can be used.
    #[error(transparent)]
    Service(#[from] service_kit::client::Error),
    /// The read model can't be written.
    #[error("the read model can't be written")]
    Database(#[from] sqlx::Error),
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("service", &self.service.name()).finish_non_exhaustive()
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
