//! Which instances get traffic: each is asked for its health on a schedule, and for its manifest before it joins.

use crate::fleet::{Fleet, Instance, Page, PageId, State};
use crate::gate::{Gate, Refusal};
use crate::manifest::{self, Manifest, ManifestError};
use crate::vault::Vault;
use pagefleet_config::Health;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Between two rounds of the vault's upkeep.
const TEND_EVERY: Duration = Duration::from_secs(60);

/// The least time between two looks at one page's manifests for the sake of an unknown fingerprint.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// A healthy instance's manifest is read again at each so-many-th check: its process may have been replaced unseen.
const MANIFEST_AT_EACH: u32 = 5;

/// Checks instances, and looks at manifests again when a fingerprint is unknown.
#[derive(Debug)]
pub struct Checker {
    fleet: Arc<Fleet>,
    client: reqwest::Client,
    /// `None` when the vault is off.
    gate: Option<Gate>,
    settings: Health,
    /// For each page, when its manifests were last looked at for an unknown fingerprint. Held while somebody looks, so
    /// that who asks meanwhile waits for what is found.
    last_look: Vec<Mutex<Option<Instant>>>,
}

/// How much one check looks at.
#[derive(Debug, Clone, Copy)]
struct Look {
    read_manifest: bool,
    /// Only who was refused for a while may be let in ungated: another instance may be about to join.
    may_ungate: bool,
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("no answer: {0}")]
    NoAnswer(String),
    #[error("{path} answered {status}")]
    Status { path: String, status: u16 },
    #[error("the manifest is larger than 1 MiB")]
    TooLarge,
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("release {release} refused: {refusal}")]
    Refused { release: String, refusal: Refusal },
}

