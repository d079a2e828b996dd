//! Keeps the fleet what the page files, DNS and `proxy.toml` say, without a restart. Only here pages, instances and settings
//! change; a bad file changes nothing and is told.

use crate::changes::Changes;
use crate::dns::{Known, Resolver};
use crate::fleet::{Fleet, Leaving, Wanted};
use crate::gateway::Gateway;
use crate::health::Checker;
use crate::instance::Instance;
use crate::last_good::LastGood;
use crate::metrics::Metrics;
use crate::reports::{ConfigReport, NameReport, Refused, Reports};
use crate::settings::{Live, Settings};
use arc_swap::ArcSwap;
use pagefleet_config::{ConfigError, InstanceSource, Look, PageFile, PageSet, ProxyFile, read_folder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long a page file may be away before its page is: who replaces a file may remove it first.
const AWAY: Duration = Duration::from_secs(2);

/// A file that can't be read may just be half written; this long after it is read once more.
const HALF_WRITTEN: Duration = Duration::from_millis(50);

/// How long instances that should leave may stay because no other of their page is healthy yet.
const SUCCESSION: Duration = Duration::from_secs(10);
const SUCCESSION_POLL: Duration = Duration::from_millis(20);

/// How long requests that were cut off may take to end.
const CUT_BOUND: Duration = Duration::from_secs(3);

/// What the keeper works on.
#[derive(Clone)]
pub struct Parts {
    /// Pages and instances.
    pub fleet: Arc<Fleet>,
    /// Watches the instances that join.
    pub checker: Arc<Checker>,
    /// The operator's settings.
    pub live: Arc<Live>,
    /// Counters.
    pub metrics: Metrics,
    /// What the admin address tells.
    pub reports: Arc<ArcSwap<Reports>>,
}

/// Keeps the fleet.
pub struct Keeper {
    parts: Parts,
    files: PageFiles,
    config_file: PathBuf,
    config: ConfigReport,
    /// The proxy's own addresses, which are no instance's.
    own: Vec<SocketAddr>,
    names: BTreeMap<String, Name>,
    resolver: Arc<Resolver>,
    found: mpsc::UnboundedSender<Found>,
    finds: mpsc::UnboundedReceiver<Found>,
    /// Since when some instances wait for others to be healthy before they leave.
    waiting_since: Option<Instant>,
}

/// The page files in force.
#[derive(Debug)]
pub struct PageFiles {
    set: PageSet,
    last_good: LastGood,
    away: HashMap<String, Instant>,
}

/// A name that is resolved again and again.
struct Name {
    known: Known,
    problem: Option<String>,
    task: JoinHandle<()>,
}

/// What a name resolves to now.
struct Found {
    name: String,
    known: Known,
    problem: Option<String>,
}

impl PageFiles {
    /// Reads the page files; of a page whose file is bad the one that was in force before the start.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn open(config: &ProxyFile) -> Result<Self, ConfigError> {
        let (last_good, bounds) = (LastGood::open(&config.state), config.bounds());
        let look = read_folder(&config.pages)?;
        let before = look
            .iter()
            .filter_map(|(page, (path, _))| Some((page.clone(), (path.clone(), Ok(last_good.of(page)?.to_owned())))));
        let mut set = PageSet::default();
        set.update(before.collect(), &bounds);
        set.update(look, &bounds);
        Ok(Self { set, last_good, away: HashMap::new() })
    }

    /// By page, why its file is not in force.
    pub fn refused(&self) -> &BTreeMap<String, String> {
        self.set.refused()
    }

    /// A page whose file is away stays for a while.
    fn bridge(&mut self, look: &mut Look, config: &ProxyFile) {
        self.away.retain(|page, _| !look.contains_key(page));
        for file in self.set.pages().filter(|file| !look.contains_key(&file.page)).cloned().collect::<Vec<_>>() {
            let since = *self.away.entry(file.page.clone()).or_insert_with(Instant::now);
            if let Some(text) = self.set.text_of(&file.page).filter(|_| since.elapsed() < AWAY) {
                let path = config.pages.join(format!("{}.toml", file.page));
                look.insert(file.page.clone(), (path, Ok(text.to_owned())));
            } else {
                self.away.remove(&file.page);
            }
        }
    }

    /// Takes over what was found, and tells what became of it.
    fn update(&mut self, look: Look, config: &ProxyFile) {
        let before: BTreeMap<_, _> = self.set.pages().map(|file| (file.page.clone(), Arc::clone(file))).collect();
        let refused = self.set.refused().clone();
        if !self.set.update(look, &config.bounds()) {
            return;
        }
        for (page, error) in self.set.refused().iter().filter(|(page, error)| refused.get(*page) != Some(error)) {
            tracing::error!(page, %error, "page file refused; the last good one stays in force");
        }
        let after: BTreeMap<_, _> = self.set.pages().map(|file| (file.page.clone(), Arc::clone(file))).collect();
        for (page, file) in after.iter().filter(|(page, file)| before.get(*page) != Some(file)) {
            tracing::info!(page, instances = file.instances.len(), "page file in force");
        }
        for page in before.keys().filter(|page| !after.contains_key(*page)) {
            tracing::info!(page, "page file gone; the page is too");
        }
    }

    fn keep(&mut self) {
        let texts =
            self.set.pages().filter_map(|file| Some((file.page.clone(), self.set.text_of(&file.page)?.to_owned())));
        self.last_good.keep(texts.collect());
    }
}

