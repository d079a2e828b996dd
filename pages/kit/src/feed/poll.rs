//! One look at the feed: ask, compare, apply.

use std::time::Duration;

use serde::Deserialize;

use super::model::{self, Place};
use super::{Event, Feed, ReadError};

/// What a call may take: less than the lease.
const CALL: Duration = Duration::from_secs(3);

/// Events in an answer. More might be longer than an answer may be.
const LIMIT: usize = 100;

/// What a look brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polled {
    /// Everything there is has been read.
    End,
    /// There may be more.
    More,
    /// Another instance reads.
    Elsewhere,
}

#[derive(Deserialize)]
struct Answer {
    events: Vec<Event>,
}

impl Feed {
    /// Looks once, at the time `now`.
    pub(super) async fn poll(&self, now: i64) -> Result<Polled, ReadError> {
        let Some(place) = model::take(&self.database, &self.reader, now).await? else {
            return Ok(Polled::Elsewhere);
        };
        let events = self.fetch(&place).await?;
        self.apply(&place, events, now).await
    }

    /// The event that was read last and those after it, as the service tells them.
    pub(super) async fn fetch(&self, place: &Place) -> Result<Vec<Event>, ReadError> {
        let after = (place.cursor - 1).max(0).to_string();
        let request = self.service.get(&["events"]).query("after", &after).query("limit", &LIMIT.to_string());
        let answer: Answer = request.within(CALL).send().await?;
        Ok(answer.events)
    }

    /// Applies what is new and moves on, in one transaction.
    pub(super) async fn apply(&self, from: &Place, mut events: Vec<Event>, now: i64) -> Result<Polled, ReadError> {
        let is_end = events.len() < LIMIT;
        events.sort_by_key(|event| event.cursor);
        let last = events.iter().find(|event| event.cursor == from.cursor).map(|event| event.at.as_str());
        if from.cursor > 0 && last != from.last_at.as_deref() {
            return self.begin_anew(from).await;
        }
        let mut transaction = self.database.begin_with("BEGIN IMMEDIATE").await?;
        let mut to = from.clone();
        for event in &events {
            if event.cursor > to.cursor {
                (self.apply)(&mut transaction, event).await?;
                to = Place { cursor: event.cursor, last_at: Some(event.at.clone()) };
            }
        }
        if !model::step(&mut transaction, &self.reader, (from, &to)).await? {
            // Somebody was faster; what was applied here goes with the transaction.
            return Ok(Polled::Elsewhere);
        }
        if is_end {
            model::reached_end(&mut transaction, &self.reader, now).await?;
        }
        transaction.commit().await?;
        Ok(if is_end { Polled::End } else { Polled::More })
    }

    async fn begin_anew(&self, from: &Place) -> Result<Polled, ReadError> {
        let service = self.service.name();
        tracing::error!(
            service,
            from.cursor,
            "the feed does not go on where it was: its service's data seem to be older. It is read from its start"
        );
        let start = Place { cursor: 0, last_at: None };
        let mut connection = self.database.acquire().await?;
        let is_ours = model::step(&mut connection, &self.reader, (from, &start)).await?;
        Ok(if is_ours { Polled::More } else { Polled::Elsewhere })
    }
}
