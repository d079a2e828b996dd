//! Giving back the stock of reservations that nobody confirmed: whoever made them died, or never asked again.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqlitePool;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::reservations;

/// A reservation is kept this long for its confirmation.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// How often we look.
const EVERY: Duration = Duration::from_secs(60);

/// Looks for what is over, for ever. Not at once: who could not reach us while we were down gets the whole time again.
pub(crate) async fn watch(database: SqlitePool) {
    let mut ticks = interval_at(Instant::now() + KEPT, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match reservations::expire(&database, Timestamp::now() - KEPT).await {
            Ok(0) => {}
            Ok(reservations) => tracing::warn!(reservations, "stock went back that nobody confirmed"),
            Err(error) => tracing::error!(%error, "cannot give stock back that nobody confirmed"),
        }
    }
}