impl Keeper {
    /// A keeper of these page files; nothing is started yet.
    ///
    /// # Errors
    /// When names can't be resolved at all here.
    pub fn new(parts: Parts, files: PageFiles, config_file: PathBuf, own: Vec<SocketAddr>) -> Result<Self, String> {
        let resolver = Arc::new(Resolver::new(&parts.live.load().file.dns)?);
        let (found, finds) = mpsc::unbounded_channel();
        let (config, names) = (ConfigReport::default(), BTreeMap::new());
        let waiting_since = None;
        Ok(Self { parts, files, config_file, config, own, names, resolver, found, finds, waiting_since })
    }

    /// Makes the fleet what the files say; instances begin to be checked, and those that left to drain.
    pub fn apply(&mut self) {
        self.files.keep();
        self.follow_names();
        let settings = self.parts.live.load_full();
        let mut refused: Vec<_> = self.files.refused().iter().map(|(page, error)| Refused::new(page, error)).collect();
        let mut wanted = Vec::new();
        for file in self.files.set.pages() {
            let mut addresses = Vec::new();
            for address in self.addresses_of(file) {
                let allowed = settings.file.bounds().allows(address.ip()).and_then(|()| self.is_not_own(address));
                match allowed {
                    Ok(()) => addresses.push(address),
                    Err(reason) => refused.push(Refused::new(&file.page, &format!("instance {address}: {reason}"))),
                }
            }
            wanted.push(Wanted { file: Arc::clone(file), addresses });
        }
        let has_waited = self.waiting_since.is_some_and(|since| since.elapsed() >= SUCCESSION);
        let leaving = if has_waited { Leaving::AtOnce } else { Leaving::Waits };
        let change = self.parts.fleet.change(&wanted, &settings.file.fallback_page, leaving);
        self.waiting_since = change.is_waiting.then(|| self.waiting_since.unwrap_or_else(Instant::now));
        for instance in change.joined {
            tokio::spawn(Arc::clone(&self.parts.checker).watch(instance));
        }
        for instance in change.left {
            tokio::spawn(drain(self.parts.clone(), instance));
        }
        let names = self.names.iter().map(|(name, known)| NameReport {
            name: name.clone(),
            addresses: known.known.addresses().collect(),
            problem: known.problem.clone(),
        });
        let reports = Reports { refused, names: names.collect(), config: self.config.clone() };
        self.parts.reports.store(Arc::new(reports));
    }

