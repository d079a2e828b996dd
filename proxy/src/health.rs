//! Which instances get traffic: each is asked for its health on a schedule, and for its manifest before it joins. Whether
//! the manifest's release is let in is for [`crate::admission`] to say. Attempts of visitors that fail put an instance out
//! too ([`crate::ejection`]).

use crate::admission::{Admission, Refused};
use crate::fleet::{Fleet, Page, PageId};
use crate::gate::root_cause;
use crate::instance::{Event, Instance, State};
use crate::manifest::{self, Manifest, ManifestError};
use crate::metrics::Metrics;
use crate::settings::Live;
use moka::sync::Cache;
use pagefleet_config::Health;
use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The least time between two looks at one page's manifests for the sake of an unknown fingerprint.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);

const WARM_UP_POLL: Duration = Duration::from_millis(10);
const WARM_UP_MOMENT: Duration = Duration::from_millis(500);

/// How many misses are remembered, each for as long as no new look may be taken.
const MISSES: u64 = 10_000;

/// Checks instances, and looks at manifests again when a fingerprint is unknown.
#[derive(Debug)]
pub struct Checker {
    fleet: Arc<Fleet>,
    client: reqwest::Client,
    admission: Arc<Admission>,
    live: Arc<Live>,
    metrics: Metrics,
    looks: StdMutex<HashMap<PageId, Arc<Look>>>,
    /// Fingerprinted paths that nobody had at the last look.
    misses: Cache<String, ()>,
}

/// When a page's manifests were last looked at for an unknown fingerprint. Held while somebody looks, so that who asks
/// meanwhile waits for what is found.
type Look = Mutex<Option<Instant>>;

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

/// Checks in a row that went one way.
#[derive(Debug, Default)]
struct Streak {
    passed: u32,
    failed: u32,
}

impl Checker {
    /// A checker for this fleet; nothing is asked yet.
    ///
    /// # Errors
    /// When the HTTP client can't be built.
    pub fn new(
        fleet: Arc<Fleet>,
        admission: Arc<Admission>,
        live: Arc<Live>,
        metrics: Metrics,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .build()?;
        let misses = Cache::builder().max_capacity(MISSES).time_to_live(LOOK_AGAIN_EVERY).build();
        Ok(Self { fleet, client, admission, live, metrics, looks: StdMutex::default(), misses })
    }

    /// Checks an instance until it has left its page.
    pub async fn watch(self: Arc<Self>, instance: Arc<Instance>) {
        let mut streak = Streak::default();
        while instance.state() != State::Draining {
            let settings = self.live.load().file.health;
            // Only who was refused for a while may be let in ungated: another instance may be about to join.
            let may_ungate = streak.failed >= settings.failures;
            let checked = self.check(&instance, may_ungate).await;
            self.judge(&instance, checked, &mut streak);
            let settled = instance.is_healthy() && streak.failed == 0;
            let pause = if settled { settings.interval } else { settings.interval / 10 };
            // Both arms only mean that it is time to check again.
            let _ = tokio::time::timeout(jittered(pause), instance.check_now.notified()).await;
        }
    }

    /// Waits until every instance is healthy or has failed a check; who has done neither after a moment is waited for only
    /// where the page has no other, and at most for `bound`.
    pub async fn warm_up(&self, bound: Duration) {
        let is_known = |instance: &Arc<Instance>| instance.is_healthy() || instance.problem.load().is_some();
        let is_warm = |page: &Arc<Page>| {
            page.instances.iter().any(|instance| instance.is_healthy()) || page.instances.iter().all(is_known)
        };
        let started = Instant::now();
        let is_done = || {
            self.fleet.instances().iter().all(is_known)
                || (started.elapsed() > WARM_UP_MOMENT && self.fleet.view().pages().into_iter().all(is_warm))
        };
        while !is_done() {
            if started.elapsed() > bound {
                return tracing::warn!("some pages have not been heard of yet; the proxy accepts all the same");
            }
            tokio::time::sleep(WARM_UP_POLL).await;
        }
    }

