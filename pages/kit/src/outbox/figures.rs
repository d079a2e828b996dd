//! What is counted: by this instance since its start, and in the table, which all instances share.

use prometheus::{Gauge, IntCounter, IntGauge};
use serde_json::{Value, json};

use super::store::Census;
use crate::Metrics;

/// The outbox's counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) accepted: IntCounter,
    pub(super) attempts: IntCounter,
    pub(super) delivered: IntCounter,
    pub(super) failed: IntCounter,
    pub(super) parked: IntCounter,
    table_pending: IntGauge,
    table_parked: IntGauge,
    oldest: Gauge,
}

impl Figures {
    /// Counters at zero, shown among `metrics`.
    pub(super) fn among(metrics: &Metrics) -> Self {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help).expect(WELL_FORMED);
            metrics.register(counter.clone());
            counter
        };
        let gauge = |name, help| {
            let gauge = IntGauge::new(name, help).expect(WELL_FORMED);
            metrics.register(gauge.clone());
            gauge
        };
        let help = "Seconds since the oldest command was accepted that is to be delivered";
        let oldest = Gauge::new("page_outbox_oldest_pending_seconds", help).expect(WELL_FORMED);
        metrics.register(oldest.clone());
        Self {
            accepted: counter("page_outbox_accepted_total", "Commands that were written to the outbox"),
            attempts: counter("page_outbox_attempts_total", "Tries to deliver a command"),
            delivered: counter("page_outbox_delivered_total", "Commands that a service applied"),
            failed: counter("page_outbox_failed_total", "Commands that a service refused for good"),
            parked: counter("page_outbox_parked_total", "Commands that were put aside for people"),
            table_pending: gauge("page_outbox_pending", "Commands to deliver, of all instances"),
            table_parked: gauge("page_outbox_parked", "Commands that wait for people, of all instances"),
            oldest,
        }
    }

    /// Shows what was counted in the table.
    pub(super) fn counted(&self, census: &Census, now: i64) {
        self.table_pending.set(census.pending);
        self.table_parked.set(census.parked);
        let age_ms = census.oldest.map_or(0, |accepted| (now - accepted).max(0));
        self.oldest.set(age_ms as f64 / 1000.0);
    }

    /// The member `outbox` of `/health/live`.
    pub(super) fn live(&self) -> Value {
        json!({ "pending": self.table_pending.get(), "parked": self.table_parked.get() })
    }
}

const WELL_FORMED: &str = "names are well-formed";
