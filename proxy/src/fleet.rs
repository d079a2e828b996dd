//! What the proxy knows of the fleet: pages, their routes, their instances, and who has which asset. One snapshot that
//! every thread reads without waiting; only [`crate::keeper`] makes the next.

use crate::asset_decision::RefererPage;
use crate::instance::{Event, Instance, State};
use crate::manifest::Manifest;
use crate::metrics::Counted;
use crate::page_limit::Places;
use crate::referer;
use crate::retry::RetryBudget;
use crate::routes::Routes;
use arc_swap::{ArcSwap, Guard};
use foldhash::HashMap;
use pagefleet_config::{PageFile, Shares};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::watch;

/// A page, by its place in the fleet's list. It is a name's for as long as the proxy runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageId(pub usize);

/// The pages that the proxy serves.
#[derive(Debug, Default)]
pub struct Fleet {
    view: ArcSwap<View>,
    holders: ArcSwap<HashMap<String, Vec<PageId>>>,
    /// Held while the next snapshot is made.
    changing: Mutex<()>,
    /// Manifests of the releases that kept answers came from.
    kept: Mutex<Vec<Weak<Manifest>>>,
    cuts: watch::Sender<()>,
}

/// The pages at one moment.
#[derive(Debug, Default)]
pub struct View {
    pages: Vec<Arc<Page>>,
    /// Path to page.
    pub routes: Routes,
    /// The page for stable asset URLs that no Referer guides; `None` when its page file is bad or missing.
    pub fallback: Option<PageId>,
    /// Whether some page has shares, so that visitors need a bucket.
    pub has_shares: bool,
}

/// One logical page of the site.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its name.
    pub name: Arc<str>,
    /// Its page file; `None` once it is gone.
    pub file: Option<Arc<PageFile>>,
    /// Its instances, one for each address, and those that are draining.
    pub instances: Vec<Arc<Instance>>,
    /// Its retries.
    pub retries: Arc<RetryBudget>,
    /// Its requests of now.
    pub places: Arc<Places>,
    /// Counters of its answers.
    pub counted: Arc<Counted>,
}

/// What a page is to be: its file, and the addresses of its instances.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The page file.
    pub file: Arc<PageFile>,
    /// The addresses in it, names resolved.
    pub addresses: Vec<SocketAddr>,
}

/// Who came and who left with a change.
#[derive(Debug, Default)]
pub struct Change {
    /// Instances that are joining.
    pub joined: Vec<Arc<Instance>>,
    /// Instances that are draining.
    pub left: Vec<Arc<Instance>>,
    /// Whether some page keeps instances that should leave, because none of those that should stay is healthy yet.
    pub is_waiting: bool,
}

/// What becomes of healthy instances that should leave while none of their page that should stay is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// They stay until one is.
    Waits,
    /// They leave.
    AtOnce,
}

impl Fleet {
    /// The pages as they are now.
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// A page of this fleet.
    pub fn page(&self, id: PageId) -> Arc<Page> {
        Arc::clone(self.view().page(id))
    }

    /// Makes the pages what they are to be; the others are gone. Instances whose address stays are the same as before.
    pub fn change(&self, wanted: &[Wanted], fallback_page: &str, leaving: Leaving) -> Change {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut change = Change::default();
        let mut pages: Vec<Page> = self.view().pages.iter().map(|page| Page::clone(page)).collect();
        for page in &mut pages {
            let found = wanted.iter().find(|found| *found.file.page == *page.name);
            page.file = found.map(|found| Arc::clone(&found.file));
            let stays = |instance: &Instance| found.is_some_and(|found| found.addresses.contains(&instance.address));
            let has_successor = page.instances.iter().any(|instance| stays(instance) && instance.is_healthy());
            let is_replaced = found.is_some_and(|found| !found.addresses.is_empty());
            let waits = leaving == Leaving::Waits && is_replaced && !has_successor;
            for instance in page.instances.iter().filter(|instance| !stays(instance)) {
                if waits && instance.is_healthy() {
                    change.is_waiting = true;
                    continue;
                }
                if instance.on(Event::Left).is_some() {
                    instance.check_now.notify_one();
                    change.left.push(Arc::clone(instance));
                }
            }
        }
        for wanted in wanted {
            let index = pages.iter().position(|page| *page.name == *wanted.file.page).unwrap_or(pages.len());
            if index == pages.len() {
                pages.push(Page::new(Arc::clone(&wanted.file)));
            }
            let page = &mut pages[index];
            for address in &wanted.addresses {
                let is_there = |one: &Arc<Instance>| one.address == *address && one.state() != State::Draining;
                if !page.instances.iter().any(is_there) {
                    let instance = Arc::new(Instance::new(PageId(index), *address));
                    page.instances.push(Arc::clone(&instance));
                    change.joined.push(instance);
                }
            }
        }
        self.view.store(Arc::new(View::new(pages.into_iter().map(Arc::new).collect(), fallback_page)));
        self.index_assets();
        change
    }

