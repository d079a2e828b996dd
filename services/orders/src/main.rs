//! The orders service: baskets, what they cost, the orders that come of them, and the feed of those orders.
//!
//! Its endpoints stand in [`api`]. It asks the catalog for prices and stock, and owns every total.

mod api;
mod baskets;
mod catalog;
mod confirming;
mod error;
mod events;
mod orders;
mod placing;
mod pricing;
mod refusals;
#[cfg(test)]
mod tests;
mod turns;

use clap::Parser;
use service_kit::client::Service;
use service_kit::database::{self, Durability};
use service_kit::serve::Server;
use service_kit::{Failure, args, telemetry};
use sqlx::migrate::Migrator;

use crate::catalog::Catalog;
use crate::confirming::Confirming;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The orders service of the shop: baskets, orders, events. Asks the catalog at PAGEFLEET_SERVICE_CATALOG.
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
    let catalog = Catalog::new(Service::from_env("catalog")?);
    telemetry::init()?;
    let database = database::open(&config.data.data, "orders", Durability::Full, &MIGRATIONS).await?;
    let confirming = Confirming::new(database.clone(), catalog.clone());
    tokio::spawn(confirming.clone().run());
    Server::new("orders", &config.listen).run(api::routes(database, catalog, confirming)).await?;
    Ok(())
}
