//! Taking stock off the shelf for an order, all or nothing, once for each key; and giving it back, when it is asked
//! for or when nobody confirms the reservation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::database;
use service_kit::error::Fields;
use service_kit::money::Money;
use sqlx::{Row, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use crate::error::Error;
use crate::products::price;

/// A reservation has at most this many lines.
const LINES_MAX: usize = 100;

/// A line asks for at most this many.
const QUANTITY_MAX: i64 = 1000;

/// The key of a reservation: whoever repeats a request repeats its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(Uuid);

impl Key {
    pub(crate) fn parse(typed: &str) -> Result<Self, Fields> {
        typed.parse().map(Self).map_err(|_| Fields::one("key", "A key is a UUID."))
    }

    fn text(self) -> String {
        self.0.to_string()
    }
}

/// A reservation as it was asked for, unchecked.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    key: String,
    lines: Vec<TypedLine>,
}

#[derive(Debug, Deserialize)]
struct TypedLine {
    slug: String,
    quantity: i64,
}

/// What a reservation asks for: at least one line, each product once, in the order asked.
#[derive(Debug)]
pub(crate) struct Asked {
    key: Key,
    lines: Vec<(String, i64)>,
}

impl Asked {
    /// Reads a request, or says what is wrong with it.
    pub(crate) fn parse(typed: &Typed) -> Result<Self, Fields> {
        let mut fields = Fields::default();
        let key = Key::parse(&typed.key).map_err(|wrong| fields = wrong).ok();
        if !(1..=LINES_MAX).contains(&typed.lines.len()) {
            fields.add("lines", format!("A reservation has 1 to {LINES_MAX} lines."));
        }
        let mut lines: Vec<(String, i64)> = Vec::with_capacity(typed.lines.len());
        for (index, line) in typed.lines.iter().enumerate() {
            if !(1..=QUANTITY_MAX).contains(&line.quantity) {
                fields.add(&format!("lines.{index}.quantity"), format!("Say a number from 1 to {QUANTITY_MAX}."));
            }
            if lines.iter().any(|(slug, _)| *slug == line.slug) {
                fields.add(&format!("lines.{index}.slug"), "Name each product once.");
            }
            lines.push((line.slug.clone(), line.quantity));
        }
        match key {
            Some(key) if fields.is_empty() => Ok(Self { key, lines }),
            _ => Err(fields),
        }
    }

    fn is_the_same_as(&self, saved: &Reservation) -> bool {
        let asked: BTreeMap<_, _> = self.lines.iter().map(|(slug, quantity)| (slug, *quantity)).collect();
        asked == saved.lines.iter().map(|line| (&line.slug, line.quantity)).collect()
    }
}

/// Stock that is set aside, at the prices of that moment.
#[derive(Debug, Serialize)]
pub(crate) struct Reservation {
    key: String,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    slug: String,
    name: String,
    drawing: String,
    quantity: i64,
    unit_price: Money,
}

/// A product of which there is less than was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Shortage {
    slug: String,
    name: String,
    available: i64,
}

impl Shortage {
    /// The shortage for the customer.
    pub(crate) fn message(&self) -> String {
        match self.available {
            0 => format!("{} is sold out.", self.name),
            available => format!("Only {available} left of {}.", self.name),
        }
    }
}

/// Reserves what is asked for; a repeat gets the saved reservation, and as much time to confirm it as if it were new.
/// True when it is a new one.
pub(crate) async fn reserve(database: &SqlitePool, asked: &Asked) -> Result<(Reservation, bool), Error> {
    let mut transaction = database::write(database).await?;
    if let Some(saved) = saved(&mut transaction, asked.key).await? {
        return match asked.is_the_same_as(&saved) {
            true => {
                let query = sqlx::query("UPDATE reservations SET at = ?1 WHERE key = ?2").bind(now());
                query.bind(asked.key.text()).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok((saved, false))
            }
            false => Err(Error::KeyReused),
        };
    }
    let lines = price_lines(&mut transaction, asked).await?;
    let reservation = Reservation { key: asked.key.text(), lines };
    save(&mut transaction, &reservation).await?;
    transaction.commit().await?;
    Ok((reservation, true))
}

/// Keeps a reservation for good: an order was made of it.
pub(crate) async fn confirm(database: &SqlitePool, key: Key) -> Result<(), Error> {
    let query = sqlx::query("UPDATE reservations SET confirmed = 1 WHERE key = ?1").bind(key.text());
    match query.execute(database).await?.rows_affected() {
        0 => Err(Error::UnknownReservation),
        _ => Ok(()),
    }
}

