//! One command from hand to service: call, and write down how it ended.
//!
//! A process may die between any two lines here. What it has not written is done again by whoever claims the row next:
//! the service knows the key and answers a repeat with what it did the first time.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use service_kit::client::Error as ServiceError;
use service_kit::context::{self, RequestContext};

use super::backoff::backoff;
use super::row::{Hand, Outcome, Reason, definite};
use super::{Outbox, now};
use crate::error::chain;

/// What a delivery may take. Less than its lease, so that only a stopped process is overtaken.
const DELIVERY: Duration = Duration::from_secs(12);

/// How one try went.
#[derive(Debug)]
pub(super) enum Tried {
    /// The service applied the command, now or before.
    Applied(Value),
    /// The service refused it for good.
    Refused(Reason),
    /// Nobody knows, or not now.
    Unanswered(String),
}

impl<C: DeserializeOwned + Clone + Send + Sync + 'static> Outbox<C> {
    /// Delivers a visitor's command; or leaves it to the loops, when too many are being delivered.
    pub(super) async fn deliver_if_free(&self, hand: Hand) -> Outcome {
        if let Ok(_in_hand) = self.inner.in_hand.try_acquire() {
            return self.deliver(hand).await;
        }
        if let Err(error) = self.inner.store.put_back(&hand, now()).await {
            tracing::warn!(error = chain(&error), "a command waits until its lease has ended");
        }
        Outcome::Pending
    }

    /// Delivers a command that this process has in hand, and tells what became of it.
    pub(super) async fn deliver(&self, hand: Hand) -> Outcome {
        let tried = match context::current() {
            Some(_) => self.attempt(&hand).await,
            None => RequestContext::new().scope(self.attempt(&hand)).await,
        };
        self.settle(&hand, tried).await
    }

    /// Calls the service.
    pub(super) async fn attempt(&self, hand: &Hand) -> Tried {
        self.inner.figures.attempts.inc();
        let command: C = match serde_json::from_str(&hand.payload) {
            Ok(command) => command,
            Err(error) => return Tried::Unanswered(format!("the payload can't be read: {error}")),
        };
        match tokio::time::timeout(DELIVERY, (self.inner.send)(hand.key, command)).await {
            Ok(Ok(answer)) => Tried::Applied(answer),
            Ok(Err(error)) => definite(&error).map_or_else(|| Tried::Unanswered(chain(&error)), Tried::Refused),
            Err(_) => Tried::Unanswered(format!("no answer within {DELIVERY:?}")),
        }
    }

    /// Writes down how a try went. What can't be written stays pending and is tried again when its lease has ended.
    pub(super) async fn settle(&self, hand: &Hand, tried: Tried) -> Outcome {
        let (command, attempts) = (hand.key.hint(), hand.attempts);
        let written = match tried {
            Tried::Applied(answer) => {
                self.inner.figures.delivered.inc();
                tracing::info!(command, attempts, "a command was delivered");
                let written = self.inner.store.done(hand.key, &answer.to_string(), now()).await;
                written.map(|()| Outcome::Done(answer))
            }
            Tried::Refused(reason) => self.fail(hand, reason).await,
            Tried::Unanswered(error) => {
                tracing::warn!(command, attempts, error, "a command was not delivered");
                self.put_back_or_park(hand).await
            }
        };
        written.unwrap_or_else(|error| {
            tracing::error!(command, error = chain(&error), "the outcome of a command was not written");
            Outcome::Pending
        })
    }

    async fn fail(&self, hand: &Hand, reason: Reason) -> sqlx::Result<Outcome> {
        let command = hand.key.hint();
        let told = serde_json::to_string(&reason).unwrap_or_default();
        if !self.inner.store.failed(hand, &told, now()).await? {
            tracing::warn!(command, "a refusal came after its lease: the next try decides");
            return Ok(Outcome::Pending);
        }
        self.inner.figures.failed.inc();
        tracing::warn!(command, reason.status, reason.code, "a command was refused");
        Ok(Outcome::Failed(reason))
    }

    async fn put_back_or_park(&self, hand: &Hand) -> sqlx::Result<Outcome> {
        let now = now();
        if now - hand.accepted_at < self.inner.park_after_ms {
            let wait = i64::try_from(backoff(hand.attempts).as_millis()).unwrap_or(i64::MAX);
            self.inner.store.put_back(hand, now + wait).await?;
            return Ok(Outcome::Pending);
        }
        if self.inner.store.park(hand).await? {
            self.inner.figures.parked.inc();
            tracing::error!(command = hand.key.hint(), hand.attempts, "a command is parked: people have to look at it");
            return Ok(Outcome::Parked);
        }
        Ok(Outcome::Pending)
    }
}

/// How a page's closure answers.
pub(super) type Answered = Result<Value, ServiceError>;
