//! The products that the shop ships with: `data/products.toml`, written into the database at every start.
//!
//! The file decides everything but the stock, which it sets only for a product that is new. A product or
//! category that left the file is no longer listed, but stays for what names it.

use std::collections::BTreeMap;

use serde::Deserialize;
use service_kit::database;
use service_kit::money::Currency;
use sqlx::{Sqlite, SqlitePool, Transaction};

const SHIPPED: &str = include_str!("../data/products.toml");

/// Why the seed could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file is not what it should be.
    #[error("data/products.toml is malformed")]
    Malformed(#[from] toml::de::Error),
    /// The database refused it.
    #[error("cannot write the products of data/products.toml")]
    Database(#[from] sqlx::Error),
}

/// The seed file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seed {
    pub(crate) currency: Currency,
    pub(crate) categories: Vec<Category>,
    pub(crate) products: Vec<Product>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Category {
    pub(crate) slug: String,
    name: String,
    tagline: String,
    drawing: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Product {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) price: i64,
    pub(crate) stock: i64,
    summary: String,
    description: Vec<String>,
    specs: Vec<(String, String)>,
    drawing: String,
    #[serde(default)]
    featured: bool,
    badge: Option<String>,
}

/// The seed that this build ships.
pub(crate) fn shipped() -> Result<Seed, Error> {
    Ok(toml::from_str(SHIPPED)?)
}

/// Brings the database up to `seed`, all or nothing.
pub(crate) async fn apply(database: &SqlitePool, seed: &Seed) -> Result<(), Error> {
    let mut transaction = database::write(database).await?;
    let names: BTreeMap<_, _> = seed.categories.iter().map(|it| (it.slug.as_str(), it.name.as_str())).collect();
    sqlx::query("UPDATE categories SET listed = 0").execute(&mut *transaction).await?;
    for (position, category) in (1..).zip(&seed.categories) {
        write_category(&mut transaction, position, category).await?;
    }
    sqlx::query("UPDATE products SET listed = 0").execute(&mut *transaction).await?;
    sqlx::query("DELETE FROM product_search").execute(&mut *transaction).await?;
    for (position, product) in (1..).zip(&seed.products) {
        write_product(&mut transaction, position, product, seed.currency).await?;
        let category = names.get(product.category.as_str()).copied().unwrap_or_default();
        write_search_entry(&mut transaction, product, category).await?;
    }
    transaction.commit().await?;
    tracing::info!(products = seed.products.len(), "products are up to date");
    Ok(())
}

async fn write_category(
    transaction: &mut Transaction<'_, Sqlite>,
    position: i64,
    category: &Category,
) -> sqlx::Result<()> {
    let sql = "INSERT INTO categories (slug, name, tagline, drawing, position, listed) VALUES (?, ?, ?, ?, ?, 1)
               ON CONFLICT (slug) DO UPDATE SET name = excluded.name, tagline = excluded.tagline,
                   drawing = excluded.drawing, position = excluded.position, listed = 1";
    let query = sqlx::query(sql).bind(&category.slug).bind(&category.name).bind(&category.tagline);
    query.bind(&category.drawing).bind(position).execute(&mut **transaction).await?;
    Ok(())
}

async fn write_product(
    transaction: &mut Transaction<'_, Sqlite>,
    position: i64,
    product: &Product,
    currency: Currency,
) -> sqlx::Result<()> {
    let sql = "INSERT INTO products (slug, name, category, price, currency, stock, summary, description, specs,
                   drawing, badge, featured, position, listed)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
               ON CONFLICT (slug) DO UPDATE SET name = excluded.name, category = excluded.category,
                   price = excluded.price, currency = excluded.currency, summary = excluded.summary,
                   description = excluded.description, specs = excluded.specs, drawing = excluded.drawing,
                   badge = excluded.badge, featured = excluded.featured, position = excluded.position, listed = 1";
    let query = sqlx::query(sql).bind(&product.slug).bind(&product.name).bind(&product.category);
    let query = query.bind(product.price).bind(currency.code().to_owned()).bind(product.stock).bind(&product.summary);
    let query = query.bind(json(&product.description)).bind(json(&product.specs)).bind(&product.drawing);
    let query = query.bind(&product.badge).bind(product.featured).bind(position);
    query.execute(&mut **transaction).await?;
    Ok(())
}

async fn write_search_entry(
    transaction: &mut Transaction<'_, Sqlite>,
    product: &Product,
    category: &str,
) -> sqlx::Result<()> {
    let sql = "INSERT INTO product_search (slug, name, summary, description, category) VALUES (?, ?, ?, ?, ?)";
    let query = sqlx::query(sql).bind(&product.slug).bind(&product.name).bind(&product.summary);
    query.bind(product.description.join("\n")).bind(category).execute(&mut **transaction).await?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings are JSON")
}
