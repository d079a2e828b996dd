//! The feed of what happened, for whoever builds a view of its own of it: every order, once, in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::error::Fields;
use sqlx::{Row, Sqlite, SqlitePool, Transaction};

use crate::error::Error;
use crate::orders::Order;

const LIMIT_DEFAULT: i64 = 100;

/// Who asks for more events at a time gets this many.
const LIMIT_MAX: i64 = 1000;

/// Which events someone wants, as they typed it.
#[derive(Debug, Deserialize)]
pub(crate) struct Window {
    after: Option<String>,
    limit: Option<String>,
}

/// Events, and the cursor to ask for the next ones with.
#[derive(Debug, Serialize)]
pub(crate) struct Feed {
    events: Vec<Event>,
    next: i64,
}

#[derive(Debug, Serialize)]
struct Event {
    cursor: i64,
    #[serde(rename = "type")]
    kind: String,
    at: String,
    order: Value,
}

/// Writes the event of an order, in the order's own transaction.
pub(crate) async fn order_placed(transaction: &mut Transaction<'_, Sqlite>, order: &Order) -> Result<(), Error> {
    let sql = "INSERT INTO events (type, at, payload) VALUES ('order_placed', ?, ?)";
    let query = sqlx::query(sql).bind(&order.placed_at).bind(serde_json::to_string(order)?);
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// The events after a cursor, oldest first.
pub(crate) async fn read(database: &SqlitePool, window: &Window) -> Result<Feed, Error> {
    let mut fields = Fields::default();
    let after = fields.take("after", number(window.after.as_deref(), 0, 0));
    let limit = fields.take("limit", number(window.limit.as_deref(), LIMIT_DEFAULT, 1));
    let (Some(after), Some(limit)) = (after, limit) else {
        return Err(Error::Invalid(fields));
    };
    let sql = "SELECT cursor, type, at, payload FROM events WHERE cursor > ?1 ORDER BY cursor LIMIT ?2";
    let rows = sqlx::query(sql).bind(after).bind(limit.min(LIMIT_MAX)).fetch_all(database).await?;
    let events = rows.iter().map(|row| {
        Ok(Event {
            cursor: row.try_get("cursor")?,
            kind: row.try_get("type")?,
            at: row.try_get("at")?,
            order: serde_json::from_str(row.try_get("payload")?)?,
        })
    });
    let events = events.collect::<Result<Vec<_>, Error>>()?;
    let next = events.last().map_or(after, |event| event.cursor);
    Ok(Feed { events, next })
}

/// A whole number from a query, `absent` when it is not given; or what is wrong with it.
pub(crate) fn number(typed: Option<&str>, absent: i64, least: i64) -> Result<i64, String> {
    let typed = typed.filter(|typed| !typed.is_empty());
    let number = typed.map_or(Some(absent), |typed| typed.parse().ok());
    number.filter(|number| *number >= least).ok_or_else(|| format!("Say a whole number from {least} on."))
}
