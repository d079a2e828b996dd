//! Commands: what a visitor wants done, written down before it is tried, and delivered however long that takes.
//!
//! 1. [`Outbox::submit`] writes the command under its idempotency key. From then on it is accepted, and nothing that
//!    happens to this process changes that.
//! 2. It is tried at once, for as long as the visitor waits, and its row tells how it ended.
//! 3. What the service did not answer is tried again by a loop in every instance of the page, with longer and longer
//!    pauses; a row in hand is nobody else's until its lease ends. After a day it is parked: kept, counted, and logged
//!    as an error, for people to look at.
//! 4. What the service refuses for good (4xx but for 408, 425 and 429) has failed, with its reason. The visitor may
//!    send it again, also with other content.
//!
//! One key is one row, whoever submits it, how often, and through which instance: all get the same outcome. A key whose
//! command is under way or done is refused with other content.
//!
//! Rows are shared by releases. A release leaves payloads of a newer version than it reads to those that wrote them, so
//! a new version is read by one release before it is written by the next; migrations only add.

mod backoff;
mod courier;
mod database;
mod delivery;
mod figures;
mod row;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::context;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::{Config, Work};
use database::Database;
use delivery::Answered;
use figures::Figures;
use row::{Hand, Row};
use store::{New, Store};

pub use database::OpenError;
pub use row::{Key, Outcome, Reason};
pub use settings::Settings;

/// How long a visitor waits to be told more than "accepted".
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a row is nobody else's: longer than a delivery takes.
const LEASE: Duration = Duration::from_secs(15);

/// How often to look whether somebody else has delivered what a visitor waits for.
const LOOK: Duration = Duration::from_millis(100);

/// Tries of visitors at a time. What is more is left to the loops.
const IN_HAND: u32 = 256;

/// What a command is called and how its payload changes over releases.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name in the table.
    pub name: &'static str,
    /// The version of the payloads that are written: one that the release before reads.
    pub writes: i64,
    /// The newest version that is read.
    pub reads: i64,
}

/// Why there is no outcome to tell.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The key belongs to a command with other content, which is under way or done.
    #[error("the key was used for another command")]
    OtherContent,
    /// The command can't be kept, so it is not accepted. If it is sent again it is still one command.
    #[error("the outbox can't be written")]
    Database(#[from] sqlx::Error),
}

/// The durable commands `C` of a page. Cheap to clone.
///
/// `C` is compared to tell a repeat from another command with the same key.
pub struct Outbox<C> {
    inner: Arc<Inner<C>>,
}

type Deliver<C> = Box<dyn Fn(Key, C) -> Pin<Box<dyn Future<Output = Answered> + Send>> + Send + Sync>;

struct Inner<C> {
    store: Store,
    figures: Figures,
    park_after_ms: i64,
    send: Deliver<C>,
    in_hand: Semaphore,
}

/// Whose a command is after it was submitted.
#[derive(Debug)]
enum Taken {
    /// Ours to deliver.
    Ours(Hand),
    /// Somebody else's, and so far.
    Theirs(Outcome),
}

