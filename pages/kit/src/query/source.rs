//! A service as queries ask it: what they know together of how it does.

use std::sync::Arc;
use std::time::Duration;

use service_kit::client::{Error, Refusal, Request, Service};
use tokio::time::Instant;

use super::breaker::Breaker;
use super::call::Read;
use super::complaints::Complaints;
use super::retries::RetryBudget;
use super::{ATTEMPT, Content};
use crate::metrics::Metrics;

/// A failure within this time was a quick one: there is time for another attempt, and nobody has waited.
const QUICK: Duration = Duration::from_millis(250);

/// How long to wait before the other attempt, at random, so that not everybody comes back at once. In milliseconds.
const PAUSE: std::ops::Range<u64> = 5..50;

/// A service, to be asked by [`Query`](super::Query) and [`Lookup`](super::Lookup). One for each service of a page; cheap
/// to clone.
#[derive(Debug, Clone)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Service,
    breaker: Breaker,
    retries: RetryBudget,
    complaints: Complaints,
    metrics: Metrics,
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The service said no, and would again.
    Refused(Refusal),
    /// The service failed.
    Service,
    /// The request in which it was asked was over. Who has more time may ask again.
    CutShort,
}

impl Source {
    /// The service `service`, whose counters are among `metrics`.
    pub fn new(service: Service, metrics: &Metrics) -> Self {
        metrics.count_retries_of(service.name());
        Self(Arc::new(Inner {
            service,
            breaker: Breaker::default(),
            retries: RetryBudget::default(),
            complaints: Complaints::default(),
            metrics: metrics.clone(),
        }))
    }

    /// The service itself: to put requests together, and for commands.
    pub fn service(&self) -> &Service {
        &self.0.service
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// How long an asker may wait for a call; none when the service is best left alone for now.
    pub(super) fn admit(&self) -> Option<Duration> {
        self.0.breaker.admit()
    }

    pub(super) fn complain(&self, query: &str, error: &Error) {
        self.0.complaints.complain(query, error);
    }

    /// Calls, and once more if that failed quickly and is no fault of the request; all within [`ATTEMPT`].
    pub(super) async fn call(&self, query: &str, request: Request, read: Read) -> Result<(Content, usize), Failed> {
        let Inner { retries, metrics, .. } = &*self.0;
        let started = Instant::now();
        let is_short = request.time_left() < ATTEMPT;
        retries.deposit();
        let mut result = request.clone().within(ATTEMPT).send_and_read(read).await;
        if result.as_ref().is_err_and(is_transient) && started.elapsed() < QUICK && retries.withdraw() {
            metrics.retried(self.service().name());
            tokio::time::sleep(Duration::from_millis(rand::random_range(PAUSE))).await;
            result = request.within(ATTEMPT.saturating_sub(started.elapsed())).send_and_read(read).await;
        }
        let error = match result {
            Ok(answer) => {
                self.answered();
                return Ok(answer);
            }
            Err(error) => error,
        };
        if let Error::Refused { refusal, .. } = error {
            self.answered();
            return Err(Failed::Refused(refusal));
        }
        let cut_short = is_short && matches!(error, Error::Timeout { .. });
        self.failed(started.elapsed());
        if cut_short {
            return Err(Failed::CutShort);
        }
        self.complain(query, &error);
        Err(Failed::Service)
    }

    fn answered(&self) {
        if self.0.breaker.answered() {
            tracing::info!(service = self.service().name(), "a service answers again");
        }
    }

    fn failed(&self, after: Duration) {
        let service = self.service().name();
        if after < QUICK {
            // It costs nobody any time, whatever else it does.
            self.0.breaker.answered();
        } else if after >= ATTEMPT / 2 && self.0.breaker.failed_slowly() {
            tracing::warn!(service, "a service lets everybody wait, and is left alone until it answers");
        }
    }
}

/// Whether the same call may bring something else in a moment. What makes no sense now makes none then.
fn is_transient(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::Interrupted { .. } | Error::Failed { .. })
}