    /// Forgets an instance that has drained.
    pub fn remove(&self, instance: &Arc<Instance>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view.load_full();
        let mut pages = view.pages.clone();
        let mut page = Page::clone(view.page(instance.page));
        page.instances.retain(|other| !Arc::ptr_eq(other, instance));
        pages[instance.page.0] = Arc::new(page);
        let (routes, fallback, has_shares) = (view.routes.clone(), view.fallback, view.has_shares);
        self.view.store(Arc::new(View { pages, routes, fallback, has_shares }));
        self.index_assets();
    }

    /// Every instance of every page.
    pub fn instances(&self) -> Vec<Arc<Instance>> {
        self.view().pages.iter().flat_map(|page| page.instances.iter().cloned()).collect()
    }

    /// Tells the pages with a healthy or draining instance whose manifest has this asset path.
    pub fn with_holders<T>(&self, asset: &str, tell: impl FnOnce(&[PageId]) -> T) -> T {
        tell(self.holders.load().get(asset).map_or(&[], Vec::as_slice))
    }

    /// From now on, and for as long as somebody holds on to the manifest, its assets are live.
    pub fn keep_assets_of(&self, manifest: &Arc<Manifest>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(manifest))) {
            kept.retain(|known| known.strong_count() > 0);
            kept.push(Arc::downgrade(manifest));
        }
    }

    /// The paths of all assets that some instance's release has, healthy or not, or that a kept answer may name: what the
    /// vault must not let go.
    pub fn live_assets(&self) -> HashSet<String> {
        let kept: Vec<_> = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = kept.into_iter().filter_map(|manifest| manifest.upgrade());
        let manifests = self.instances().into_iter().filter_map(|instance| instance.manifest.load_full()).chain(kept);
        manifests.flat_map(|manifest| manifest.paths().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Makes the list of who has what anew, after an instance's state or manifest changed.
    pub fn index_assets(&self) {
        let mut holders: HashMap<String, Vec<PageId>> = HashMap::default();
        let serve = |instance: &Arc<Instance>| matches!(instance.state(), State::Healthy | State::Draining);
        for instance in self.instances().into_iter().filter(serve) {
            for path in instance.manifest.load().iter().flat_map(|manifest| manifest.paths()) {
                let pages = holders.entry(path.to_owned()).or_default();
                if !pages.contains(&instance.page) {
                    pages.push(instance.page);
                }
            }
        }
        self.holders.store(Arc::new(holders));
    }

    /// Cuts off what an instance is still answering.
    pub fn cut(&self, instance: &Instance) {
        instance.cut();
        self.cuts.send_replace(());
    }

    /// Changes when what some instance is answering is to be cut off.
    pub fn cuts(&self) -> watch::Receiver<()> {
        self.cuts.subscribe()
    }
}

impl View {
    fn new(pages: Vec<Arc<Page>>, fallback_page: &str) -> Self {
        let routes = Routes::new(&pages);
        let live = |page: &Arc<Page>| page.file.is_some();
        let fallback = pages.iter().position(|page| live(page) && &*page.name == fallback_page).map(PageId);
        let has_shares = pages.iter().any(|page| page.has_shares());
        Self { pages, routes, fallback, has_shares }
    }

    /// The page that a `Referer` names, if it is usable ([`referer::path_of`]).
    pub fn page_of_referer(&self, referer: Option<&[u8]>, public_hosts: &[String]) -> Option<RefererPage> {
        let path = referer::path_of(referer, public_hosts).ok()?;
        let page = self.routes.page_of(&path)?;
        Some(RefererPage { page, has_manifest: self.page(page).has_manifest() })
    }

    /// A page of an id that the fleet gave out; at most older than this snapshot.
    pub fn page(&self, id: PageId) -> &Arc<Page> {
        &self.pages[id.0]
    }

    /// The pages that have a page file, and those that still have an instance that drains, in the order of their names.
    pub fn pages(&self) -> Vec<&Arc<Page>> {
        let mut pages: Vec<_> =
            self.pages.iter().filter(|page| page.file.is_some() || !page.instances.is_empty()).collect();
        pages.sort_by(|one, other| one.name.cmp(&other.name));
        pages
    }

    /// The ids of the pages that have a page file.
    pub fn ids(&self) -> impl Iterator<Item = PageId> {
        let live = self.pages.iter().enumerate().filter(|(_, page)| page.file.is_some());
        live.map(|(index, _)| PageId(index))
    }
}

impl Page {
    fn new(file: Arc<PageFile>) -> Self {
        Self {
            name: file.page.as_str().into(),
            file: Some(file),
            instances: Vec::new(),
            retries: Arc::default(),
            places: Arc::default(),
            counted: Arc::default(),
        }
    }

    /// Whether its instances say what assets they have.
    pub fn has_manifest(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.manifest)
    }

    /// The shares in its page file, if there are any.
    pub fn shares(&self) -> Option<&Shares> {
        self.file.as_ref().map(|file| &file.shares).filter(|shares| !shares.is_empty())
    }

    /// Whether its page file has shares.
    pub fn has_shares(&self) -> bool {
        self.shares().is_some()
    }

    /// Whether two visitors may get two releases.
    pub fn has_two_releases(&self) -> bool {
        let mut releases = self.instances.iter().filter(|one| one.is_healthy()).filter_map(|one| one.release());
        let first = releases.next();
        self.has_shares() || releases.any(|other| Some(other) != first)
    }

    /// The healthy instances that may be asked for `path`. For an asset that some instances have by manifest, only those,
    /// and one that is draining when it is the only one; for everything else all of them.
    pub fn candidates(&self, path: &str) -> Vec<&Arc<Instance>> {
        let healthy: Vec<_> = self.instances.iter().filter(|one| one.is_healthy()).collect();
        if !path.starts_with(crate::asset_url::PREFIX) {
            return healthy;
        }
        let having = |state| self.instances.iter().filter(move |one| one.state() == state && one.has(path)).collect();
        let (fresh, draining): (Vec<_>, Vec<_>) = (having(State::Healthy), having(State::Draining));
        [fresh, draining, healthy].into_iter().find(|some| !some.is_empty()).unwrap_or_default()
    }

    /// The releases of its healthy instances, each once.
    pub fn releases(&self) -> Vec<Arc<str>> {
        let mut releases: Vec<_> =
            self.instances.iter().filter(|one| one.is_healthy()).filter_map(|one| one.release()).collect();
        releases.sort_unstable();
        releases.dedup();
        releases
    }

    /// The fingerprinted path that a stable one stands for, and the release that says so: the visitor's where it is given, else
    /// that of a healthy instance, or the last that was known when there is none.
    pub fn fingerprinted(&self, stable: &str, release: Option<&str>) -> Option<(String, Arc<str>)> {
        let rank = |one: &&Arc<Instance>| {
            let of_the_visitors = release.is_none_or(|release| one.is_of(release));
            (!one.is_healthy(), !of_the_visitors)
        };
        let mut instances: Vec<_> = self.instances.iter().collect();
        instances.sort_by_key(rank);
        let manifests = instances.into_iter().filter_map(|one| one.manifest.load_full());
        manifests
            .into_iter()
            .find_map(|manifest| Some((manifest.fingerprinted(stable)?.to_owned(), Arc::clone(&manifest.release))))
    }

    /// The release that has this fingerprinted path.
    pub fn release_with(&self, asset: &str) -> Option<Arc<str>> {
        let serve = |one: &&Arc<Instance>| matches!(one.state(), State::Healthy | State::Draining) && one.has(asset);
        self.instances.iter().find(serve).and_then(|one| one.release())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    const ASSET: &str = "/assets/site-5d1f0c3a9b7e2468.css";

    fn wanted(name: &str, ports: &[u16]) -> Wanted {
        let file = PageFile {
            page: name.to_owned(),
            routes: vec![pagefleet_config::Route::parse(&format!("/{name}")).unwrap()],
            instances: Vec::new(),
            shares: Shares::default(),
            manifest: true,
            health: "/health/ready".to_owned(),
        };
        Wanted { file: Arc::new(file), addresses: ports.iter().map(|port| ([127, 0, 0, 1], *port).into()).collect() }
    }

    #[test]
    fn a_page_holds_the_assets_of_instances_that_serve() {
        let fleet = Fleet::default();
        let joined = fleet.change(&[wanted("one", &[1, 2]), wanted("two", &[1, 2])], "two", Leaving::AtOnce).joined;
        assert_eq!((joined.len(), fleet.view().fallback), (4, Some(PageId(1))));
        let instance = &joined[2];
        instance.manifest.store(Some(Arc::new(Manifest::for_tests("1", &[ASSET]))));
        fleet.index_assets();
        assert_eq!(fleet.with_holders(ASSET, <[_]>::len), 0);
        assert_eq!(instance.on(Event::Passed), Some(State::Healthy));
        assert_eq!(instance.on(Event::Passed), None);
        joined[3].on(Event::Passed);
        fleet.index_assets();
        assert_eq!(fleet.with_holders(ASSET, <[_]>::to_vec), [PageId(1)]);
        assert_eq!(fleet.page(PageId(1)).candidates(ASSET).len(), 1);
        assert_eq!(fleet.page(PageId(1)).candidates("/").len(), 2);
        assert!(fleet.page(PageId(0)).candidates("/").is_empty());
    }

    #[test]
    fn assets_that_a_kept_answer_names_stay_live_as_long_as_it_is_kept() {
        let fleet = Fleet::default();
        let kept = Arc::new(Manifest::for_tests("1", &[ASSET]));
        fleet.keep_assets_of(&kept);
        fleet.keep_assets_of(&kept);
        assert_eq!(fleet.live_assets(), HashSet::from([ASSET.to_owned()]));
        drop(kept);
        assert!(fleet.live_assets().is_empty());
    }

    #[test]
    fn a_change_keeps_who_stays_drains_who_leaves_and_never_takes_back() {
        let fleet = Fleet::default();
        let first = fleet.change(&[wanted("one", &[1, 2])], "one", Leaving::AtOnce).joined;
        first.iter().for_each(|instance| assert!(instance.on(Event::Passed).is_some()));
        let change = fleet.change(&[wanted("one", &[2, 3]), wanted("two", &[1])], "one", Leaving::AtOnce);
        assert!(Arc::ptr_eq(&change.left[0], &first[0]) && change.left.len() == 1);
        assert_eq!(change.joined.iter().map(|one| one.address.port()).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(fleet.page(PageId(0)).candidates("/").len(), 1, "3 has not joined yet");
        let back = fleet.change(&[wanted("one", &[1, 2, 3])], "one", Leaving::AtOnce);
        assert_eq!(back.joined.len(), 1, "the same address is another instance");
        assert_eq!(first[0].state(), State::Draining);
        fleet.remove(&first[0]);
        assert_eq!(fleet.page(PageId(0)).instances.len(), 3);
    }

    #[test]
    fn the_last_healthy_instances_leave_when_one_that_stays_is_healthy() {
        let fleet = Fleet::default();
        let old = fleet.change(&[wanted("one", &[1])], "one", Leaving::Waits).joined;
        old[0].on(Event::Passed);
        let change = fleet.change(&[wanted("one", &[2])], "one", Leaving::Waits);
        assert!(change.is_waiting && change.left.is_empty());
        assert_eq!(fleet.page(PageId(0)).candidates("/").len(), 1, "the old one is still asked");
        change.joined[0].on(Event::Passed);
        let change = fleet.change(&[wanted("one", &[2])], "one", Leaving::Waits);
        assert!(!change.is_waiting && change.left.len() == 1);
        let change = fleet.change(&[wanted("one", &[])], "one", Leaving::Waits);
        assert_eq!(change.left.len(), 1, "a page that is to have no instance waits for none");
    }

    #[test]
    fn a_page_that_is_gone_keeps_its_id_and_loses_its_routes() {
        let fleet = Fleet::default();
        fleet.change(&[wanted("one", &[1]), wanted("two", &[2])], "one", Leaving::AtOnce);
        let change = fleet.change(&[wanted("two", &[2])], "one", Leaving::AtOnce);
        assert_eq!(change.left.len(), 1);
        assert_eq!(fleet.view().fallback, None);
        assert_eq!(fleet.view().routes.page_of("/one"), None);
        assert_eq!(fleet.view().routes.page_of("/two"), Some(PageId(1)));
        fleet.change(&[wanted("one", &[1]), wanted("two", &[2])], "one", Leaving::AtOnce);
        assert_eq!(fleet.view().routes.page_of("/one"), Some(PageId(0)));
    }

    #[test]
    fn draining_instances_still_answer_for_the_assets_that_only_they_have() {
        let fleet = Fleet::default();
        let first = fleet.change(&[wanted("one", &[1])], "one", Leaving::AtOnce).joined;
        first[0].manifest.store(Some(Arc::new(Manifest::for_tests("1", &[ASSET]))));
        first[0].on(Event::Passed);
        fleet.change(&[wanted("one", &[2])], "one", Leaving::AtOnce).joined[0].on(Event::Passed);
        let page = fleet.page(PageId(0));
        assert_eq!(page.candidates(ASSET)[0].address.port(), 1);
        assert_eq!(page.candidates("/")[0].address.port(), 2);
        assert_eq!(fleet.with_holders(ASSET, <[_]>::to_vec), [PageId(0)]);
    }
}