/// Gives the stock of a reservation back; nothing happens when there is none.
pub(crate) async fn release(database: &SqlitePool, key: Key) -> Result<(), Error> {
    let mut transaction = database::write(database).await?;
    give_back(&mut transaction, &key.text()).await?;
    transaction.commit().await?;
    Ok(())
}

/// Gives the stock of all reservations back that were last asked for before `deadline` and never confirmed; how many.
pub(crate) async fn expire(database: &SqlitePool, deadline: Timestamp) -> sqlx::Result<usize> {
    let mut transaction = database::write(database).await?;
    let query = sqlx::query_scalar("SELECT key FROM reservations WHERE NOT confirmed AND at < ?1");
    let keys: Vec<String> = query.bind(deadline.to_string()).fetch_all(&mut *transaction).await?;
    for key in &keys {
        give_back(&mut transaction, key).await?;
    }
    transaction.commit().await?;
    Ok(keys.len())
}

async fn give_back(transaction: &mut Transaction<'_, Sqlite>, key: &str) -> sqlx::Result<()> {
    let sql = "UPDATE products SET stock = stock + line.quantity
               FROM reservation_lines line WHERE line.reservation = ?1 AND line.slug = products.slug";
    sqlx::query(sql).bind(key).execute(&mut **transaction).await?;
    sqlx::query("DELETE FROM reservations WHERE key = ?1").bind(key).execute(&mut **transaction).await?;
    Ok(())
}

async fn saved(transaction: &mut Transaction<'_, Sqlite>, key: Key) -> Result<Option<Reservation>, Error> {
    let sql = "SELECT slug, name, drawing, quantity, price, currency FROM reservation_lines
               WHERE reservation = ?1 ORDER BY position";
    let rows = sqlx::query(sql).bind(key.text()).fetch_all(&mut **transaction).await?;
    let lines = rows.iter().map(|row| {
        Ok(Line {
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            drawing: row.try_get("drawing")?,
            quantity: row.try_get("quantity")?,
            unit_price: price(row)?,
        })
    });
    let lines: Vec<Line> = lines.collect::<sqlx::Result<_>>()?;
    // A reservation without lines is never written.
    Ok((!lines.is_empty()).then(|| Reservation { key: key.text(), lines }))
}

async fn price_lines(transaction: &mut Transaction<'_, Sqlite>, asked: &Asked) -> Result<Vec<Line>, Error> {
    let (mut lines, mut shortages) = (Vec::with_capacity(asked.lines.len()), Vec::new());
    for (slug, quantity) in &asked.lines {
        let sql = "SELECT name, drawing, price, currency, iif(listed, stock, 0) AS stock FROM products WHERE slug = ?1";
        let row = sqlx::query(sql).bind(slug).fetch_optional(&mut **transaction).await?;
        let row = row.ok_or_else(|| Error::UnknownProduct(slug.clone()))?;
        let (slug, name, available) = (slug.clone(), row.try_get("name")?, row.try_get("stock")?);
        match available < *quantity {
            true => shortages.push(Shortage { slug, name, available }),
            false => lines.push(Line {
                slug,
                name,
                drawing: row.try_get("drawing")?,
                quantity: *quantity,
                unit_price: price(&row)?,
            }),
        }
    }
    match shortages.is_empty() {
        true => Ok(lines),
        false => Err(Error::OutOfStock(shortages)),
    }
}

async fn save(transaction: &mut Transaction<'_, Sqlite>, reservation: &Reservation) -> sqlx::Result<()> {
    let sql = "INSERT INTO reservations (key, at) VALUES (?, ?)";
    let query = sqlx::query(sql).bind(&reservation.key).bind(now());
    query.execute(&mut **transaction).await?;
    for (position, line) in (1_i64..).zip(&reservation.lines) {
        let sql = "UPDATE products SET stock = stock - ?1 WHERE slug = ?2";
        sqlx::query(sql).bind(line.quantity).bind(&line.slug).execute(&mut **transaction).await?;
        let sql = "INSERT INTO reservation_lines
                   (reservation, position, slug, name, drawing, quantity, price, currency) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(&reservation.key).bind(position).bind(&line.slug).bind(&line.name);
        let query = query.bind(&line.drawing).bind(line.quantity).bind(line.unit_price.amount);
        query.bind(line.unit_price.currency.code().to_owned()).execute(&mut **transaction).await?;
    }
    Ok(())
}

fn now() -> String {
    Timestamp::now().to_string()
}
