//! Telling the catalog which reservations became orders, as often as it takes: it gives the others back after a while.
//!
//! An order is written unconfirmed. It is confirmed right afterwards, and if that fails, or we die, by the next round.

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::Notify;

use crate::catalog::{Catalog, Wanted};
use crate::error::Error;
use crate::orders::{self, Order};

/// How long to wait before what failed is tried again; a small part of the time that the catalog waits.
const EVERY: Duration = Duration::from_secs(60);

/// What confirms orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Confirming {
    database: SqlitePool,
    catalog: Catalog,
    due: Arc<Notify>,
}

impl Confirming {
    /// Confirms the orders of `database` to `catalog`.
    pub(crate) fn new(database: SqlitePool, catalog: Catalog) -> Self {
        Self { database, catalog, due: Arc::default() }
    }

    /// Says that there is a new order.
    pub(crate) fn wake(&self) {
        self.due.notify_one();
    }

    /// Confirms what there is at the start, whenever there is a new order, and every minute; for ever.
    pub(crate) async fn run(self) {
        loop {
            if let Err(error) = self.confirm_all().await {
                tracing::warn!(error = %service_kit::Failure::from(error), "orders are not confirmed yet");
            }
            let _either_way_there_may_be_some = tokio::time::timeout(EVERY, self.due.notified()).await;
        }
    }

    /// Confirms every order that is not, oldest first, up to the first one for which the catalog can't be asked.
    pub(crate) async fn confirm_all(&self) -> Result<(), Error> {
        for order in orders::unconfirmed(&self.database).await? {
            match self.confirm(&order).await {
                Ok(()) => orders::set_confirmed(&self.database, &order).await?,
                Err(Error::OutOfStock { .. } | Error::UnknownProduct) => {
                    tracing::error!(
                        order.number,
                        "an order has no stock: its reservation went back before we could say"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn confirm(&self, order: &Order) -> Result<(), Error> {
        let lines: Vec<_> =
            order.lines.iter().map(|line| Wanted { slug: &line.slug, quantity: line.quantity }).collect();
        self.catalog.confirm(&order.key, &lines).await
    }
}
