//! The proxy: reads its configuration, binds, checks pages, serves, drains.

use clap::{Parser, Subcommand};
use pagefleet_config::{ProxyFile, VaultPlace, read_pages};
use pagefleet_proxy::admin::{self, Admin, Refused};
use pagefleet_proxy::admission::Admission;
use pagefleet_proxy::error_pages::ErrorPages;
use pagefleet_proxy::fleet::Fleet;
use pagefleet_proxy::gate::Gate;
use pagefleet_proxy::gateway::Gateway;
use pagefleet_proxy::health::Checker;
use pagefleet_proxy::metrics::Metrics;
use pagefleet_proxy::server::{self, Server};
use pagefleet_proxy::vault::Vault;
use pagefleet_proxy::vault_command::{self, VaultCommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    let found = read_pages(&config.pages)?;
    let error_pages = config.error_pages.as_deref().map(ErrorPages::read).transpose()?.unwrap_or_default();
    for (page, error) in &found.refused {
        tracing::error!(page, %error, "page file refused; the page is out");
    }
    if args.check {
        return if found.refused.is_empty() { Ok(()) } else { Err("some page files were refused".into()) };
    }

    let listeners = server::bind(&config.listen)?;
    let admin_listener = server::bind(&[config.admin])?.remove(0);
    let addresses = listeners.iter().map(|listener| listener.local_addr()).collect::<Result<Vec<_>, _>>()?;
    let admin_address = admin_listener.local_addr()?;

    let refused = found.refused.iter().map(|(page, error)| Refused { page: page.clone(), error: error.to_string() });
    let refused = Arc::new(refused.collect::<Vec<_>>());
    let fleet = Arc::new(Fleet::new(found.pages, &config.fallback_page));
    let gate = match &config.vault {
        VaultPlace::Off => None,
        VaultPlace::Folder(folder) => {
            Some(Gate::new(Arc::new(Vault::open(folder, config.vault_limits)), config.vault_limits)?)
        }
    };
    let admission = Arc::new(Admission::new(Arc::clone(&fleet), gate));
    let checker = Arc::new(Checker::new(Arc::clone(&fleet), Arc::clone(&admission), config.health)?);
    let metrics = Metrics::new()?;
    let gateway = Gateway {
        config: Arc::new(config),
        fleet: Arc::clone(&fleet),
        checker: Arc::clone(&checker),
        admission: Arc::clone(&admission),
        error_pages: Arc::new(error_pages),
        metrics: metrics.clone(),
        draining: Arc::default(),
    };

    let control = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    control.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        checker.start();
        let vault = admission.vault().cloned();
        tokio::spawn(admission.tend());
        let admin = admin::routes(Admin { fleet, metrics, refused, vault, address: admin_address });
        tokio::spawn(axum::serve(tokio::net::TcpListener::from_std(admin_listener)?, admin).into_future());
        let server = Server::start(gateway, listeners)?;
        let listening = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        tracing::info!(address = listening, admin = %admin_address, "listening");
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("draining");
        tokio::task::spawn_blocking(move || server.drain()).await?;
        tracing::info!("ended");
        Ok(())
    })
}

fn init_logging() {
    let filter = EnvFilter::try_from_env("PAGEFLEET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_env_filter(filter).init();
}
