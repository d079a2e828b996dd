//! What every server of the house would otherwise repeat.
//!
//! A service's `main` reads like this, and a page's too (by way of page-kit):
//!
//! ```no_run
//! use clap::Parser;
//! use service_kit::{Failure, args::Listen, serve::Server, telemetry};
//!
//! #[derive(Parser)]
//! struct Config {
//!     #[command(flatten)]
//!     listen: Listen,
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Failure> {
//!     let config = Config::parse();
//!     telemetry::init()?;
//!     let router = service_kit::error::with_fallbacks(axum::Router::new());
//!     Server::new("catalog", &config.listen).run(router).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Layout
//!
//! - [`args`]: the flags that all servers share.
//! - [`telemetry`]: log lines as JSON on stdout.
//! - [`serve`]: listen, answer health checks, stop gently.
//! - [`layers`]: what happens around a request.
//! - [`context`]: the request id and trace that a request carries from server to server.
//! - [`client`]: JSON calls to another service, over HTTP or in process.
//! - [`error`], [`extract`]: the one JSON error shape, for what we refuse and what axum refuses.
//! - [`database`]: SQLite in a folder.
//! - [`money`], [`email`], [`address`]: values that more than one service holds, valid once they exist.
//! - [`testing`]: a router called in process.

pub mod args;
pub mod telemetry;

pub mod layers;
pub mod serve;

pub mod context;

pub mod client;

pub mod error;
pub mod extract;

pub mod database;

pub mod address;
pub mod email;
pub mod money;

pub mod testing;

mod failure;

pub use failure::Failure;
