//! The fleet that chaos is made in: two instances of each page, in a folder of its own, every service and every
//! instance behind a front. It begins with empty data; a fleet of the same working directory is not touched.

use super::front::Front;
use super::schedule::Target;
use crate::address;
use crate::builder::{PROXY, Programs};
use crate::error::Error;
use crate::folder::Folder;
use crate::layout::{Layout, Page};
use crate::plan::{Plan, Spec, Wanted};
use crate::releases::Releases;
use crate::sockets::Sockets;
use crate::state_file::Kind;
use crate::supervisor::Supervisor;
use crate::{progress, proxy_files, readiness};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

const INSTANCES: usize = 2;
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// What an earlier run left that must not meet this one; programs are kept.
const STALE: [&str; 6] = ["data", "logs", "pages", "state", "vault", "proxy.toml"];

/// The fleet, planned, and once it was started, running.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) folder: Folder,
    pub(super) pages: Vec<Page>,
    supervisor: Supervisor,
    plan: Plan,
    /// By the names of the processes behind them.
    pub(super) fronts: BTreeMap<String, Front>,
}

impl Ground {
    /// Empties the folder, and plans the fleet: fronts listen, nothing else runs.
    pub(super) async fn prepare(layout: &Layout, folder: &Folder, built: Programs) -> Result<Self, Error> {
        empty(folder)?;
        let programs = copies(layout, folder, built)?;
        let sockets = Sockets::bind(&[(ANY, "the site"), (ANY, "its admin address")])?;
        let addresses = sockets.addresses()?;
        let (listen, admin) = (addresses[0], addresses[1]);
        let wanted = Wanted { listen, admin, sockets, instances: INSTANCES, asset_urls: "fingerprinted", vault: true };
        let mut plan = Plan::new(layout, &programs, folder, &wanted)?;
        let fronts = put_in_front(&mut plan).await?;
        proxy_files::write(folder, &layout.root, &layout.pages, (&plan, &wanted))?;
        for page in &layout.pages {
            let instances = plan.specs_of(&page.name).map(|spec| fronts[&spec.name].address).collect();
            proxy_files::write_page(folder, page, instances, None)?;
        }
        let supervisor = Supervisor::new(folder.clone(), listen, admin, readiness::client()?)?;
        Ok(Self { folder: folder.clone(), pages: layout.pages.clone(), supervisor, plan, fronts })
    }

    /// Starts it, until every page can be browsed.
    pub(super) async fn start(&self) -> Result<(), Error> {
        let proxy = vec![self.plan.proxy.clone()];
        for stage in [&self.plan.services, &self.plan.pages, &proxy] {
            self.supervisor.start(stage.clone()).await?;
        }
        let log = self.folder.log("proxy");
        readiness::until_browsable(&readiness::client()?, &self.site(), &self.pages, log).await?;
        progress::step("fleet", format_args!("{}, {} processes", self.site(), self.targets().len()));
        Ok(())
    }

    /// Where it can be browsed.
    pub(super) fn site(&self) -> String {
        format!("http://{}", self.plan.proxy.address)
    }

    /// Where a service really is, with nothing in front; none if there is no such service.
    pub(super) fn service(&self, name: &str) -> Option<String> {
        let service = self.plan.services.iter().find(|spec| spec.name == name)?;
        Some(format!("http://{}", service.address))
    }

    /// Every process.
    pub(super) fn targets(&self) -> Vec<Target> {
        let all = self.plan.services.iter().chain(&self.plan.pages).chain([&self.plan.proxy]);
        all.map(|spec| Target { name: spec.name.clone(), role: spec.kind }).collect()
    }

    /// The process id of one that runs.
    pub(super) fn pid(&self, name: &str) -> Option<i32> {
        let fleet = self.supervisor.state().now();
        fleet.children.iter().find(|child| child.name == name).and_then(|child| child.pid)
    }

    /// Ends all of it, each process within a bound, or at once when `hurry` ends first.
    pub(super) async fn stop(&self, hurry: impl Future<Output = ()>) {
        tokio::select! {
            () = self.supervisor.stop() => {}
            () = hurry => self.supervisor.kill().await,
        }
    }
}

fn empty(folder: &Folder) -> Result<(), Error> {
    for name in STALE {
        let path = folder.path().join(name);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::at(&path)(error)),
            _ => {}
        }
    }
    folder.create()
}

/// A build meanwhile must not change what is started again.
fn copies(layout: &Layout, folder: &Folder, mut programs: Programs) -> Result<Programs, Error> {
    let releases = Releases::of(folder);
    let pages = layout.pages.iter().map(|page| page.name.as_str());
    let named = layout.services.iter().map(String::as_str).chain(pages).map(|name| (name, name));
    for (owner, program) in named.chain([("proxy", PROXY)]) {
        let copy = releases.keep(owner, &programs.named(program)?)?;
        releases.prune(owner, &[&copy.id])?;
        programs.replace(program, copy.program);
    }
    Ok(programs)
}

/// A front for each service and each instance; whoever was told of a service is told of its front instead.
async fn put_in_front(plan: &mut Plan) -> Result<BTreeMap<String, Front>, Error> {
    let behind: Vec<Spec> = plan.services.iter().chain(&plan.pages).cloned().collect();
    let mut spoken_for: Vec<SocketAddr> = behind.iter().map(|spec| spec.address).collect();
    spoken_for.push(plan.proxy.address);
    let free = address::pick(behind.len(), &spoken_for)?;
    let mut fronts = BTreeMap::new();
    for (spec, address) in behind.iter().zip(free) {
        fronts.insert(spec.name.clone(), Front::open(address, spec.address).await?);
        if spec.kind != Kind::Service {
            continue;
        }
        let (real, front) = (format!("http://{}", spec.address), format!("http://{address}"));
        let told = plan.services.iter_mut().chain(&mut plan.pages).flat_map(|child| &mut child.environment);
        told.filter(|(_, value)| *value == real).for_each(|(_, value)| value.clone_from(&front));
    }
    Ok(fronts)
}
