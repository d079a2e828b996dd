//! `GET /health/metrics`: a page's counters, in Prometheus text. The proxy shows nothing under `/health/` to visitors.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry, TEXT_FORMAT, TextEncoder};

/// Outcomes of a query, as the label has them.
const FRESH: &str = "fresh";
const STALE: &str = "stale";
const UNAVAILABLE: &str = "unavailable";

/// All counters of one page; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounter,
    queries: IntCounterVec,
    retries: IntCounterVec,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Panics
    /// When two of them have one name, which no start would survive.
    pub fn new() -> Self {
        let requests = IntCounter::new("page_requests_total", "Requests, health checks and manifest aside");
        let vec = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect(WELL_FORMED)
        };
        let metrics = Self {
            registry: Registry::new(),
            requests: requests.expect(WELL_FORMED),
            queries: vec("page_queries_total", "Queries by what came of them", &["service", "query", "outcome"]),
            retries: vec("page_query_retries_total", "Calls of queries that were repeated", &["service"]),
        };
        metrics.register(metrics.requests.clone());
        metrics.register(metrics.queries.clone());
        metrics.register(metrics.retries.clone());
        metrics
    }

    /// Shows another counter or gauge, of a name that none has yet.
    ///
    /// # Panics
    /// When one has it.
    pub fn register(&self, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("every counter of a page has a name of its own");
    }

    /// Requests that this instance has had.
    pub(crate) fn requests(&self) -> &IntCounter {
        &self.requests
    }

    /// The counters of a query, which are shown from the start, at zero.
    pub(crate) fn queries_of(&self, service: &str, query: &str) -> Outcomes {
        let counter = |outcome| self.queries.with_label_values(&[service, query, outcome]);
        Outcomes { fresh: counter(FRESH), stale: counter(STALE), unavailable: counter(UNAVAILABLE) }
    }

    /// Shows the retries of a service from the start, at zero.
    pub(crate) fn count_retries_of(&self, service: &str) {
        self.retries.with_label_values(&[service]);
    }

    pub(crate) fn retried(&self, service: &str) {
        self.retries.with_label_values(&[service]).inc();
    }

    /// All of them, in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("text can be written to a string")
    }
}

/// What came of one query, counted.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes {
    pub(crate) fresh: IntCounter,
    pub(crate) stale: IntCounter,
    pub(crate) unavailable: IntCounter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

const WELL_FORMED: &str = "names and labels are well-formed";

pub(crate) fn routes(metrics: Metrics) -> Router {
    Router::new().route("/health/metrics", get(show)).with_state(metrics)
}

async fn show(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT_FORMAT), (CACHE_CONTROL, "no-store")], metrics.text())
}
