//! The counters that `/metrics` shows, in Prometheus text.

use crate::asset_decision::Reason;
use crate::fleet::Fleet;
use crate::page_cache::{CacheStatus, Outcome};
use crate::vault::VaultStatus;
use arc_swap::ArcSwap;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::fmt;
use std::sync::Arc;

/// Classes of statuses; what was not answered at all comes first.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// As many releases and kinds of one page are kept at hand; more are looked up each time.
const AT_HAND: usize = 8;

/// An answer to be counted.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The page, or "".
    pub page: &'a str,
    /// Its release, or "".
    pub release: &'a str,
    /// `page` or `asset`.
    pub kind: &'static str,
    /// The status; 0 when there was none.
    pub status: u16,
    /// Seconds from the request's head to the answer's end.
    pub seconds: f64,
}

/// The counters of one page's releases that are at hand.
#[derive(Default)]
pub struct Counted(ArcSwap<Vec<Arc<Counts>>>);

struct Counts {
    release: Box<str>,
    kind: &'static str,
    duration: Histogram,
    classes: [IntCounter; CLASSES.len()],
}

impl Counted {
    fn with(&self, answered: &Answered<'_>, find: impl FnOnce() -> Counts, count: impl FnOnce(&Counts)) {
        let known = self.0.load();
        let is_it = |counts: &&Arc<Counts>| counts.kind == answered.kind && *counts.release == *answered.release;
        if let Some(counts) = known.iter().find(is_it) {
            return count(counts);
        }
        let counts = Arc::new(find());
        count(&counts);
        // Who comes in between has the same counters.
        self.0.rcu(|known| [&counts].into_iter().chain(&**known).take(AT_HAND).cloned().collect::<Vec<_>>());
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.0.load().iter().map(|counts| (&counts.release, counts.kind))).finish()
    }
}

impl Counts {
    fn count(&self, answered: &Answered<'_>) {
        let class = usize::from(answered.status / 100);
        self.classes.get(class).unwrap_or(&self.classes[0]).inc();
        self.duration.observe(answered.seconds);
    }
}

