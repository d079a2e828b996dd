//! What customers have ordered: this page's own copy, kept by the feed of orders, so that it is there when orders is not.

use std::future::Future;
use std::pin::Pin;

use page_kit::feed::{Event, Feed, Model, OpenError};
use page_kit::{Answer, Config, Data, Money, Service, Work};
use serde::Deserialize;
use serde_json::Value;
use sqlx::{SqliteConnection, SqlitePool};
use templates::Address;

/// A list has at most this many orders.
const LIST_MAX: u32 = 500;

/// The orders of all customers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct History(pub(crate) Feed);

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) email: String,
    /// RFC 3339.
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) lines: Vec<Line>,
    /// Pieces.
    pub(crate) count: u32,
    pub(crate) subtotal: Money,
    pub(crate) shipping: Money,
    pub(crate) total: Money,
    pub(crate) address: Address,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) drawing: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
    pub(crate) line_total: Money,
}

impl History {
    /// The history that is told by `orders`, kept in the page's data folder.
    ///
    /// # Errors
    /// When the folder or the file can't be used.
    pub(crate) async fn open(config: &Config, data: &Data, orders: Service) -> Result<Self, OpenError> {
        let model = Model { file: "orders.db", migrations: sqlx::migrate!(), apply };
        Ok(Self(Feed::open(config, data, orders, model).await?))
    }

    /// The loop that keeps it.
    pub(crate) fn work(&self) -> Work {
        self.0.work()
    }

    /// The orders of a customer, newest first: all, or the `latest` ones.
    pub(crate) async fn of(&self, customer: &str, latest: Option<u32>) -> Answer<Vec<Order>> {
        let limit = latest.unwrap_or(LIST_MAX);
        self.0.as_of(list(self.0.model(), customer, limit).await).await
    }

    /// One order of a customer; none when there is none, or it is somebody else's.
    pub(crate) async fn one(&self, id: &str, customer: &str) -> Answer<Option<Order>> {
        self.0.as_of(find(self.0.model(), id, customer).await).await
    }
}

async fn list(model: &SqlitePool, customer: &str, limit: u32) -> sqlx::Result<Vec<Order>> {
    let sql = "SELECT body FROM orders WHERE customer = ?1 ORDER BY cursor DESC LIMIT ?2";
    let bodies: Vec<String> = sqlx::query_scalar(sql).bind(customer).bind(limit).fetch_all(model).await?;
    Ok(bodies.iter().filter_map(|body| read(body)).collect())
}

async fn find(model: &SqlitePool, id: &str, customer: &str) -> sqlx::Result<Option<Order>> {
    let query = sqlx::query_scalar("SELECT body FROM orders WHERE id = ?1 AND customer = ?2").bind(id).bind(customer);
    let body: Option<String> = query.fetch_optional(model).await?;
    Ok(body.and_then(|body| read(&body)))
}

/// An order, unless it is one that this release can't show: the others are not less worth showing.
fn read(body: &str) -> Option<Order> {
    serde_json::from_str(body).inspect_err(|error| tracing::error!(%error, "an order can't be shown")).ok()
}

/// Keeps the order that an event tells of, whatever happened to it. Who ordered without an account has no history.
fn apply<'a>(
    model: &'a mut SqliteConnection,
    event: &'a Event,
) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'a>> {
    Box::pin(async move {
        let order = event.more.get("order").unwrap_or(&Value::Null);
        let (Some(id), Some(customer)) = (order["id"].as_str(), order["customer"].as_str()) else {
            return Ok(());
        };
        let sql = "INSERT INTO orders (id, customer, cursor, body) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (id) DO UPDATE SET customer = ?2, cursor = ?3, body = ?4";
        let query = sqlx::query(sql).bind(id).bind(customer).bind(event.cursor).bind(order.to_string());
        query.execute(model).await.map(|_| ())
    })
}
