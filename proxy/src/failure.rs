//! What becomes of an attempt that failed: another one, or an answer of ours. Only here an error becomes a status.

use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::instance::Instance;
use crate::request::Request;
use crate::retry::{self, FailedAttempt};
use http::StatusCode;
use pingora_core::prelude::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

/// Our answer to an attempt that failed for good; `None` when nobody is there to read it.
pub(crate) fn answer_to(error: &Error) -> Option<Answer> {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout, WriteError, WriteTimedout,
    };
    let (status, name) = match (error.esource(), error.etype()) {
        (_, HTTPStatus(503)) => (StatusCode::SERVICE_UNAVAILABLE, "no-healthy-instance"),
        (ErrorSource::Upstream, ConnectTimedout) => (StatusCode::GATEWAY_TIMEOUT, "connect-timeout"),
        (ErrorSource::Upstream, ReadTimedout) => (StatusCode::GATEWAY_TIMEOUT, "response-timeout"),
        (ErrorSource::Upstream, _) => (StatusCode::BAD_GATEWAY, "upstream-failed"),
        (ErrorSource::Downstream, ReadTimedout) => (StatusCode::REQUEST_TIMEOUT, "body-timeout"),
        (ErrorSource::Downstream, _) if is_malformed(error) => (StatusCode::BAD_REQUEST, "bad-body"),
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError | WriteTimedout) => return None,
        (ErrorSource::Downstream, _) => (StatusCode::BAD_REQUEST, "bad-request"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    Some(Answer::error(status, name))
}

/// Whether the head guard found the body malformed.
fn is_malformed(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}

impl Gateway {
    /// Notes against the instance that an attempt there gave no answer.
    pub(crate) fn note_failed_attempt(&self, request: &Request) {
        if let Some(in_flight) = &request.in_flight {
            self.note_failure_of(in_flight.instance());
        }
    }

    /// Notes against an instance that it gave no answer.
    pub(crate) fn note_failure_of(&self, instance: &Instance) {
        let (page, release) = (self.fleet.page(instance.page), instance.release().unwrap_or_default());
        self.metrics.failed_attempts.with_label_values(&[&*page.name, &*release]).inc();
        instance.check_now.notify_one();
        self.checker.attempted(instance, true);
    }

    /// Whether a request of pingora's, whose attempt failed, may go to another instance; counts it if so.
    pub(crate) fn retries_session(&self, session: &mut Session, request: &Request, request_sent: bool) -> bool {
        let failed = FailedAttempt {
            method: &session.req_header().method,
            request_sent,
            response_started: session.response_written().is_some(),
            body_replayable: !session.as_ref().retry_buffer_truncated(),
            attempts: request.tried.len(),
        };
        self.retries(request, failed)
    }

    /// Whether the attempt that failed may go to another instance; counts it if so.
    pub(crate) fn retries(&self, request: &Request, failed: FailedAttempt<'_>) -> bool {
        let Some(page) = request.page.filter(|_| retry::may_retry(failed)) else { return false };
        let granted = self.fleet.view().page(page).retries.withdraw();
        if granted {
            self.metrics.retries.with_label_values(&[&self.page_name(request)]).inc();
        }
        granted
    }
}
