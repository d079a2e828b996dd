//! Says that a service fails: once a minute for each way of failing, and not once for each visitor.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use service_kit::client::Error;
use tokio::time::Instant;

/// What is said is not said again for so long.
const SAID_FOR: Duration = Duration::from_secs(60);

/// What has been said of one service, by the kind of error, of which there are a handful.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<Discriminant<Error>, Instant>>);

impl Complaints {
    /// Logs `error`, which a query of this name had.
    pub(super) fn complain(&self, query: &str, error: &Error) {
        let reason = service_kit::Failure::from(error);
        match self.is_news(error) {
            true => tracing::warn!(error = %reason, query, "a query has no answer"),
            false => tracing::debug!(error = %reason, query, "a query has no answer"),
        }
    }

    fn is_news(&self, error: &Error) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = discriminant(error);
        if said.get(&kind).is_some_and(|at| at.elapsed() < SAID_FOR) {
            return false;
        }
        said.insert(kind, Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_once_a_minute_and_another_one_at_once() {
        let failed = Error::Failed { service: "stock".into(), status: StatusCode::BAD_GATEWAY };
        let silent = Error::Timeout { service: "stock".into(), after: Duration::from_secs(1) };
        let complaints = Complaints::default();
        let news = |error| complaints.is_news(error);
        assert_eq!([news(&failed), news(&silent), news(&failed), news(&silent)], [true, true, false, false]);
        advance(SAID_FOR).await;
        assert!(news(&failed));
    }
}
