//! Categories and products, as they are shown.

use serde::Serialize;
use service_kit::money::{Currency, Money};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqlitePool};

use crate::error::Error;

/// With this many left or fewer, a product's stock is low.
const LOW_STOCK: i64 = 5;

/// What a summary is read from; the columns belong to [`Summary`]'s `FromRow`.
pub(crate) const SUMMARY_COLUMNS: &str = "p.slug, p.name, p.summary, p.price, p.currency, p.drawing, p.badge, p.stock, \
     c.slug AS category_slug, c.name AS category_name";

/// A category, and how many products are in it.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Category {
    pub(crate) slug: String,
    name: String,
    tagline: String,
    drawing: String,
    count: i64,
}

/// A product as lists show it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    slug: String,
    name: String,
    summary: String,
    category: CategoryName,
    price: Money,
    drawing: String,
    badge: Option<String>,
    stock: Stock,
}

/// A product on its own page.
#[derive(Debug, Serialize)]
pub(crate) struct Product {
    #[serde(flatten)]
    summary: Summary,
    description: Vec<String>,
    specs: Vec<Spec>,
    related: Vec<Summary>,
}

#[derive(Debug, Serialize)]
struct CategoryName {
    slug: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct Spec {
    label: String,
    value: String,
}

/// How many are left, in a word and in number.
#[derive(Debug, Serialize)]
struct Stock {
    level: Level,
    quantity: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    InStock,
    Low,
    Out,
}

impl Stock {
    fn of(quantity: i64) -> Self {
        let level = match quantity {
            ..=0 => Level::Out,
            1..=LOW_STOCK => Level::Low,
            _ => Level::InStock,
        };
        Self { level, quantity }
    }
}

impl FromRow<'_, SqliteRow> for Summary {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            summary: row.try_get("summary")?,
            category: CategoryName { slug: row.try_get("category_slug")?, name: row.try_get("category_name")? },
            price: price(row)?,
            drawing: row.try_get("drawing")?,
            badge: row.try_get("badge")?,
            stock: Stock::of(row.try_get("stock")?),
        })
    }
}

/// The money in a row's `price` and `currency`.
pub(crate) fn price(row: &SqliteRow) -> sqlx::Result<Money> {
    let currency = Currency::parse(row.try_get("currency")?);
    let currency = currency.map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Money::new(row.try_get("price")?, currency))
}

/// All categories that are listed, in the shop's order.
pub(crate) async fn categories(database: &SqlitePool) -> sqlx::Result<Vec<Category>> {
    let sql = "SELECT c.slug, c.name, c.tagline, c.drawing, count(p.slug) AS count
               FROM categories c LEFT JOIN products p ON p.category = c.slug AND p.listed
               WHERE c.listed GROUP BY c.slug ORDER BY c.position";
    sqlx::query_as(sql).fetch_all(database).await
}

/// The product with this slug, and four that go with it: of its category first, then of a similar price.
pub(crate) async fn find(database: &SqlitePool, slug: &str) -> Result<Option<Product>, Error> {
    let sql = format!(
        "SELECT {SUMMARY_COLUMNS}, p.description, p.specs
         FROM products p JOIN categories c ON c.slug = p.category WHERE p.slug = ?1 AND p.listed"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(slug).fetch_optional(database).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let specs: Vec<(String, String)> = serde_json::from_str(row.try_get("specs")?)?;
    Ok(Some(Product {
        summary: Summary::from_row(&row)?,
        description: serde_json::from_str(row.try_get("description")?)?,
        specs: specs.into_iter().map(|(label, value)| Spec { label, value }).collect(),
        related: related(database, slug).await?,
    }))
}

async fn related(database: &SqlitePool, slug: &str) -> sqlx::Result<Vec<Summary>> {
    let sql = format!(
        "SELECT {SUMMARY_COLUMNS}
         FROM products p JOIN categories c ON c.slug = p.category, products this
         WHERE this.slug = ?1 AND p.slug <> ?1 AND p.listed
         ORDER BY p.category = this.category DESC, p.stock > 0 DESC, abs(p.price - this.price), p.position LIMIT 4"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(slug).fetch_all(database).await
}
