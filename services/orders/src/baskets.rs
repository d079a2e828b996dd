//! What is in a basket: products and quantities, in the order they were added. No prices.

use jiff::Timestamp;
use service_kit::database;
use service_kit::error::Fields;
use sqlx::{FromRow, Sqlite, SqliteConnection, SqlitePool, Transaction};
use uuid::Uuid;

use crate::catalog::Product;
use crate::error::Error;

/// One order may have this many of one product.
pub(crate) const QUANTITY_MAX: i64 = 20;

/// A basket holds this many different products.
const LINES_MAX: i64 = 100;

/// Names one basket; who knows it may fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BasketId(Uuid);

impl BasketId {
    /// Reads an id; what is none belongs to no basket.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|_| Error::UnknownBasket)
    }

    pub(crate) fn text(self) -> String {
        self.0.to_string()
    }
}

/// A product in a basket, named as it was when it was added.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Line {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) drawing: String,
    pub(crate) quantity: u32,
}

/// All that is known of a basket.
#[derive(Debug)]
pub(crate) struct Contents {
    /// The idempotency key of the basket's next order.
    pub(crate) order_key: String,
    pub(crate) lines: Vec<Line>,
}

/// A new basket, empty or with so many of a product; there is none when the product is refused.
pub(crate) async fn create(database: &SqlitePool, first: Option<(&Product, i64)>) -> Result<BasketId, Error> {
    let id = BasketId(Uuid::new_v4());
    let mut transaction = database::write(database).await?;
    let query = sqlx::query("INSERT INTO baskets (id, created_at, order_key) VALUES (?, ?, ?)").bind(id.text());
    let query = query.bind(Timestamp::now().to_string()).bind(Uuid::new_v4().to_string());
    query.execute(&mut *transaction).await?;
    if let Some((product, quantity)) = first {
        add_in(&mut transaction, id, product, quantity).await?;
    }
    transaction.commit().await?;
    Ok(id)
}

/// What is in a basket.
pub(crate) async fn contents(database: &SqlitePool, id: BasketId) -> Result<Contents, Error> {
    let mut connection = database.acquire().await?;
    contents_in(&mut connection, id).await
}

/// What is in a basket, as a transaction sees it.
pub(crate) async fn contents_in(connection: &mut SqliteConnection, id: BasketId) -> Result<Contents, Error> {
    let order_key = order_key(connection, id).await?;
    let sql = "SELECT slug, name, drawing, quantity FROM basket_lines WHERE basket = ?1 ORDER BY position";
    let lines = sqlx::query_as(sql).bind(id.text()).fetch_all(connection).await?;
    Ok(Contents { order_key, lines })
}

/// How many things are in a basket.
pub(crate) async fn count(database: &SqlitePool, id: BasketId) -> Result<i64, Error> {
    order_key(&mut *database.acquire().await?, id).await?;
    let sql = "SELECT coalesce(sum(quantity), 0) FROM basket_lines WHERE basket = ?1";
    Ok(sqlx::query_scalar(sql).bind(id.text()).fetch_one(database).await?)
}

/// Puts `more` of a product into a basket.
pub(crate) async fn add(database: &SqlitePool, id: BasketId, product: &Product, more: i64) -> Result<(), Error> {
    let mut transaction = database::write(database).await?;
    order_key(&mut transaction, id).await?;
    add_in(&mut transaction, id, product, more).await?;
    Ok(transaction.commit().await?)
}

async fn add_in(
    transaction: &mut Transaction<'_, Sqlite>,
    id: BasketId,
    product: &Product,
    more: i64,
) -> Result<(), Error> {
    let present = present(transaction, id, &product.slug).await?;
    let quantity = allowed(more, present, product.stock.quantity);
    let quantity = quantity.map_err(|message| Error::Invalid(Fields::one("quantity", message)))?;
    put(transaction, id, product, quantity).await
}

/// Makes it `quantity` of a product in a basket.
pub(crate) async fn set(database: &SqlitePool, id: BasketId, product: &Product, quantity: i64) -> Result<(), Error> {
    let mut transaction = database::write(database).await?;
    order_key(&mut transaction, id).await?;
    let quantity = allowed(quantity, 0, product.stock.quantity);
    let quantity = quantity.map_err(|message| Error::Invalid(Fields::one("quantity", message)))?;
    put(&mut transaction, id, product, quantity).await?;
    Ok(transaction.commit().await?)
}

