//! Which instances get traffic: each is asked for its health on a schedule, and for its manifest before it joins. Whether
//! the manifest's release is let in is for [`crate::admission`] to say.

use crate::admission::{Admission, Refused};
use crate::fleet::{Fleet, Instance, Page, PageId, State};
use crate::gate::root_cause;
use crate::manifest::{self, Manifest, ManifestError};
use moka::sync::Cache;
use pagefleet_config::Health;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The least time between two looks at one page's manifests for the sake of an unknown fingerprint.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// How many misses are remembered, each for as long as no new look may be taken.
const MISSES: u64 = 10_000;

/// Checks instances, and looks at manifests again when a fingerprint is unknown.
#[derive(Debug)]
pub struct Checker {
    fleet: Arc<Fleet>,
    client: reqwest::Client,
    admission: Arc<Admission>,
    settings: Health,
    /// For each page, when its manifests were last looked at for an unknown fingerprint. Held while somebody looks, so
    /// that who asks meanwhile waits for what is found.
    last_look: Vec<Mutex<Option<Instant>>>,
    /// Fingerprinted paths that nobody had at the last look.
    misses: Cache<String, ()>,
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
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Checker {
    /// A checker for this fleet; nothing is asked yet.
    ///
    /// # Errors
    /// When the HTTP client can't be built.
    pub fn new(fleet: Arc<Fleet>, admission: Arc<Admission>, settings: Health) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .build()?;
        let last_look = fleet.pages.iter().map(|_| Mutex::default()).collect();
        let misses = Cache::builder().max_capacity(MISSES).time_to_live(LOOK_AGAIN_EVERY).build();
        Ok(Self { fleet, client, admission, settings, last_look, misses })
    }

    /// Starts one endless check for each instance, on the current runtime.
    pub fn start(self: &Arc<Self>) {
        for instance in self.fleet.instances() {
            tokio::spawn(Arc::clone(self).watch(Arc::clone(instance)));
        }
    }

    async fn watch(self: Arc<Self>, instance: Arc<Instance>) {
        let mut failures = 0;
        loop {
            // Only who was refused for a while may be let in ungated: another instance may be about to join.
            let may_ungate = failures >= self.settings.failures;
            match self.check(&instance, may_ungate).await {
                Ok(()) => {
                    failures = 0;
                    instance.failing.store(false, Ordering::Relaxed);
                    self.enter(&instance, State::Healthy, None);
                }
                Err(error) => {
                    failures += 1;
                    instance.failing.store(true, Ordering::Relaxed);
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

    /// Asks for the health, and for the manifest too: the process behind an address may have been replaced unseen.
    async fn check(&self, instance: &Instance, may_ungate: bool) -> Result<(), CheckError> {
        let page = self.page(instance);
        self.get(instance, &page.file.health).await?;
        if page.file.manifest {
            self.read_manifest(instance, may_ungate).await?;
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
        let manifest = Manifest::parse(&body, &self.page(instance).file.page)
            .inspect_err(|error| self.admission.refuse_manifest(instance, error))?;
        self.admission.decide(instance, manifest, may_ungate).await?;
        Ok(())
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
    /// that asking for fingerprints that nobody has costs the pages nothing: who asks sooner waits, and one look serves
    /// all who wait.
    pub async fn look_again(&self, page: Option<PageId>) {
        let pages = (0..self.fleet.pages.len()).map(PageId).filter(|id| page.is_none_or(|page| page == *id));
        futures_util::future::join_all(pages.map(|page| self.look_at(page))).await;
    }

    /// Whether nobody had this path at a look less than a second ago.
    pub fn is_missed(&self, path: &str) -> bool {
        self.misses.contains_key(path)
    }

    /// Remembers that nobody has this path, so that it costs no other look for a second.
    pub fn remember_miss(&self, path: &str) {
        self.misses.insert(path.to_owned(), ());
    }

    async fn look_at(&self, page: PageId) {
        let asked = Instant::now();
        let mut last_look = self.last_look[page.0].lock().await;
        if let Some(last) = *last_look {
            if last >= asked {
                // Somebody looked while we waited for our turn.
                return;
            }
            // What changed since the last look must be found: a page may just have been replaced.
            tokio::time::sleep(LOOK_AGAIN_EVERY.saturating_sub(last.elapsed())).await;
        }
        *last_look = Some(Instant::now());
        let page = self.fleet.page(page);
        let healthy = page.instances.iter().filter(|instance| page.file.manifest && instance.state() == State::Healthy);
        let reads = healthy.map(async |instance| {
            if let Err(error) = self.read_manifest(instance, false).await {
                tracing::warn!(page = %page.file.page, instance = %instance.address, %error, "manifest not read again");
            }
        });
        futures_util::future::join_all(reads).await;
    }

    fn page(&self, instance: &Instance) -> &Page {
        self.fleet.page(instance.page)
    }
}

/// Up to a tenth more or less, so that proxies and instances don't fall into step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.9..1.1))
}
