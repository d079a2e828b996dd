//! A request whose time is over: its instance is let go, and the client told where nothing was sent yet.

use crate::answer;
use crate::gateway::Gateway;
use crate::head::Refusal;
use crate::serving::{Asked, Deadline};
use http::StatusCode;

/// The last bytes to the client: a 504, or none when an answer has begun. Counted and logged here, since the request's own
/// end is never reached.
pub fn answer_to(gateway: &Gateway, asked: &Asked, deadline: Deadline) -> Vec<u8> {
    let error = match deadline {
        Deadline::FirstByte(_) => "first-byte-timeout",
        Deadline::LastByte(_) => "total-timeout",
    };
    let (instance, id) = (&asked.instance, asked.request_id.as_str());
    let (page, release) = (gateway.fleet.page(instance.page), instance.release().unwrap_or_default());
    gateway.note_failure_of(instance);
    gateway.metrics.requests.with_label_values(&[&*page.name, &*release, "page", "5xx"]).inc();
    gateway.metrics.proxy_errors.with_label_values(&[error]).inc();
    tracing::warn!(
        request_id = id, status = 504, page = &*page.name, release = &*release, instance = %instance.address,
        proxy_error = error, "overdue",
    );
    match deadline {
        Deadline::LastByte(_) => Vec::new(),
        Deadline::FirstByte(_) => {
            let refusal = Refusal { status: StatusCode::GATEWAY_TIMEOUT, reason: error };
            let settings = gateway.live.load();
            let body = settings.error_pages.body(refusal.status, id, &page.name, asked.wants_html);
            answer::last_words(body, (id, refusal))
        }
    }
}