/// Takes a product out of a basket, if it is in there.
pub(crate) async fn remove(database: &SqlitePool, id: BasketId, slug: &str) -> Result<(), Error> {
    order_key(&mut *database.acquire().await?, id).await?;
    let query = sqlx::query("DELETE FROM basket_lines WHERE basket = ?1 AND slug = ?2").bind(id.text());
    query.bind(slug).execute(database).await?;
    Ok(())
}

/// Empties a basket whose order is being written; what is put in afterwards is another order.
pub(crate) async fn empty(transaction: &mut Transaction<'_, Sqlite>, id: BasketId) -> Result<(), Error> {
    let query = sqlx::query("DELETE FROM basket_lines WHERE basket = ?1").bind(id.text());
    query.execute(&mut **transaction).await?;
    let query = sqlx::query("UPDATE baskets SET order_key = ?1 WHERE id = ?2").bind(Uuid::new_v4().to_string());
    query.bind(id.text()).execute(&mut **transaction).await?;
    Ok(())
}

/// The key of a basket's next order; refused when there is no such basket.
async fn order_key(connection: &mut SqliteConnection, id: BasketId) -> Result<String, Error> {
    let query = sqlx::query_scalar("SELECT order_key FROM baskets WHERE id = ?1").bind(id.text());
    query.fetch_optional(connection).await?.ok_or(Error::UnknownBasket)
}

async fn present(transaction: &mut Transaction<'_, Sqlite>, id: BasketId, slug: &str) -> Result<i64, Error> {
    let sql = "SELECT quantity FROM basket_lines WHERE basket = ?1 AND slug = ?2";
    let query = sqlx::query_scalar(sql).bind(id.text()).bind(slug);
    Ok(query.fetch_optional(&mut **transaction).await?.unwrap_or(0))
}

async fn put(
    transaction: &mut Transaction<'_, Sqlite>,
    id: BasketId,
    product: &Product,
    quantity: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO basket_lines (basket, slug, name, drawing, quantity) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (basket, slug) DO UPDATE SET name = excluded.name, drawing = excluded.drawing,
                   quantity = excluded.quantity";
    let query = sqlx::query(sql).bind(id.text()).bind(&product.slug).bind(&product.name);
    query.bind(&product.drawing).bind(quantity).execute(&mut **transaction).await?;
    let sql = "SELECT count(*) FROM basket_lines WHERE basket = ?1";
    let lines: i64 = sqlx::query_scalar(sql).bind(id.text()).fetch_one(&mut **transaction).await?;
    match lines <= LINES_MAX {
        true => Ok(()),
        false => {
            let message = format!("A basket holds at most {LINES_MAX} different products.");
            Err(Error::Invalid(Fields::one("slug", message)))
        }
    }
}

/// The quantity when `more` come to `present`, or why that is not possible; the text is for the customer.
fn allowed(more: i64, present: i64, stock: i64) -> Result<i64, String> {
    let quantity = present.saturating_add(more);
    if more < 1 {
        Err("Choose at least 1.".to_owned())
    } else if quantity <= stock.min(QUANTITY_MAX) {
        Ok(quantity)
    } else if stock >= QUANTITY_MAX {
        Err(format!("At most {QUANTITY_MAX} of one product."))
    } else {
        Err(match (stock, present) {
            (0, _) => "Sold out.".to_owned(),
            (_, 0) => format!("Only {stock} in stock."),
            _ => format!("Only {stock} in stock, and your basket has {present} of them."),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_at_least_1_at_most_20_and_in_stock() {
        let at_most_20 = Err("At most 20 of one product.");
        let table = [
            (1, 0, 1, Ok(1)),
            (20, 0, 20, Ok(20)),
            (2, 3, 5, Ok(5)),
            (0, 0, 5, Err("Choose at least 1.")),
            (-1, 3, 5, Err("Choose at least 1.")),
            (21, 0, 50, at_most_20),
            (1, 20, 50, at_most_20),
            (i64::MAX, 1, 50, at_most_20),
            (4, 0, 3, Err("Only 3 in stock.")),
            (99, 0, 3, Err("Only 3 in stock.")),
            (2, 2, 3, Err("Only 3 in stock, and your basket has 2 of them.")),
            (1, 0, 0, Err("Sold out.")),
        ];
        for (more, present, stock, expected) in table {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(allowed(more, present, stock), expected, "{more} to {present} of {stock}");
        }
    }
}