impl<C> Outbox<C>
where
    C: Serialize + DeserializeOwned + PartialEq + Clone + Send + Sync + 'static,
{
    /// Opens the outbox of `config`'s page, whose commands are delivered by `send`, which calls a service with the key.
    ///
    /// # Errors
    /// When the folder or the database can't be used; the error names the variable to look at.
    pub async fn open<F>(
        config: &Config,
        settings: &Settings,
        kind: Kind,
        send: impl Fn(Key, C) -> F + Send + Sync + 'static,
    ) -> Result<Self, OpenError>
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        let store = Store::new(Database::open(config, settings).await?, kind);
        Ok(Self::on(store, Figures::among(config.metrics()), settings.outbox_park_after, send))
    }

    fn on<F>(
        store: Store,
        figures: Figures,
        park_after: Duration,
        send: impl Fn(Key, C) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        let send: Deliver<C> = Box::new(move |key, command| Box::pin(send(key, command)));
        let in_hand = Semaphore::new(IN_HAND as usize);
        Self { inner: Arc::new(Inner { store, figures, park_after_ms: millis(park_after), send, in_hand }) }
    }

    /// Accepts a command and tries it at once. [`Outcome::Pending`] when there is no outcome while the visitor waits.
    ///
    /// # Errors
    /// When the key is in use for another command, or the command can't be written down: then it is not accepted.
    pub async fn submit(&self, key: Key, command: C) -> Result<Outcome, SubmitError> {
        let left = context::current().map_or(PATIENCE, |context| context.remaining());
        let patience = left.min(PATIENCE);
        match self.take(key, &command).await? {
            Taken::Ours(hand) => {
                let outbox = self.clone();
                let delivering = context::spawn(async move { outbox.deliver_if_free(hand).await });
                Ok(match tokio::time::timeout(patience, delivering).await {
                    Ok(Ok(outcome)) => outcome,
                    // Too slow to wait for, or it panicked: in both cases the row stays.
                    _ => Outcome::Pending,
                })
            }
            Taken::Theirs(Outcome::Pending) => Ok(self.until_ended(key, patience).await?),
            Taken::Theirs(outcome) => Ok(outcome),
        }
    }

    /// What became of the command with this key; none when there is none, or it ended more than a week ago.
    ///
    /// # Errors
    /// When the outbox can't be read.
    pub async fn find(&self, key: Key) -> Result<Option<Outcome>, sqlx::Error> {
        Ok(self.inner.store.find(key).await?.map(|row| row.outcome))
    }

    /// The loop that delivers, for [`crate::serve_with`].
    pub fn work(&self) -> Work {
        let (outbox, figures) = (self.clone(), self.inner.figures.clone());
        let last = self.clone();
        Work::new("outbox", move |readiness| outbox.run(readiness))
            .live(move || figures.live())
            .finish(move || async move { last.finish().await })
    }

    /// Writes the command down, or finds out who has.
    async fn take(&self, key: Key, command: &C) -> Result<Taken, SubmitError> {
        let payload = serde_json::to_string(command).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let new = New { key, version: self.inner.store.kind().writes, payload: &payload, now: now() };
        if let Some(hand) = self.inner.store.insert(&new).await? {
            self.inner.figures.accepted.inc();
            return Ok(Taken::Ours(hand));
        }
        let Some(row) = self.inner.store.find(key).await? else {
            // Another kind of command has the key.
            return Err(SubmitError::OtherContent);
        };
        let is_repeat = self.is_repeat(&row, command);
        match row.outcome {
            Outcome::Failed(_) => {}
            _ if !is_repeat => return Err(SubmitError::OtherContent),
            Outcome::Parked => {}
            outcome => return Ok(Taken::Theirs(outcome)),
        }
        Ok(match self.inner.store.reopen(&row, &new).await? {
            Some(hand) => Taken::Ours(hand),
            None => Taken::Theirs(Outcome::Pending),
        })
    }

    /// Whether the row holds this very command. One of another version is taken for it: its key says so.
    fn is_repeat(&self, row: &Row, command: &C) -> bool {
        row.version != self.inner.store.kind().writes
            || serde_json::from_str::<C>(&row.payload).is_ok_and(|written| written == *command)
    }

    /// What becomes of a command that somebody else has in hand, in this process or another.
    async fn until_ended(&self, key: Key, patience: Duration) -> sqlx::Result<Outcome> {
        let until = Instant::now() + patience;
        loop {
            let outcome = self.find(key).await?.unwrap_or(Outcome::Pending);
            if outcome != Outcome::Pending || Instant::now() + LOOK > until {
                return Ok(outcome);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl<C> Clone for Outbox<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<C> fmt::Debug for Outbox<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("kind", &self.inner.store.kind()).finish_non_exhaustive()
    }
}

/// Milliseconds since 1970, by this machine's clock. Another machine's may differ: that makes a delivery early or late,
/// and never twice applied.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