/// All counters of one proxy; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Answers by page, release, kind (`page` or `asset`) and status class (`2xx`).
    pub requests: IntCounterVec,
    /// Seconds from a request's head to the end of its answer, by page, release and kind.
    duration: HistogramVec,
    /// Decisions by reason.
    decisions: [IntCounter; Reason::ALL.len()],
    /// Request heads refused before they were parsed, by what is wrong.
    pub refused_heads: IntCounterVec,
    /// Attempts repeated on another instance, by page.
    pub retries: IntCounterVec,
    /// Attempts at an instance that gave no answer, by page and release.
    pub failed_attempts: IntCounterVec,
    /// Instances put out because visitors' attempts kept failing there, by page.
    pub ejections: IntCounterVec,
    /// Requests cut off because their instance, or the proxy, had to go, by page.
    pub cuts: IntCounterVec,
    /// Requests for pages, by what the page cache did for them.
    cache: [IntCounter; Outcome::ALL.len()],
    /// Answers that the proxy made itself, by `x-proxy-error`.
    pub proxy_errors: IntCounterVec,
    in_flight: IntGaugeVec,
    healthy: IntGaugeVec,
    vault: IntGaugeVec,
    cached: IntGaugeVec,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// When two counters have one name, which a test would show.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        // From 1 ms to 8.2 s: fine enough to compare the 99th percentiles of two releases.
        let buckets = prometheus::exponential_buckets(0.001, std::f64::consts::SQRT_2, 27)?;
        let opts =
            HistogramOpts::new("pagefleet_request_duration_seconds", "Time to answer a request").buckets(buckets);
        let duration = HistogramVec::new(opts, &["page", "release", "kind"])?;
        registry.register(Box::new(duration.clone()))?;
        let decisions = counter("pagefleet_decisions_total", "Routing decisions", &["reason"])?;
        let cache = counter("pagefleet_cache_total", "Requests by what the page cache did for them", &["outcome"])?;
        Ok(Self {
            requests: counter("pagefleet_requests_total", "Requests answered", &["page", "release", "kind", "class"])?,
            decisions: Reason::ALL.map(|reason| decisions.with_label_values(&[reason.as_str()])),
            refused_heads: counter("pagefleet_refused_heads_total", "Request heads refused", &["reason"])?,
            retries: counter("pagefleet_retries_total", "Attempts repeated", &["page"])?,
            failed_attempts: counter(
                "pagefleet_failed_attempts_total",
                "Attempts at an instance that gave no answer",
                &["page", "release"],
            )?,
            ejections: counter("pagefleet_ejections_total", "Instances put out by failed attempts", &["page"])?,
            cuts: counter("pagefleet_cut_requests_total", "Requests cut off when their grace had passed", &["page"])?,
            proxy_errors: counter("pagefleet_proxy_errors_total", "Answers made by the proxy", &["error"])?,
            cache: Outcome::ALL.map(|outcome| cache.with_label_values(&[outcome.as_str()])),
            cached: gauge("pagefleet_cache", "Answers that the page cache keeps, and their bytes", &["what"])?,
            in_flight: gauge(
                "pagefleet_instance_in_flight",
                "Requests that an instance is answering",
                &["page", "instance"],
            )?,
            healthy: gauge("pagefleet_instance_healthy", "1 when the instance gets traffic", &["page", "instance"])?,
            vault: gauge(
                "pagefleet_vault",
                "Assets, their bytes, bytes in memory, and whether the disk works",
                &["what"],
            )?,
            duration,
            registry,
        })
    }

    /// Counts a request's decision.
    pub fn decided(&self, reason: Reason) {
        self.decisions[reason as usize].inc();
    }

    /// Counts what the page cache did for a request.
    pub fn cached(&self, outcome: Outcome) {
        self.cache[outcome as usize].inc();
    }

    /// Counts an answer. To look a counter up costs more than to count: a page keeps those of its `counted` releases.
    pub fn answered(&self, answered: &Answered<'_>, counted: Option<&Counted>) {
        let labels = [answered.page, answered.release, answered.kind];
        let find = || Counts {
            release: answered.release.into(),
            kind: answered.kind,
            duration: self.duration.with_label_values(&labels),
            classes: CLASSES.map(|class| self.requests.with_label_values(&[labels[0], labels[1], labels[2], class])),
        };
        match counted {
            Some(counted) => counted.with(answered, find, |counts| counts.count(answered)),
            None => find().count(answered),
        }
    }

    /// The Prometheus text format, version 0.0.4.
    ///
    /// # Errors
    /// When a metric can't be encoded.
    pub fn render(
        &self,
        fleet: &Fleet,
        (vault, cache): (Option<VaultStatus>, CacheStatus),
    ) -> prometheus::Result<Vec<u8>> {
        for (what, value) in [("entries", cache.entries), ("bytes", cache.bytes)] {
            self.cached.with_label_values(&[what]).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        // Only the instances of now: each has a line for as long as it is there.
        self.in_flight.reset();
        self.healthy.reset();
        for instance in fleet.instances() {
            let (address, page) = (instance.address.to_string(), fleet.page(instance.page));
            let labels = [&*page.name, address.as_str()];
            self.in_flight.with_label_values(&labels).add(i64::try_from(instance.in_flight()).unwrap_or(i64::MAX));
            self.healthy.with_label_values(&labels).add(i64::from(instance.is_healthy()));
        }
        if let Some(vault) = vault {
            for (what, value) in [
                ("assets", vault.assets as u64),
                ("bytes", vault.bytes),
                ("memory_bytes", vault.memory_bytes),
                ("disk_works", u64::from(vault.disk_works)),
            ] {
                self.vault.with_label_values(&[what]).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
