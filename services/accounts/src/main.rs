//! The accounts service: who someone is, that it is really them, and where their parcels go.
//!
//! Its endpoints stand in [`api`]. It alone sees passwords, and keeps only their hashes and those of session tokens.

mod api;
mod error;
mod passwords;
mod profile;
mod sessions;
#[cfg(test)]
mod tests;

use clap::Parser;
use service_kit::database::{self, Durability};
use service_kit::serve::Server;
use service_kit::{Failure, args, telemetry};
use sqlx::migrate::Migrator;

use crate::passwords::Passwords;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The accounts service of the shop: sign-up, sign-in, profile.
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
    let database = database::open(&config.data.data, "accounts", Durability::Normal, &MIGRATIONS).await?;
    let router = api::routes(database, Passwords::new()?);
    Server::new("accounts", &config.listen).run(router).await?;
    Ok(())
}
