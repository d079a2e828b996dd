//! What the proxy knows of the fleet: pages, their routes, their instances, and who has which asset.

use crate::manifest::Manifest;
use crate::retry::RetryBudget;
use crate::routes::Routes;
use arc_swap::{ArcSwap, ArcSwapOption};
use pagefleet_config::PageFile;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// A page, by its place in the fleet's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageId(pub usize);

/// The pages that the proxy serves, in one snapshot that all threads share.
#[derive(Debug)]
pub struct Fleet {
    /// All pages whose files are good, in the order of their names.
    pub pages: Vec<Page>,
    /// Path to page.
    pub routes: Routes,
    /// The page for stable asset URLs that no Referer guides; `None` when its page file is bad or missing.
    pub fallback: Option<PageId>,
    holders: ArcSwap<HashMap<String, Vec<PageId>>>,
}

/// One logical page of the site.
#[derive(Debug)]
pub struct Page {
    /// Its page file.
    pub file: PageFile,
    /// Its instances, one for each address in the file.
    pub instances: Vec<Arc<Instance>>,
    /// Its retries.
    pub retries: RetryBudget,
}

/// What an instance may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Its contract isn't checked yet; gets no traffic.
    Joining = 0,
    /// Gets traffic.
    Healthy = 1,
    /// Failed its checks; gets no traffic.
    Unhealthy = 2,
}

impl State {
    /// The word in `GET /api/fleet` and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One running process of a page.
#[derive(Debug)]
pub struct Instance {
    /// Whose instance it is.
    pub page: PageId,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says of itself; `None` before it was asked, and for pages without a manifest.
    pub manifest: ArcSwapOption<Manifest>,
    /// Why the gate does not let its release in, when it does not.
    pub refused: ArcSwapOption<String>,
    /// Whether it gets traffic though the gate refused it, because no other instance of its page is left.
    pub ungated: AtomicBool,
    /// Whether its last check failed.
    pub failing: AtomicBool,
    /// Wakes its health check at once, as after a refused connection.
    pub check_now: Notify,
    state: AtomicU8,
    in_flight: AtomicUsize,
}

impl Instance {
    /// An instance that nothing is known of yet.
    pub fn new(page: PageId, address: SocketAddr) -> Self {
        Self {
            page,
            address,
            manifest: ArcSwapOption::empty(),
            refused: ArcSwapOption::empty(),
            ungated: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            check_now: Notify::new(),
            state: AtomicU8::new(State::Joining as u8),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Its state now.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            1 => State::Healthy,
            2 => State::Unhealthy,
            _ => State::Joining,
        }
    }

    /// Its release, when its manifest is known.
    pub fn release(&self) -> Option<String> {
        self.manifest.load().as_ref().map(|manifest| manifest.release.clone())
    }

    /// Requests that it is answering.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Only its health check moves an instance from state to state; returns whether this was a move.
    pub(crate) fn enter(&self, state: State) -> bool {
        self.state.swap(state as u8, Ordering::AcqRel) != state as u8
    }

    fn is_healthy(&self) -> bool {
        self.state() == State::Healthy
    }

    fn has(&self, asset: &str) -> bool {
        self.manifest.load().as_ref().is_some_and(|manifest| manifest.has(asset))
    }
}

/// A request that an instance is answering; counted until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Instance>);

impl InFlight {
    /// Counts one more request.
    pub fn new(instance: Arc<Instance>) -> Self {
        instance.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(instance)
    }

    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Fleet {
    /// The fleet of these page files; every instance is joining.
    pub fn new(files: Vec<PageFile>, fallback_page: &str) -> Self {
        let routes = Routes::new(&files);
        let fallback = files.iter().position(|file| file.page == fallback_page).map(PageId);
        let pages = files.into_iter().enumerate().map(|(index, file)| Page {
            instances: file.instances.iter().map(|address| Arc::new(Instance::new(PageId(index), *address))).collect(),
            file,
            retries: RetryBudget::default(),
        });
        Self { pages: pages.collect(), routes, fallback, holders: ArcSwap::default() }
    }

    /// The page of an id that this fleet gave out.
    pub fn page(&self, id: PageId) -> &Page {
        &self.pages[id.0]
    }

    /// Every instance of every page.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.pages.iter().flat_map(|page| &page.instances)
    }