    /// Keeps the fleet, for ever.
    pub async fn run(mut self) {
        let mut changes = Changes::of(&self.parts.live.load().file.pages, &self.config_file);
        // What changed between the first reading and the watching is found by a look now.
        self.look().await;
        loop {
            let is_away = !self.files.away.is_empty();
            tokio::select! {
                () = changes.next() => self.look().await,
                () = tokio::time::sleep(AWAY), if is_away => self.look().await,
                () = tokio::time::sleep(SUCCESSION_POLL), if self.waiting_since.is_some() => self.apply(),
                Some(found) = self.finds.recv() => self.learn(found),
            }
        }
    }

    /// Reads everything again.
    async fn look(&mut self) {
        self.read_config();
        let settings = self.parts.live.load_full();
        let mut look = read_folder(&settings.file.pages);
        if look.as_ref().is_ok_and(|look| self.may_be_half_written(look)) {
            tokio::time::sleep(HALF_WRITTEN).await;
            look = read_folder(&settings.file.pages);
        }
        match look {
            Ok(mut look) => {
                self.files.bridge(&mut look, &settings.file);
                self.files.update(look, &settings.file);
            }
            Err(error) => tracing::error!(%error, "page files not read again; what is in force stays"),
        }
        self.apply();
    }

    /// Whether a file is bad that was not before.
    fn may_be_half_written(&self, look: &Look) -> bool {
        let bounds = self.parts.live.load().file.bounds();
        look.iter().filter(|(page, _)| !self.files.refused().contains_key(*page)).any(|(page, (path, text))| match text
        {
            Ok(text) => {
                self.files.set.text_of(page) != Some(text.as_str()) && PageFile::parse(path, text, &bounds).is_err()
            }
            Err(_) => true,
        })
    }

    /// Takes over what it can of a changed `proxy.toml`.
    fn read_config(&mut self) {
        let now = self.parts.live.load_full();
        let read = ProxyFile::read(&self.config_file).map_err(|error| error.to_string());
        let new = read.and_then(|file| Settings::of(file).map_err(|error| format!("error_pages: {error}")));
        let config = match &new {
            Ok(new) => ConfigReport { error: None, needs_upgrade: now.file.needs_upgrade(&new.file) },
            Err(error) => ConfigReport { error: Some(error.clone()), needs_upgrade: self.config.needs_upgrade.clone() },
        };
        if config != self.config {
            tracing::info!(
                error = config.error,
                needs_upgrade = config.needs_upgrade.join(", "),
                "proxy.toml read again"
            );
        }
        self.config = config;
        let Ok(new) = new.map(|new| now.reloaded(new)) else { return };
        if new == *now {
            return;
        }
        if new.file.dns != now.file.dns {
            self.resolve_anew(&new);
        }
        tracing::info!("proxy.toml in force");
        self.parts.live.store(Arc::new(new));
    }

    fn resolve_anew(&mut self, settings: &Settings) {
        match Resolver::new(&settings.file.dns) {
            Ok(resolver) => {
                self.resolver = Arc::new(resolver);
                for (name, known) in &mut self.names {
                    known.task.abort();
                    known.task = self.parts.follow(name, known.known.clone(), &self.resolver, &self.found);
                }
            }
            Err(error) => tracing::error!(error, "names are resolved as before"),
        }
    }

    /// Resolves the names in the page files, and no others.
    fn follow_names(&mut self) {
        let sources = self.files.set.pages().flat_map(|file| &file.instances);
        let names = sources.filter_map(|source| match source {
            InstanceSource::Dns { name, .. } => Some(name.clone()),
            InstanceSource::Address(_) => None,
        });
        let wanted: BTreeSet<_> = names.collect();
        self.names.retain(|name, known| {
            let stays = wanted.contains(name);
            if !stays {
                known.task.abort();
            }
            stays
        });
        for name in wanted {
            self.names.entry(name).or_insert_with_key(|name| {
                let known = Known::default();
                let task = self.parts.follow(name, known.clone(), &self.resolver, &self.found);
                Name { known, problem: None, task }
            });
        }
    }