    /// What a check's outcome makes of the instance.
    fn judge(&self, instance: &Instance, checked: Result<(), CheckError>, streak: &mut Streak) {
        let settings = self.live.load().file.health;
        match checked {
            Ok(()) => {
                *streak = Streak { passed: streak.passed + 1, failed: 0 };
                instance.problem.store(None);
                let enough = instance.state() != State::Unhealthy || streak.passed >= settings.passes;
                if enough && !instance.is_ejected() {
                    self.on(instance, Event::Passed, "");
                }
            }
            Err(error) => {
                *streak = Streak { passed: 0, failed: streak.failed + 1 };
                let problem = error.to_string();
                if streak.failed == settings.failures && instance.state() == State::Joining {
                    let page = self.fleet.page(instance.page);
                    tracing::warn!(page = %page.name, instance = %instance.address, %error, "instance cannot join yet");
                }
                if streak.failed >= settings.failures {
                    self.on(instance, Event::Failed, &problem);
                }
                instance.problem.store(Some(Arc::new(problem)));
            }
        }
    }

    /// Notes how a visitor's attempt at an instance ended, and puts the instance out if it has failed too often in a row.
    /// The last one of a page never is: asking it is better than asking nobody.
    pub fn attempted(&self, instance: &Instance, failed: bool) {
        let settings = self.live.load().file.ejection;
        if !instance.attempted(failed, &settings) || !instance.is_healthy() {
            return;
        }
        let page = self.fleet.page(instance.page);
        let well =
            |other: &&Arc<Instance>| other.address != instance.address && other.is_healthy() && !other.is_failing();
        if page.instances.iter().any(|other| well(&other)) {
            instance.eject(&settings);
            self.metrics.ejections.with_label_values(&[&page.name]).inc();
            self.on(instance, Event::Failed, "ejected: visitors' requests kept failing there");
        }
    }

    /// Asks for the health, and for the manifest too: the process behind an address may have been replaced unseen.
    async fn check(&self, instance: &Instance, may_ungate: bool) -> Result<(), CheckError> {
        let page = self.fleet.page(instance.page);
        let Some(file) = &page.file else { return Ok(()) };
        self.get(instance, &file.health).await?;
        if file.manifest {
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
        let manifest = Manifest::parse(&body, &self.fleet.page(instance.page).name)
            .inspect_err(|error| self.admission.refuse_manifest(instance, error))?;
        self.admission.decide(instance, manifest, may_ungate).await?;
        Ok(())
    }

    async fn get(&self, instance: &Instance, path: &str) -> Result<reqwest::Response, CheckError> {
        let url = format!("http://{}{path}", instance.address);
        let Health { timeout, .. } = self.live.load().file.health;
        let answer = self.client.get(url).timeout(timeout).send().await.map_err(|error| {
            CheckError::NoAnswer(if error.is_timeout() { "timed out".to_owned() } else { root_cause(&error) })
        })?;
        let status = answer.status();
        if status.is_success() {
            Ok(answer)
        } else {
            Err(CheckError::Status { path: path.to_owned(), status: status.as_u16() })
        }
    }

    fn on(&self, instance: &Instance, event: Event, problem: &str) {
        let Some(state) = instance.on(event) else { return };
        self.fleet.index_assets();
        let (page, release) = (self.fleet.page(instance.page), instance.release().unwrap_or_default());
        let (page, instance, state) = (&page.name, instance.address, state.as_str());
        match event {
            Event::Passed => tracing::info!(%page, %instance, %release, state, "instance is healthy"),
            _ => tracing::warn!(%page, %instance, %release, state, problem, "instance is unhealthy"),
        }
    }

    /// Reads the manifests of one page again, of all pages when `page` is `None`; each page at most once a second, so
    /// that asking for fingerprints that nobody has costs the pages nothing: who asks sooner waits, and one look serves
    /// all who wait.
    pub async fn look_again(&self, page: Option<PageId>) {
        let pages: Vec<_> = self.fleet.view().ids().filter(|id| page.is_none_or(|page| page == *id)).collect();
        futures_util::future::join_all(pages.into_iter().map(|page| self.look_at(page))).await;
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
        let look = Arc::clone(self.looks.lock().unwrap_or_else(PoisonError::into_inner).entry(page).or_default());
        let mut last_look = look.lock().await;
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
        let healthy = page.instances.iter().filter(|instance| page.has_manifest() && instance.is_healthy());
        let reads = healthy.map(async |instance| {
            if let Err(error) = self.read_manifest(instance, false).await {
                tracing::warn!(page = %page.name, instance = %instance.address, %error, "manifest not read again");
            }
        });
        futures_util::future::join_all(reads).await;
    }
}

/// Up to a tenth more or less, so that proxies and instances don't fall into step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.9..1.1))
}
