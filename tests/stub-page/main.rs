//! A page BFF for tests: the page contract with release, assets, latency and faults given as arguments, so that a
//! release costs no build.

mod answers;
mod assets;
mod contract;
mod lifecycle;

use assets::{Asset, Fault, Naming};
use bytes::Bytes;
use clap::Parser;
use lifecycle::Lifecycle;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

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
    /// A path that a rollout may fetch to see the page render; may be given several times.
    #[arg(long = "check", value_name = "PATH")]
    checks: Vec<String>,
    /// Never be ready.
    #[arg(long)]
    not_ready: bool,
    /// How long after its start it is ready.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    ready_after: Duration,
    /// How long it still answers after SIGTERM, no longer ready.
    #[arg(long, env = "PAGEFLEET_SETTLE", default_value = "0s", value_parser = humantime::parse_duration)]
    settle: Duration,
    /// How many of each 100 page requests are answered 500; counted, so that they are spread evenly.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    fail_percent: u64,
    /// End with exit code 1 instead of answering the page request after so many.
    #[arg(long)]
    exit_after_requests: Option<u64>,
    /// End with exit code 1 so long after its start.
    #[arg(long, value_parser = humantime::parse_duration)]
    exit_after: Option<Duration>,
    /// Reset the connection of every page request, unanswered, while this file exists; health stays good.
    #[arg(long, value_name = "FILE")]
    reset_while: Option<PathBuf>,
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
    lifecycle: Lifecycle,
    /// Page and asset requests.
    requests: AtomicU64,
    /// Page requests alone.
    page_requests: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let stub = Arc::new(Stub {
        assets: args.all_assets(),
        lifecycle: Lifecycle::begin(&args),
        args,
        address,
        requests: AtomicU64::default(),
        page_requests: AtomicU64::default(),
    });
    println!("{}", serde_json::json!({"message": "listening", "address": address}));
    lifecycle::serve(stub, listener).await
}