    fn learn(&mut self, found: Found) {
        let Some(name) = self.names.get_mut(&found.name) else { return };
        (name.known, name.problem) = (found.known, found.problem);
        self.apply();
    }

    fn addresses_of(&self, file: &PageFile) -> BTreeSet<SocketAddr> {
        let mut addresses = BTreeSet::new();
        for source in &file.instances {
            match source {
                InstanceSource::Address(address) => _ = addresses.insert(*address),
                InstanceSource::Dns { name, port } => {
                    let known = self.names.get(name).into_iter().flat_map(|name| name.known.addresses());
                    addresses.extend(known.map(|ip| SocketAddr::new(ip, *port)));
                }
            }
        }
        addresses
    }

    fn is_not_own(&self, address: SocketAddr) -> Result<(), String> {
        let is_own = |own: &SocketAddr| {
            let here = || UdpSocket::bind((address.ip(), 0)).is_ok();
            own.port() == address.port()
                && (own.ip().to_canonical() == address.ip().to_canonical() || own.ip().is_unspecified() && here())
        };
        if self.own.iter().any(is_own) { Err("it is the proxy's own address".to_owned()) } else { Ok(()) }
    }
}

impl Parts {
    /// Those of a gateway.
    pub fn of(gateway: &Gateway, reports: Arc<ArcSwap<Reports>>) -> Self {
        Self {
            fleet: Arc::clone(&gateway.fleet),
            checker: Arc::clone(&gateway.checker),
            live: Arc::clone(&gateway.live),
            metrics: gateway.metrics.clone(),
            reports,
        }
    }

    /// Resolves a name again and again, and tells when what is known of it changes.
    fn follow(
        &self,
        name: &str,
        mut known: Known,
        resolver: &Arc<Resolver>,
        found: &mpsc::UnboundedSender<Found>,
    ) -> JoinHandle<()> {
        let (name, resolver, found) = (name.to_owned(), Arc::clone(resolver), found.clone());
        let live = Arc::clone(&self.live);
        tokio::spawn(async move {
            let mut told = None;
            loop {
                let lookup = resolver.lookup(&name).await;
                let learned = known.learn(lookup, &live.load().file.dns);
                let now = Some((known.clone(), learned.problem.clone()));
                if now != told {
                    match &learned.problem {
                        Some(problem) => {
                            tracing::warn!(name, problem, "name not resolved; the last good addresses stay")
                        }
                        None => {
                            tracing::info!(name, addresses = ?known.addresses().collect::<Vec<_>>(), "name resolved")
                        }
                    }
                    let report = Found { name: name.clone(), known: known.clone(), problem: learned.problem };
                    if found.send(report).is_err() {
                        return;
                    }
                    told = now;
                }
                tokio::time::sleep(learned.next).await;
            }
        })
    }
}

/// Lets an instance that has left finish what it is answering, within the grace; then it is gone.
async fn drain(parts: Parts, instance: Arc<Instance>) {
    let page = parts.fleet.page(instance.page);
    let in_flight = instance.in_flight();
    tracing::info!(page = %page.name, instance = %instance.address, in_flight, "instance is draining");
    let grace = parts.live.load().file.timeouts.grace;
    if tokio::time::timeout(grace, instance.idle()).await.is_err() {
        let cut = instance.in_flight();
        tracing::warn!(page = %page.name, instance = %instance.address, requests = cut, "grace has passed; requests are cut off");
        parts.metrics.cuts.with_label_values(&[&page.name]).inc_by(cut as u64);
        parts.fleet.cut(&instance);
        // Who does not end then ends with its connection.
        let _ = tokio::time::timeout(CUT_BOUND, instance.idle()).await;
    }
    parts.fleet.remove(&instance);
    tracing::info!(page = %page.name, instance = %instance.address, "instance is gone");
}
