//! Orders that were placed: what an order is, how it is written, how it is found again.

use serde::Serialize;
use service_kit::address::Address;
use service_kit::money::{Currency, Money};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool, Transaction};

use crate::error::Error;
use crate::placing::Key;
use crate::pricing::Totals;

/// The first order has the next number.
const NUMBER_BASE: i64 = 10_000;

/// A customer's list has at most this many orders.
pub(crate) const LIST_MAX: i64 = 500;

/// A placed order.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) key: String,
    #[serde(skip)]
    pub(crate) basket: String,
    pub(crate) customer: Option<String>,
    pub(crate) email: String,
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) count: u32,
    #[serde(flatten)]
    pub(crate) totals: Totals,
    pub(crate) address: Address,
}

/// A product in an order, as it was and cost then.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) drawing: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
    pub(crate) line_total: Money,
}

/// The order with this id.
pub(crate) async fn find(database: &SqlitePool, id: &str) -> Result<Option<Order>, Error> {
    let query = sqlx::query("SELECT * FROM orders WHERE id = ?1").bind(id);
    one(database, query.fetch_optional(database).await?).await
}

/// The order that was placed with this key.
pub(crate) async fn with_key(database: &SqlitePool, key: Key) -> Result<Option<Order>, Error> {
    let query = sqlx::query("SELECT * FROM orders WHERE key = ?1").bind(key.text());
    one(database, query.fetch_optional(database).await?).await
}

/// The newest orders of a customer, newest first.
pub(crate) async fn of_customer(database: &SqlitePool, customer: &str, limit: i64) -> Result<Vec<Order>, Error> {
    let sql = "SELECT * FROM orders WHERE customer = ?1 ORDER BY sequence DESC LIMIT ?2";
    let query = sqlx::query(sql).bind(customer).bind(limit.min(LIST_MAX));
    all(database, query.fetch_all(database).await?).await
}

/// The orders of which the catalog has yet to learn, oldest first.
pub(crate) async fn unconfirmed(database: &SqlitePool) -> Result<Vec<Order>, Error> {
    let query = sqlx::query("SELECT * FROM orders WHERE NOT confirmed ORDER BY sequence");
    all(database, query.fetch_all(database).await?).await
}

/// Writes that the catalog knows of an order.
pub(crate) async fn set_confirmed(database: &SqlitePool, order: &Order) -> Result<(), Error> {
    sqlx::query("UPDATE orders SET confirmed = 1 WHERE id = ?1").bind(&order.id).execute(database).await?;
    Ok(())
}

/// Writes an order, all but its number, which comes from the sequence.
pub(crate) async fn write(transaction: &mut Transaction<'_, Sqlite>, order: &mut Order) -> Result<(), Error> {
    let sql = "INSERT INTO orders (id, key, basket, customer, email, placed_at, status, currency, subtotal, shipping,
                   total, address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let totals = &order.totals;
    let query = sqlx::query(sql).bind(&order.id).bind(&order.key).bind(&order.basket).bind(&order.customer);
    let query = query.bind(&order.email).bind(&order.placed_at).bind(&order.status);
    let query = query.bind(totals.total.currency.code().to_owned()).bind(totals.subtotal.amount);
    let query = query.bind(totals.shipping.amount).bind(totals.total.amount);
    let query = query.bind(serde_json::to_string(&order.address)?);
    let sequence = query.execute(&mut **transaction).await?.last_insert_rowid();
    order.number = number(sequence);
    for (position, line) in (1_i64..).zip(&order.lines) {
        let sql = "INSERT INTO order_lines (sequence, position, slug, name, drawing, quantity, price)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(sequence).bind(position).bind(&line.slug).bind(&line.name);
        let query = query.bind(&line.drawing).bind(line.quantity).bind(line.unit_price.amount);
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn one(database: &SqlitePool, row: Option<SqliteRow>) -> Result<Option<Order>, Error> {
    match row {
        Some(row) => read(database, &row).await.map(Some),
        None => Ok(None),
    }
}

async fn all(database: &SqlitePool, rows: Vec<SqliteRow>) -> Result<Vec<Order>, Error> {
    let mut orders = Vec::with_capacity(rows.len());
    for row in &rows {
        orders.push(read(database, row).await?);
    }
    Ok(orders)
}

async fn read(database: &SqlitePool, row: &SqliteRow) -> Result<Order, Error> {
    let sequence = row.try_get("sequence")?;
    let currency = Currency::parse(row.try_get("currency")?);
    let currency = currency.map_err(|error| sqlx::Error::Decode(error.into()))?;
    let lines = lines(database, sequence, currency).await?;
    let money = |column| Ok::<_, sqlx::Error>(Money::new(row.try_get(column)?, currency));
    Ok(Order {
        id: row.try_get("id")?,
        number: number(sequence),
        key: row.try_get("key")?,
        basket: row.try_get("basket")?,
        customer: row.try_get("customer")?,
        email: row.try_get("email")?,
        placed_at: row.try_get("placed_at")?,
        status: row.try_get("status")?,
        count: lines.iter().map(|line| line.quantity).sum(),
        lines,
        totals: Totals { subtotal: money("subtotal")?, shipping: money("shipping")?, total: money("total")? },
        address: serde_json::from_str(row.try_get("address")?)?,
    })
}

async fn lines(database: &SqlitePool, sequence: i64, currency: Currency) -> Result<Vec<Line>, Error> {
    let sql = "SELECT slug, name, drawing, quantity, price FROM order_lines WHERE sequence = ?1 ORDER BY position";
    let rows = sqlx::query(sql).bind(sequence).fetch_all(database).await?;
    let lines = rows.iter().map(|row| {
        let unit_price = Money::new(row.try_get("price")?, currency);
        let quantity = row.try_get("quantity")?;
        Ok(Line {
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            drawing: row.try_get("drawing")?,
            quantity,
            unit_price,
            line_total: unit_price.times(quantity),
        })
    });
    Ok(lines.collect::<sqlx::Result<_>>()?)
}

fn number(sequence: i64) -> String {
    format!("TW-{}", NUMBER_BASE + sequence)
}
