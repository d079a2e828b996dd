//! Orders that were refused for good: what a repeat is told, however the basket looks by then.
//!
//! A request may be on its way for long, in the queue of a process that stands still, and be overtaken by its own
//! repeat. If only the repeat were refused, the first would still make an order of which its customer was told that
//! there is none. So a key that was refused stays refused, and the basket gets another one for the next attempt.

use jiff::{SignedDuration, Timestamp};
use serde_json::Map;
use sqlx::{Row, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use crate::baskets::BasketId;
use crate::error::Error;
use crate::placing::Key;

/// Nothing is on its way for longer than this.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A key that makes no order any more.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) basket: String,
    pub(crate) error: Error,
}

/// Why the order with this key was refused; none if it was not.
pub(crate) async fn with_key(database: &SqlitePool, key: Key) -> Result<Option<Refusal>, Error> {
    let query = sqlx::query("SELECT basket, code, message, details FROM refusals WHERE key = ?1").bind(key.text());
    let Some(row) = query.fetch_optional(database).await? else {
        return Ok(None);
    };
    let error = match row.try_get("code")? {
        "unknown_basket" => Error::UnknownBasket,
        "empty_basket" => Error::EmptyBasket,
        "basket_changed" => Error::BasketChanged,
        "price_changed" => Error::PriceChanged,
        _ => Error::OutOfStock {
            message: row.try_get("message")?,
            details: serde_json::from_str(row.try_get("details")?)?,
        },
    };
    Ok(Some(Refusal { basket: row.try_get("basket")?, error }))
}

/// Writes that this key makes no order, and gives the basket another key.
pub(crate) async fn write(
    transaction: &mut Transaction<'_, Sqlite>,
    key: Key,
    basket: BasketId,
    error: &Error,
) -> Result<(), Error> {
    let nothing = Map::new();
    let (message, details) = match error {
        Error::OutOfStock { message, details } => (message.as_str(), details),
        _ => ("", &nothing),
    };
    let now = Timestamp::now();
    let sql = "INSERT INTO refusals (key, basket, refused_at, code, message, details) VALUES (?, ?, ?, ?, ?, ?)";
    let query = sqlx::query(sql).bind(key.text()).bind(basket.text()).bind(now.to_string()).bind(error.code());
    query.bind(message).bind(serde_json::to_string(details)?).execute(&mut **transaction).await?;
    let sql = "UPDATE baskets SET order_key = ?1 WHERE id = ?2 AND order_key = ?3";
    let query = sqlx::query(sql).bind(Uuid::new_v4().to_string()).bind(basket.text()).bind(key.text());
    query.execute(&mut **transaction).await?;
    let query = sqlx::query("DELETE FROM refusals WHERE refused_at < ?1").bind((now - KEPT).to_string());
    query.execute(&mut **transaction).await?;
    Ok(())
}
