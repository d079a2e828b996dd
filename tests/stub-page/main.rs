//! A page BFF for tests: the page contract with release, assets, latency and faults given as arguments, so that a
//! release costs no build.

mod answers;
mod assets;
mod contract;

use assets::{Asset, Fault, Naming};
use bytes::Bytes;
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
    /// An asset, as `name=text` or `name=@file`; may be given several times.
    #[arg(long = "asset", value_parser = assets::parse_asset)]
    assets: Vec<(String, Bytes)>,
    /// More assets, made up, as `COUNTxBYTES`.
    #[arg(long, value_parser = assets::parse_filler)]
    filler: Option<(usize, usize)>,
    /// What is in the assets' URLs.
    #[arg(long, value_enum, default_value_t = Naming::Contract)]
    naming: Naming,
    /// An asset that the manifest claims to be at a path of another's, as `path=text`.
    #[arg(long, value_parser = assets::parse_asset)]
    claim: Option<(String, Bytes)>,
    /// How an asset is served wrongly while the manifest stays good, as `name=fault`; may be given several times.
    #[arg(long = "fault", value_parser = assets::parse_fault)]
    faults: Vec<(String, Fault)>,
    /// Tag assets by the day of the build, whatever their bytes, as servers do that look at file times.
    #[arg(long)]
    dated: bool,
    /// How long every page request takes.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Be the server of a page without a contract: no manifest, no health, no fingerprints.
    #[arg(long)]
    no_manifest: bool,
}

impl Args {
    fn all_assets(&self) -> Vec<Asset> {
        let seed = format!("{} {}", self.page, self.release);
        let filler = self.filler.map(|(count, size)| assets::filler(&seed, count, size)).into_iter().flatten();
        let given = self.assets.iter().cloned().chain(filler);
        let assets = given.map(|(name, bytes)| Asset::new(name, bytes, self.naming));
        let claimed = self.claim.iter().map(|(path, bytes)| Asset {
            name: "claimed.css".to_owned(),
            path: path.clone(),
            bytes: bytes.clone(),
        });
        assets.chain(claimed).collect()
    }
}

/// What all handlers share.
pub(crate) struct Stub {
    args: Args,
    assets: Vec<Asset>,
    address: SocketAddr,
    requests: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let stub = Arc::new(Stub { assets: args.all_assets(), args, address, requests: AtomicU64::new(0) });
    let routes = answers::routes(&stub).merge(contract::routes(&stub));
    println!("{}", serde_json::json!({"message": "listening", "address": address}));
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { terminate.recv().await.unwrap_or_default() })
        .await
}
