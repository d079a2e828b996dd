//! The loop in every instance that delivers what is due, counts, and forgets what ended long ago.

use std::time::Duration;

use serde::de::DeserializeOwned;
use service_kit::serve::Readiness;
use tokio::task::JoinSet;

use super::row::Outcome;
use super::{IN_HAND, Outbox, now};
use crate::error::chain;

/// How often to look what is due.
const EVERY: Duration = Duration::from_millis(500);

/// Deliveries at a time.
const AT_ONCE: usize = 8;

/// Rows that a delivery brings forward.
const NEXT: i64 = 16;

/// How long it can be seen how a command ended.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Rows that are forgotten at a time, so that nobody waits long for the write lock.
const PRUNED: i64 = 500;

/// Rounds between two times of forgetting: a minute.
const PRUNE_EVERY: u32 = 120;

impl<C: DeserializeOwned + Clone + Send + Sync + 'static> Outbox<C> {
    /// Delivers until this instance is asked to stop, then finishes what it has in hand.
    pub(super) async fn run(self, readiness: Readiness) {
        self.inner.store.warn_if_lost();
        let mut hands = JoinSet::new();
        let mut round = 0_u32;
        while readiness.is_ready() {
            if let Err(error) = self.round(&mut hands).await {
                tracing::error!(error = chain(&error), "the outbox can't be read");
            }
            if round.is_multiple_of(PRUNE_EVERY) {
                self.forget(now()).await;
            }
            round = round.wrapping_add(1);
            let is_full = hands.len() >= AT_ONCE;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = hands.join_next(), if is_full => {}
            }
        }
        while hands.join_next().await.is_some() {}
    }

    /// Waits for the visitors' own tries, once there are no visitors any more, and closes the database.
    pub(super) async fn finish(&self) {
        let _all = self.inner.in_hand.acquire_many(IN_HAND).await;
        self.inner.store.close().await;
    }

    /// Counts, and takes in hand what is due, as far as there are hands free.
    async fn round(&self, hands: &mut JoinSet<()>) -> sqlx::Result<()> {
        while hands.try_join_next().is_some() {}
        let now = now();
        let census = self.inner.store.census(now).await?;
        self.inner.figures.counted(&census, now);
        if census.due == 0 {
            return Ok(());
        }
        for hand in self.inner.store.claim(now, AT_ONCE - hands.len()).await? {
            let outbox = self.clone();
            hands.spawn(async move {
                if let Outcome::Done(_) = outbox.deliver(hand).await {
                    outbox.bring_forward().await;
                }
            });
        }
        Ok(())
    }

    /// The service is there again, so the others need not wait for their turn.
    async fn bring_forward(&self) {
        if let Err(error) = self.inner.store.bring_forward(now(), NEXT).await {
            tracing::debug!(error = chain(&error), "nothing was brought forward");
        }
    }

    /// Forgets what ended long before `now`, in batches.
    pub(super) async fn forget(&self, now: i64) {
        loop {
            match self.inner.store.prune(now - KEPT_MS, PRUNED).await {
                Ok(0) => return,
                Ok(rows) => tracing::debug!(rows, "old commands were forgotten"),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "old commands are not forgotten yet");
                    return;
                }
            }
        }
    }
}
