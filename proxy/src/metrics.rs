//! The counters that `/metrics` shows, in Prometheus text.

use crate::fleet::Fleet;
use crate::page_cache::CacheStatus;
use crate::vault::VaultStatus;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

/// All counters of one proxy; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Answers by page, release, kind (`page` or `asset`) and status class (`2xx`).
    pub requests: IntCounterVec,
    /// Seconds from a request's head to the end of its answer, by page, release and kind.
    pub duration: HistogramVec,
    /// Decisions by reason.
    pub decisions: IntCounterVec,
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
    pub cache: IntCounterVec,
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
        Ok(Self {
            requests: counter("pagefleet_requests_total", "Requests answered", &["page", "release", "kind", "class"])?,
            decisions: counter("pagefleet_decisions_total", "Routing decisions", &["reason"])?,
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
            cache: counter("pagefleet_cache_total", "Requests by what the page cache did for them", &["outcome"])?,
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
