//! What every page would otherwise repeat. Knows no page, and no service.
//!
//! A page's `main` reads like this:
//!
//! ```no_run
//! # mod page { pub fn routes(_: &page_kit::Config) -> Result<page_kit::Routes, page_kit::Failure> { unimplemented!() } }
//! const PAGE: page_kit::Page =
//!     page_kit::Page { name: "checkout", version: "0.1.0", build: None, check: &["/checkout"] };
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> page_kit::Result<()> {
//!     let config = page_kit::Config::from_env(PAGE);
//!     let routes = page::routes(&config)?;
//!     page_kit::serve(&config, &[shared_assets::ALL], routes).await
//! }
//! ```
//!
//! # Layout
//!
//! - [`Config`]: flags and environment, the services among them; wrong ones end the process before it listens.
//! - [`serve`]: the page contract (manifest, health, assets), and the headers and form protection of every answer.
//! - [`Query`], [`Lookup`]: questions to a service that may be slow, wrong or dead.
//! - [`outbox`]: commands that are not lost, however a service does.
//! - [`feed`]: what a service tells of, kept in a read model of the page's own.
//! - [`html`], [`Kept`], [`not_now`], [`Error`], [`with_problems`]: what a handler answers with.
//! - [`Metrics`]: the page's counters, at `/health/metrics`.
//! - [`Cookies`]: the visitor's session and basket.
//! - [`price`], [`day`], [`ago`]: how money and times are written.
//! - [`local_path`], [`link`]: which paths a visitor may be sent on to, and how to write them.
//! - [`testing`]: a visitor for tests.

mod config;
mod serve;

mod assets;
mod check;
mod manifest;
mod metrics;

mod query;

mod data;
mod wal;
mod work;

pub mod feed;
pub mod outbox;

mod form_protection;
mod headers;
mod validators;

mod cookies;
mod error;
mod html;
mod local_path;
mod money;
mod problem;
mod time;

pub mod testing;

/// A page allocates some dozens of times for each answer; by glibc's own allocator an answer takes a twentieth more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use config::{Config, Page};
pub use cookies::Cookies;
pub use data::{Data, FolderError};
pub use error::{Error, Result, log_missing};
pub use html::{Document, Kept, Rendered, html, not_now, private, request_id};
pub use local_path::{link, local_path};
pub use metrics::Metrics;
pub use money::price;
pub use problem::{Problem, Routes, with_problems};
pub use query::{Ages, Answer, Lookup, Query, Source, Unavailable};
pub use serve::{app, serve, serve_with};
pub use time::{ago, day, time_ago};
pub use work::Work;

pub use service_kit::Failure;
pub use service_kit::client::{Error as ServiceError, Refusal, Service};
pub use service_kit::money::{Currency, Money};