impl Checker {
    /// A checker for this fleet; nothing is asked yet.
    ///
    /// # Errors
    /// When the HTTP client can't be built.
    pub fn new(fleet: Arc<Fleet>, gate: Option<Gate>, settings: Health) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .build()?;
        let last_look = fleet.pages.iter().map(|_| Mutex::default()).collect();
        Ok(Self { fleet, client, gate, settings, last_look })
    }

    /// The vault, unless it is off.
    pub fn vault(&self) -> Option<&Arc<Vault>> {
        self.gate.as_ref().map(|gate| &gate.vault)
    }

    /// Starts one endless check for each instance, and the vault's upkeep, on the current runtime.
    pub fn start(self: &Arc<Self>) {
        if self.gate.is_some() {
            tokio::spawn(Arc::clone(self).tend_the_vault());
        }
        for instance in self.fleet.instances() {
            tokio::spawn(Arc::clone(self).watch(Arc::clone(instance)));
        }
    }

    async fn watch(self: Arc<Self>, instance: Arc<Instance>) {
        let mut failures = 0;
        let mut checks = 0_u32;
        loop {
            let unsure = instance.state() != State::Healthy || failures > 0;
            let read_manifest = unsure || checks.is_multiple_of(MANIFEST_AT_EACH);
            checks = checks.wrapping_add(1);
            let look = Look { read_manifest, may_ungate: failures >= self.settings.failures };
            match self.check(&instance, look).await {
                Ok(()) => {
                    failures = 0;
                    self.enter(&instance, State::Healthy, None);
                }
                Err(error) => {
                    failures += 1;
                    if instance.state() == State::Healthy && failures >= self.settings.failures {
                        self.enter(&instance, State::Unhealthy, Some(&error));
                    } else if instance.state() == State::Joining && failures == self.settings.failures {
                        tracing::warn!(page = %self.page(&instance).file.page, instance = %instance.address, %error, "instance cannot join yet");
                    }
                }
            }
            let settled = instance.state() == State::Healthy && failures == 0;
            let pause = if settled { jittered(self.settings.interval) } else { self.settings.interval / 10 };
            // Both arms only mean that it is time to check again.
            let _ = tokio::time::timeout(pause, instance.check_now.notified()).await;
        }
    }

    /// Asks for the health, and for the manifest too.
    async fn check(&self, instance: &Instance, look: Look) -> Result<(), CheckError> {
        let page = self.page(instance);
        self.get(instance, &page.file.health).await?;
        if page.file.manifest && look.read_manifest {
            self.read_manifest(instance, look.may_ungate).await?;
        }
        Ok(())
    }

    async fn read_manifest(&self, instance: &Instance, may_ungate: bool) -> Result<(), CheckError> {
        let mut response = self.get(instance, "/.well-known/page.json").await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| CheckError::NoAnswer(error.to_string()))? {
            body.extend_from_slice(&chunk);
            if body.len() > manifest::MAX_BYTES {
                return Err(CheckError::TooLarge);
            }
        }
        let manifest = Manifest::parse(&body, &self.page(instance).file.page)?;
        let refused = self.admit(instance, &manifest).await.err();
        let ungated =
            refused.is_some() && (may_ungate || instance.ungated.load(Ordering::Relaxed)) && self.is_last(instance);
        self.tell(instance, &manifest.release, refused.as_ref(), ungated);
        match refused {
            Some(refusal) if !ungated => Err(CheckError::Refused { release: manifest.release, refusal }),
            _ => {
                instance.manifest.store(Some(Arc::new(manifest)));
                self.fleet.index_assets();
                Ok(())
            }
        }
    }

    /// Whether a release may get traffic: all of it is in the vault, and no other instance calls another one the same.
    async fn admit(&self, instance: &Instance, manifest: &Manifest) -> Result<(), Refusal> {
        let Some(gate) = &self.gate else { return Ok(()) };
        let page = self.page(instance);
        let others =
            page.instances.iter().filter(|other| other.address != instance.address && other.state() == State::Healthy);
        let differs = |other: &Manifest| other.release == manifest.release && other != manifest;
        if others.filter_map(|other| other.manifest.load_full()).any(|other| differs(&other)) {
            return Err(Refusal::TwoManifests(manifest.release.clone()));
        }
        let unchanged = instance.manifest.load().as_ref().is_some_and(|known| **known == *manifest);
        if unchanged && !instance.ungated.load(Ordering::Relaxed) && manifest.paths().all(|path| gate.vault.has(path)) {
            return Ok(());
        }
        gate.admit(instance.address, &page.file.page, manifest, self.fleet.live_assets()).await
    }

    /// Whether no other instance of the page could serve it.
    fn is_last(&self, instance: &Instance) -> bool {
        let others = self.page(instance).instances.iter().filter(|other| other.address != instance.address);
        others.into_iter().all(|other| other.state() != State::Healthy)
    }

    /// Says once, and keeps for the admin address, why a release is refused.
    fn tell(&self, instance: &Instance, release: &str, refused: Option<&Refusal>, ungated: bool) {
        let reason = refused.map(|refusal| format!("release {release}: {refusal}"));
        let known = instance.refused.load_full();
        instance.ungated.store(ungated, Ordering::Relaxed);
        if known.as_deref() == reason.as_ref() {
            return;
        }
        let page = &self.page(instance).file.page;
        match &reason {
            Some(reason) if ungated => tracing::error!(
                %page, instance = %instance.address, release, reason,
                "RELEASE LET IN UNGATED: the gate refused it, and no other instance of the page is left"
            ),
            Some(reason) => tracing::error!(%page, instance = %instance.address, release, reason, "release refused"),
            None => tracing::info!(%page, instance = %instance.address, release, "release admitted"),
        }
        instance.refused.store(reason.map(Arc::new));
    }

    /// Fetches into the vault what a page should have and the vault does not hold.
    pub async fn fill(&self, page: PageId, path: &str) {
        let Some(gate) = &self.gate else { return };
        for instance in self.fleet.candidates(page, path) {
            let name = &self.fleet.page(page).file.page;
            match gate.fill(instance.address, name, path, self.fleet.live_assets()).await {
                Ok(()) => return,
                Err(refusal) => {
                    tracing::warn!(page = %name, instance = %instance.address, %refusal, "asset not taken in")
                }
            }
        }
    }

    async fn tend_the_vault(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            let checker = Arc::clone(&self);
            let tended = tokio::task::spawn_blocking(move || {
                if let Some(vault) = checker.vault() {
                    vault.tend(&checker.fleet.live_assets());
                }
            });
            if let Err(error) = tended.await {
                tracing::error!(%error, "the vault's upkeep panicked");
            }
        }
    }

    async fn get(&self, instance: &Instance, path: &str) -> Result<reqwest::Response, CheckError> {
        let url = format!("http://{}{path}", instance.address);
        let answer = self.client.get(url).send().await.map_err(|error| {
            CheckError::NoAnswer(if error.is_timeout() { "timed out".to_owned() } else { root_cause(&error) })
        })?;
        let status = answer.status();
        if status.is_success() {
            Ok(answer)
        } else {
            Err(CheckError::Status { path: path.to_owned(), status: status.as_u16() })
        }
    }

    fn enter(&self, instance: &Instance, state: State, error: Option<&CheckError>) {
        if !instance.enter(state) {
            return;
        }
        self.fleet.index_assets();
        let (page, release) = (&self.page(instance).file.page, instance.release().unwrap_or_default());
        match error {
            None => {
                tracing::info!(%page, instance = %instance.address, %release, state = state.as_str(), "instance is healthy")
            }
            Some(error) => {
                tracing::warn!(%page, instance = %instance.address, %release, state = state.as_str(), %error, "instance is unhealthy");
            }
        }
    }

    /// Reads the manifests of one page again, of all pages when `page` is `None`; each page at most once a second, so
    /// that asking for fingerprints that nobody has costs the pages nothing.
    pub async fn look_again(&self, page: Option<PageId>) {
        let pages = (0..self.fleet.pages.len()).map(PageId).filter(|id| page.is_none_or(|page| page == *id));
        futures_util::future::join_all(pages.map(|page| self.look_at(page))).await;
    }

    async fn look_at(&self, page: PageId) {
        let mut last_look = self.last_look[page.0].lock().await;
        if last_look.is_some_and(|last| last.elapsed() < LOOK_AGAIN_EVERY) {
            return;
        }
        let page = self.fleet.page(page);
        let healthy = page.instances.iter().filter(|instance| page.file.manifest && instance.state() == State::Healthy);
        let reads = healthy.map(async |instance| {
            if let Err(error) = self.read_manifest(instance, false).await {
                tracing::warn!(page = %page.file.page, instance = %instance.address, %error, "manifest not read again");
            }
        });
        futures_util::future::join_all(reads).await;
        *last_look = Some(Instant::now());
    }

    fn page(&self, instance: &Instance) -> &Page {
        self.fleet.page(instance.page)
    }
}

/// Up to a tenth more or less, so that proxies and instances don't fall into step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.9..1.1))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}
