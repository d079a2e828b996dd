//! The proxy: reads its configuration, binds, checks pages, serves, drains.

use arc_swap::ArcSwap;
use clap::{Parser, Subcommand};
use pagefleet_config::{ProxyFile, Timeouts, VaultPlace};
use pagefleet_proxy::admin::{self, Admin};
use pagefleet_proxy::admission::Admission;
use pagefleet_proxy::client_limit::ClientLimits;
use pagefleet_proxy::fleet::Fleet;
use pagefleet_proxy::gate::Gate;
use pagefleet_proxy::gateway::Gateway;
use pagefleet_proxy::health::Checker;
use pagefleet_proxy::keeper::{Keeper, PageFiles, Parts};
use pagefleet_proxy::metrics::Metrics;
use pagefleet_proxy::page_cache::PageCache;
use pagefleet_proxy::server::{Drain, Server};
use pagefleet_proxy::settings::Settings;
use pagefleet_proxy::sockets::Sockets;
use pagefleet_proxy::vault::Vault;
use pagefleet_proxy::vault_command::{self, VaultCommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// pingora allocates some dozens of times for each request, often much at once; glibc's own allocator costs a fifth more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a proxy that others' connections can wait for takes to know its instances, at most.
const WARM_UP: Duration = Duration::from_secs(5);

/// Puts many pages on one origin.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The operator's file.
    #[arg(long, env = "PAGEFLEET_CONFIG", default_value = "proxy.toml")]
    config: PathBuf,
    /// Read and check the configuration, then exit.
    #[arg(long, env = "PAGEFLEET_CHECK")]
    check: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Looks into the vault's folder.
    #[command(subcommand)]
    Vault(VaultCommand),
}

fn main() -> ExitCode {
    let args = Args::parse();
    init_logging();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pagefleet-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let config = ProxyFile::read(&args.config)?;
    if let Some(Command::Vault(command)) = &args.command {
        return vault_command::run(command, &config);
    }
    let files = PageFiles::open(&config)?;
    for (page, error) in files.refused() {
        tracing::error!(page, %error, "page file refused");
    }
    if args.check {
        return if files.refused().is_empty() { Ok(()) } else { Err("some page files were refused".into()) };
    }
    let settings = Settings::of(config)?;

    let sockets = Sockets::inherit_or_bind(&settings.file.listen, settings.file.admin)?;
    let (addresses, admin_address) = (sockets.addresses()?, sockets.admin.local_addr()?);

    let fleet = Arc::<Fleet>::default();
    let gate = match &settings.file.vault {
        VaultPlace::Off => None,
        VaultPlace::Folder(folder) => {
            let limits = settings.file.vault_limits;
            Some(Gate::new(Arc::new(Vault::open(folder, limits)), limits)?)
        }
    };
    let admission = Arc::new(Admission::new(Arc::clone(&fleet), gate));
    let (live, metrics, reports) = (Arc::new(ArcSwap::from_pointee(settings)), Metrics::new()?, Arc::default());
    let checker = Checker::new(Arc::clone(&fleet), Arc::clone(&admission), Arc::clone(&live), metrics.clone())?;
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cache = Arc::new(PageCache::new(live.load().file.cache.memory_bytes, control.handle().clone()));
    let gateway = Gateway {
        live: Arc::clone(&live),
        fleet: Arc::clone(&fleet),
        checker: Arc::new(checker),
        admission: Arc::clone(&admission),
        clients: Arc::new(ClientLimits::new(live.load().file.client_limit.clients)),
        cache: Arc::clone(&cache),
        metrics: metrics.clone(),
        draining: Arc::default(),
    };
    let (vault, reports): (_, Arc<_>) = (admission.vault().cloned(), reports);
    let admin = Admin { fleet, metrics, reports: Arc::clone(&reports), vault, cache, address: admin_address };

    control.block_on(async {
        let mut signals = Signals::catch()?;
        let parts = Parts::of(&gateway, reports);
        let own = addresses.iter().copied().chain([admin_address]).collect();
        let mut keeper = Keeper::new(parts, files, args.config.clone(), own)?;
        keeper.apply();
        if sockets.are_inherited {
            gateway.checker.warm_up(WARM_UP).await;
        }
        tokio::spawn(keeper.run());
        tokio::spawn(admission.tend());
        let admin = axum::serve(tokio::net::TcpListener::from_std(sockets.admin)?, admin::routes(admin));
        let admin = tokio::spawn(admin.into_future());
        let server = Server::start(gateway, sockets.visitors)?;
        let listening = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        tracing::info!(address = listening, admin = %admin_address, "listening");
        let end = signals.next().await;
        tracing::info!(end = ?end, "draining");
        if end == End::Succeeded {
            // Whoever asks now is to reach the successor.
            admin.abort();
        }
        let drain = end.drain(&live.load().file.timeouts);
        tokio::task::spawn_blocking(move || server.drain(drain)).await?;
        tracing::info!("ended");
        Ok(())
    })
}

/// Why the proxy ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM or SIGINT: it is to be gone.
    Asked,
    /// SIGUSR2: a successor accepts on its sockets, so there is time.
    Succeeded,
}

impl End {
    /// An idle connection may bring one more request in the first quarter of the time there is.
    fn drain(self, timeouts: &Timeouts) -> Drain {
        let bound = match self {
            Self::Asked => timeouts.drain,
            Self::Succeeded => timeouts.grace,
        };
        Drain { bound, idle_window: bound / 4 }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    succeeded: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, succeeded: signal(SignalKind::user_defined2())? })
    }

    async fn next(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Asked,
            _ = self.interrupt.recv() => End::Asked,
            _ = self.succeeded.recv() => End::Succeeded,
        }
    }
}

fn init_logging() {
    let filter = EnvFilter::try_from_env("PAGEFLEET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Who reads our output may end before us; to say so on a closed stream would be a panic.
    tracing_subscriber::fmt()
        .log_internal_errors(false)
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_env_filter(filter)
        .init();
}