    /// Pages with a healthy instance whose manifest has this asset path.
    pub fn holders(&self, asset: &str) -> Vec<PageId> {
        self.holders.load().get(asset).cloned().unwrap_or_default()
    }

    /// The healthy instances of a page that may be asked for `path`: for an asset that some of them have by manifest,
    /// only those; for everything else all of them.
    pub fn candidates(&self, page: PageId, path: &str) -> Vec<&Arc<Instance>> {
        let healthy: Vec<_> = self.page(page).instances.iter().filter(|one| one.is_healthy()).collect();
        if !path.starts_with(crate::asset_url::PREFIX) || healthy.iter().all(|one| !one.has(path)) {
            return healthy;
        }
        healthy.into_iter().filter(|one| one.has(path)).collect()
    }

    /// The fingerprinted path that a stable one stands for on a page, and the release that says so: of a healthy
    /// instance, or the last that was known when there is none.
    pub fn fingerprinted(&self, page: PageId, stable: &str) -> Option<(String, String)> {
        let instances = &self.page(page).instances;
        let (healthy, others): (Vec<_>, Vec<_>) = instances.iter().partition(|one| one.is_healthy());
        let manifests = healthy.into_iter().chain(others).filter_map(|one| one.manifest.load_full());
        manifests
            .into_iter()
            .find_map(|manifest| Some((manifest.fingerprinted(stable)?.to_owned(), manifest.release.clone())))
    }

    /// The release of a page that has this fingerprinted path.
    pub fn release_with(&self, page: PageId, asset: &str) -> Option<String> {
        self.page(page).instances.iter().find(|one| one.is_healthy() && one.has(asset)).and_then(|one| one.release())
    }

    /// The paths of all assets that some instance's release has, healthy or not: what the vault must not let go.
    pub fn live_assets(&self) -> HashSet<String> {
        let manifests = self.instances().filter_map(|instance| instance.manifest.load_full());
        manifests.flat_map(|manifest| manifest.paths().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Makes the list of who has what anew, after an instance's state or manifest changed.
    pub fn index_assets(&self) {
        let mut holders: HashMap<String, Vec<PageId>> = HashMap::new();
        for instance in self.instances().filter(|instance| instance.is_healthy()) {
            for path in instance.manifest.load().iter().flat_map(|manifest| manifest.paths()) {
                let pages = holders.entry(path.to_owned()).or_default();
                if !pages.contains(&instance.page) {
                    pages.push(instance.page);
                }
            }
        }
        self.holders.store(Arc::new(holders));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_the_assets_of_its_healthy_instances_only() {
        let file = |name: &str| PageFile {
            page: name.to_owned(),
            routes: Vec::new(),
            instances: vec![([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()],
            manifest: true,
            health: "/health/ready".to_owned(),
        };
        let fleet = Fleet::new(vec![file("one"), file("two")], "two");
        assert_eq!(fleet.fallback, Some(PageId(1)));
        let path = "/assets/site-5d1f0c3a9b7e2468.css";
        let instance = &fleet.page(PageId(1)).instances[0];
        instance.manifest.store(Some(Arc::new(Manifest::for_tests("1", &[path]))));
        fleet.index_assets();
        assert!(fleet.holders(path).is_empty());
        assert!(instance.enter(State::Healthy));
        assert!(!instance.enter(State::Healthy));
        assert!(fleet.page(PageId(1)).instances[1].enter(State::Healthy));
        fleet.index_assets();
        assert_eq!(fleet.holders(path), [PageId(1)]);
        assert_eq!(fleet.candidates(PageId(1), path).len(), 1);
        assert_eq!(fleet.candidates(PageId(1), "/").len(), 2);
        assert!(fleet.candidates(PageId(0), "/").is_empty());
    }
}
