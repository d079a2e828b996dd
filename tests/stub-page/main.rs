//! A page BFF for tests: the page contract with release, assets, latency and faults given as arguments, so that a
//! release costs no build.

mod answers;
mod contract;

use clap::Parser;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What the stub says of itself, and how it misbehaves.
#[derive(Parser, Clone)]
pub(crate) struct Args {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The page's name.
    #[arg(long)]
    page: String,
    /// The release in its manifest.
    #[arg(long, default_value = "1.0.0")]
    release: String,
    /// An asset, as `name=text`; may be given several times.
    #[arg(long = "asset", value_parser = contract::parse_asset)]
    assets: Vec<(String, String)>,
    /// How long every page request takes.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Be the server of a page without a contract: no manifest, no health, no fingerprints.
    #[arg(long)]
    no_manifest: bool,
}

/// What all handlers share.
pub(crate) struct Stub {
    args: Args,
    address: SocketAddr,
    requests: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let stub = Arc::new(Stub { args, address, requests: AtomicU64::new(0) });
    let routes = answers::routes(&stub).merge(contract::routes(&stub));
    println!("{}", serde_json::json!({"message": "listening", "address": address}));
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { terminate.recv().await.unwrap_or_default() })
        .await
}
