//! A page's flags and environment, read once in `main`.

use axum::Router;
use clap::builder::BoolishValueParser;
use clap::{CommandFactory, FromArgMatches, Parser};
use service_kit::args::Listen;
use service_kit::client::{ConfigError, Service};
use shared_assets::AssetUrls;

use crate::metrics::Metrics;
use crate::query::Source;

/// What a page's binary knows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The page's name, as in its `page.toml`.
    pub name: &'static str,
    /// Version of its crate: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// What tells this build from others of the version: `option_env!("PAGEFLEET_RELEASE")`.
    pub build: Option<&'static str>,
    /// Paths that a rollout may fetch to see the page render.
    pub check: &'static [&'static str],
}

impl Page {
    /// The release, as the manifest has it: `1.4.0+3fa9c1d`.
    pub(crate) fn release(&self) -> String {
        match self.build {
            Some(build) => format!("{}+{build}", self.version),
            None => self.version.to_owned(),
        }
    }
}

/// How one instance of a page runs.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) page: Page,
    pub(crate) flags: Flags,
    pub(crate) metrics: Metrics,
}

#[derive(Debug, Clone, Parser)]
#[command(version, about = "One page of the site, by itself")]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) listen: Listen,

    /// Serve the page with sample data in place of the services, so that it needs no other process.
    #[arg(long, env = "PAGEFLEET_STANDALONE", value_parser = BoolishValueParser::new())]
    pub(crate) standalone: bool,

    /// Verify the page's own assets and manifest, then exit: status 0 when a proxy could admit it.
    #[arg(long, env = "PAGEFLEET_CHECK", value_parser = BoolishValueParser::new())]
    pub(crate) check: bool,

    /// Which URLs of assets to link: `fingerprinted`, or `stable` ones that are asked for again on every page.
    #[arg(long, env = "PAGEFLEET_ASSET_URLS", value_name = "KIND", default_value = "fingerprinted")]
    pub(crate) asset_urls: AssetUrls,
}

/// What a page has that needs no flags of its own.
#[derive(Debug, clap::Args)]
struct NoMore {}

impl Config {
    /// The configuration by the process's arguments and environment. Ends the process with status 2, naming the flag
    /// or variable, when something in them is wrong; with status 0 for `--help` and `--version`.
    pub fn from_env(page: Page) -> Self {
        Self::from_env_with::<NoMore>(page).0
    }

    /// The same for a page that has flags of its own, each with an environment variable.
    pub fn from_env_with<A: clap::Args>(page: Page) -> (Self, A) {
        let command = Flags::command().name(page.name).version(page.version);
        let about = command.get_about().cloned().unwrap_or_default();
        // The page's own flags bring a description of themselves, which is none of the page.
        let command = A::augment_args(command).about(about).long_about(None);
        let matches = command.get_matches();
        let flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let own = A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        (Self { page, flags, metrics: Metrics::new() }, own)
    }

    /// The configuration of a page that is run by itself, in process; for tests.
    pub fn standalone(page: Page) -> Self {
        let flags = Flags::parse_from([page.name, "--standalone"]);
        Self { page, flags, metrics: Metrics::new() }
    }

    /// Which URLs of assets the page links.
    pub fn asset_urls(&self) -> AssetUrls {
        self.flags.asset_urls
    }

    /// The service `name`, found by `PAGEFLEET_SERVICE_<NAME>`; or `sample` in its place when the page runs by itself.
    ///
    /// # Errors
    /// When the variable is missing or no `http://` address; the error names it.
    pub fn service(&self, name: &str, sample: impl FnOnce() -> Router) -> Result<Service, ConfigError> {
        if self.is_alone() {
            return Ok(Service::in_process(name, service_kit::error::with_fallbacks(sample())));
        }
        Service::from_env(name)
    }

    /// The same service, for queries.
    ///
    /// # Errors
    /// As [`service`](Self::service).
    pub fn source(&self, name: &str, sample: impl FnOnce() -> Router) -> Result<Source, ConfigError> {
        Ok(Source::new(self.service(name, sample)?, &self.metrics))
    }

    /// Whether the page runs by itself, so that it has no services, and no data to keep.
    pub(crate) fn is_alone(&self) -> bool {
        self.flags.standalone || self.flags.check
    }

    /// The page's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_variable() {
        let own = <crate::outbox::Settings as clap::Args>::augment_args;
        let command = own(Flags::command());
        let flags = command.get_arguments().filter(|flag| !["help", "version"].contains(&flag.get_id().as_str()));
        for flag in flags {
            let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert!(variable.starts_with("PAGEFLEET_"), "{flag} has none");
        }
    }
}
