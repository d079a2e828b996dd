//! The catalog service: what the shop sells, what it costs, and how many are left.
//!
//! Its endpoints stand in [`api`]. The products come from `data/products.toml`, the stock is ours.

mod api;
mod error;
mod expiry;
mod products;
mod reservations;
mod search;
mod seed;
#[cfg(test)]
mod tests;

use clap::Parser;
use service_kit::database::{self, Durability};
use service_kit::serve::Server;
use service_kit::{Failure, args, telemetry};
use sqlx::migrate::Migrator;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The catalog service of the shop: products, search, stock.
#[derive(Debug, Parser)]
#[command(version)]
struct Config {
    #[command(flatten)]
    listen: args::Listen,
    #[command(flatten)]
    data: args::Data,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let config = Config::parse();
    telemetry::init()?;
    let seed = seed::shipped()?;
    let database = database::open(&config.data.data, "catalog", Durability::Full, &MIGRATIONS).await?;
    seed::apply(&database, &seed).await?;
    tokio::spawn(expiry::watch(database.clone()));
    Server::new("catalog", &config.listen).run(api::routes(database)).await?;
    Ok(())
}
