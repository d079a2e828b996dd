//! `cargo fleet`: builds and runs Pagefleet on one machine. This file knows the verbs; each verb is a file of its own.
//!
//! The tool is built before anything else is, on a machine that may lack what the rest needs, so it depends neither on
//! pingora nor on anything of ours but `pagefleet-config`.

mod address;
mod admin;
mod backoff;
mod bench;
mod builder;
mod chaos;
mod child;
mod control;
mod dev;
mod error;
mod folder;
mod identity;
mod layout;
mod leftovers;
mod live_line;
mod log;
mod output;
mod plan;
mod preflight;
mod process;
mod progress;
mod proxy_files;
mod readiness;
mod releases;
mod rollout;
mod signals;
mod site;
mod soak;
mod sockets;
mod state_file;
mod status;
mod supervisor;
mod test;
mod up;
mod upgrade_proxy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The shell's code for a program that Ctrl-C ended before it was done.
const INTERRUPTED: u8 = 130;

/// Builds and runs the pages, the services and the proxy on this machine.
#[derive(Parser)]
#[command(name = "cargo fleet", bin_name = "cargo fleet", version)]
struct Fleet {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Up(up::Options),
    Dev(dev::Options),
    Status(status::Options),
    Rollout(rollout::Options),
    Rollback(rollout::BackOptions),
    UpgradeProxy(upgrade_proxy::Options),
    Chaos(chaos::Options),
    Test(test::Options),
    Soak(soak::Options),
    Bench(bench::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Fleet::parse().verb {
        Verb::Up(options) => up::run(options).await,
        Verb::Dev(options) => dev::run(options).await,
        Verb::Status(options) => status::run(options).await,
        Verb::Rollout(options) => rollout::run(options).await,
        Verb::Rollback(options) => rollout::run_back(options).await,
        Verb::UpgradeProxy(options) => upgrade_proxy::run(options).await,
        Verb::Chaos(options) => chaos::run(options).await,
        Verb::Test(options) => test::run(options).await,
        Verb::Soak(options) => soak::run(options).await,
        Verb::Bench(options) => bench::run(options).await,
    };
    outcome.unwrap_or_else(|error| match error {
        error::Error::Interrupted => ExitCode::from(INTERRUPTED),
        error => {
            progress::error(&error);
            ExitCode::FAILURE
        }
    })
}
