//! `cargo fleet up`: builds the shop, starts it, and keeps it running until it is told to end. Whatever goes wrong before
//! `ready`, nothing is left running.

mod chosen;

use crate::builder;
use crate::control::Control;
use crate::error::Error;
use crate::folder::Folder;
use crate::layout::Layout;
use crate::plan::{Plan, Spec, Wanted};
use crate::releases::Releases;
use crate::signals::Signals;
use crate::site::Site;
use crate::sockets::Sockets;
use crate::supervisor::Supervisor;
use crate::{address, leftovers, preflight, progress, proxy_files, readiness};
use chosen::Chosen;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use reqwest::Client;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

const LISTEN: &str = "--listen, PAGEFLEET_LISTEN";
const ADMIN: &str = "--admin, PAGEFLEET_ADMIN";
/// How often the children are given other ports when another program takes one before they could.
const PORT_TRIES: usize = 3;

/// Builds and runs services, pages and proxy; Ctrl-C stops all of it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where visitors reach the site; port 0 takes a free one.
    #[arg(long, env = "PAGEFLEET_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the proxy tells about itself; port 0 takes a free one.
    #[arg(long, env = "PAGEFLEET_ADMIN", default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// Instances of each page.
    #[arg(long, env = "PAGEFLEET_INSTANCES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    instances: u16,
    /// Which URL of an asset the pages link.
    #[arg(long, env = "PAGEFLEET_ASSET_URLS", default_value = "fingerprinted")]
    asset_urls: AssetUrls,
    /// Whether the proxy keeps the assets of the releases that it lets in; without, pages are asked for each asset.
    #[arg(long, env = "PAGEFLEET_VAULT", default_value = "on", value_name = "on|off",
        action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    vault: bool,
    /// Forgets what was rolled out: every page runs what was built.
    #[arg(long, env = "PAGEFLEET_FRESH", value_parser = BoolishValueParser::new())]
    fresh: bool,
    /// Builds with optimisation. (PAGEFLEET_RELEASE is another thing: the release that a page's build is stamped with.)
    #[arg(long, env = "PAGEFLEET_RELEASE_BUILD", value_parser = BoolishValueParser::new())]
    release: bool,
}

/// Both URLs of an asset always work; this is which one the pages link.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AssetUrls {
    /// `/assets/site-<fingerprint>.css`: no request at all from page to page.
    Fingerprinted,
    /// `/assets/site.css`: the Referer tells whose.
    Stable,
}

/// Runs the verb.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let layout = Layout::find()?;
    let folder = Folder::here()?;
    folder.create()?;
    let _lock = folder.lock()?;
    let (wanted, programs) = prepare(&options, &layout, &folder, &mut signals).await?;
    let client = readiness::client()?;
    let supervisor = Arc::new(Supervisor::new(folder.clone(), wanted.listen, wanted.admin, client.clone())?);
    supervisor.state().change(|fleet| fleet.release_build = options.release)?;
    let start = Start { layout: &layout, folder: &folder, programs: &programs, wanted: &wanted, client: &client };
    let started = signals.interrupt(start.fleet(&supervisor)).await;
    let ended = match started {
        Ok((site, control)) => {
            control.serve(Arc::new(site), signals.next()).await;
            progress::step("stopping", "a second Ctrl-C kills");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    };
    tokio::select! {
        () = supervisor.stop() => {}
        () = signals.next() => supervisor.kill().await,
    }
    ended
}

/// All that can be refused, and the build: nothing is running yet.
async fn prepare(
    options: &Options,
    layout: &Layout,
    folder: &Folder,
    signals: &mut Signals,
) -> Result<(Wanted, Chosen), Error> {
    signals.interrupt(leftovers::clear(folder)).await?;
    let sockets = Sockets::bind(&[(options.listen, LISTEN), (options.admin, ADMIN)])?;
    preflight::check(preflight::FOR_THE_FLEET, signals).await?;
    let programs = signals.interrupt(builder::build_workspace(&layout.root, options.release)).await?;
    progress::step("build", format_args!("{} programs", programs.count()));
    let chosen = Chosen::of(&Releases::of(folder), &layout.pages, programs, options.fresh)?;
    let asset_urls = match options.asset_urls {
        AssetUrls::Fingerprinted => "fingerprinted",
        AssetUrls::Stable => "stable",
    };
    let addresses = sockets.addresses()?;
    let wanted = Wanted {
        listen: addresses[0],
        admin: addresses[1],
        sockets,
        instances: usize::from(options.instances),
        asset_urls,
        vault: options.vault,
    };
    Ok((wanted, chosen))
}

struct Start<'a> {
    layout: &'a Layout,
    folder: &'a Folder,
    programs: &'a Chosen,
    wanted: &'a Wanted,
    client: &'a Client,
}

impl Start<'_> {
    /// Brings the fleet up to where every page can be browsed and rolled out.
    async fn fleet(&self, supervisor: &Arc<Supervisor>) -> Result<(Site, Control), Error> {
        let mut tries = 1;
        let plan = loop {
            match self.children(supervisor).await {
                Ok(plan) => break plan,
                Err(Error::AddressTaken { .. }) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
            supervisor.stop().await;
            supervisor.forget()?;
        };
        let site = format!("http://{}", address::reachable(self.wanted.listen));
        readiness::until_browsable(self.client, &site, &self.layout.pages, self.folder.log("proxy")).await?;
        let control = Control::bind(self.folder)?;
        progress::line(format_args!("ready {site}"));
        let (supervisor, folder) = (Arc::clone(supervisor), self.folder.clone());
        let asked = (self.client.clone(), self.wanted.admin);
        Ok((Site::new(supervisor, folder, asked, (&plan, &self.layout.pages, &self.programs.pages)), control))
    }

    async fn children(&self, supervisor: &Supervisor) -> Result<Plan, Error> {
        let plan = Plan::new(self.layout, &self.programs.programs, self.folder, self.wanted)?;
        proxy_files::write(self.folder, &self.layout.root, &self.layout.pages, (&plan, self.wanted))?;
        for (what, stage) in [("services", &plan.services), ("pages", &plan.pages)] {
            supervisor.start(stage.clone()).await?;
            progress::step(what, names(stage));
        }
        supervisor.start(vec![plan.proxy.clone()]).await?;
        progress::step("proxy", format_args!("{}, admin http://{}", self.wanted.listen, self.wanted.admin));
        Ok(plan)
    }
}

fn names(stage: &[Spec]) -> String {
    let told: Vec<String> = stage.iter().map(|spec| format!("{} {}", spec.name, spec.address)).collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Verb {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_vault_is_on_unless_it_is_turned_off() {
        for (arguments, vault) in
            [(&["up"][..], true), (&["up", "--vault", "on"], true), (&["up", "--vault=off"], false)]
        {
            assert_eq!(Verb::try_parse_from(arguments).unwrap().options.vault, vault, "{arguments:?}");
        }
        assert!(Verb::try_parse_from(["up", "--vault", "attic"]).is_err());
    }
}
