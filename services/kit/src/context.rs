//! What a request carries from server to server: its id, and its place in a trace (W3C Trace Context, level 1).
//!
//! The server's outermost layer puts the context into the task, so a call to another service finds it without being
//! handed it. A spawned task has to take it along, as [`spawn`] does.

use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinHandle;
use tracing::Instrument;
use uuid::Uuid;

/// The header that names one request in all logs and error pages.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of W3C Trace Context, section 3.2.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longer ids than this are not ours and would only fill the logs.
const REQUEST_ID_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The context of the request that this task answers; none outside a request.
pub fn current() -> Option<RequestContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `work` in a task of its own, with this request's context and log span: it goes on to its end when the caller
/// hangs up, and with it the handler.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let work = work.in_current_span();
    match current() {
        Some(context) => tokio::spawn(context.scope(work)),
        None => tokio::spawn(work),
    }
}

/// One request's id and trace. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    request_id: Arc<str>,
    trace_id: Arc<str>,
    span_id: u64,
    sampled: bool,
}

impl RequestContext {
    /// A context for work that no request began.
    pub fn new() -> Self {
        Self {
            request_id: Uuid::new_v4().to_string().into(),
            trace_id: Uuid::new_v4().simple().to_string().into(),
            span_id: random_span_id(),
            sampled: true,
        }
    }

    /// The context of an arriving request: what it brought, as far as that is well-formed, and a new span of its trace.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut context = Self::new();
        if let Some(id) = text(headers, &REQUEST_ID).filter(|id| is_request_id(id)) {
            context.request_id = id.into();
        }
        if let Some((trace_id, sampled)) = text(headers, &TRACEPARENT).and_then(parse_traceparent) {
            context.trace_id = trace_id.into();
            context.sampled = sampled;
        }
        context
    }

    /// The id that names the request in logs and on error pages.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The trace, as 32 hex digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The `traceparent` of what this request calls: the caller's trace, with this server's span as the parent.
    pub fn traceparent(&self) -> String {
        let mut line = String::with_capacity(55);
        write!(line, "00-{}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
            .expect("writing to a String does not fail");
        line
    }

    /// Both headers, for a request to another server.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(REQUEST_ID, visible(&self.request_id));
        headers.insert(TRACEPARENT, visible(&self.traceparent()));
        headers
    }

    /// Runs `work` with this context as the current one.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl Default for RequestContext {
    fn default() -> Self {
        Self::new()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are visible ASCII")
}

fn is_request_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(allowed)
}

// The random half of a v4 UUID that holds the variant: never zero, which the standard forbids.
fn random_span_id() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

/// The trace id and the sampled flag of a `traceparent`, by section 3.2.2; a later version is read as version 00.
fn parse_traceparent(value: &str) -> Option<(&str, bool)> {
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = value.split('-');
    let (version, trace_id) = (parts.next()?, parts.next()?);
    let (parent_id, flags) = (parts.next()?, parts.next()?);
    let more = parts.next().is_some();
    let well_formed = hex(version, 2)
        && version != "ff"
        && !(version == "00" && more)
        && hex(trace_id, 32)
        && !zero(trace_id)
        && hex(parent_id, 16)
        && !zero(parent_id)
        && hex(flags, 2);
    if !well_formed {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace_id, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_request_keeps_its_id_and_trace_and_gets_a_span_of_its_own() {
        let incoming = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let context =
            RequestContext::from_headers(&headers(&[("x-request-id", "abc-1.2_3"), ("traceparent", &incoming)]));
        assert_eq!(context.request_id(), "abc-1.2_3");
        assert_eq!(context.trace_id(), TRACE);
        assert!(context.traceparent().starts_with(&format!("00-{TRACE}-")));
        assert!(context.traceparent().ends_with("-01"));
        assert!(!context.traceparent().contains("00f067aa0ba902b7"));
    }

    #[test]
    fn what_a_request_sends_on_is_well_formed() {
        let context = RequestContext::new();
        assert_eq!(context.traceparent().len(), 55);
        assert!(parse_traceparent(&context.traceparent()).is_some());
        let onward = RequestContext::from_headers(&context.headers());
        assert_eq!(onward.request_id(), context.request_id());
        assert_eq!(onward.trace_id(), context.trace_id());
        assert_ne!(onward.traceparent(), context.traceparent());
    }

    #[test]
    fn malformed_ids_are_replaced() {
        for id in ["", "two words", "line\tfeed", &"x".repeat(129), "a\"b"] {
            let context = RequestContext::from_headers(&headers(&[("x-request-id", id)]));
            assert_eq!(context.request_id().len(), 36, "{id:?}");
        }
    }

    #[test]
    fn traceparents_are_read_as_the_standard_says() {
        let parent = "00f067aa0ba902b7";
        let table = [
            (format!("00-{TRACE}-{parent}-01"), Some(true)),
            (format!("00-{TRACE}-{parent}-00"), Some(false)),
            (format!("00-{TRACE}-{parent}-03"), Some(true)),
            (format!("cc-{TRACE}-{parent}-01-later"), Some(true)),
            (format!("00-{TRACE}-{parent}-01-later"), None),
            (format!("ff-{TRACE}-{parent}-01"), None),
            (format!("00-{}-{parent}-01", TRACE.to_uppercase()), None),
            (format!("00-{}-{parent}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00-{TRACE}-{parent}"), None),
            (String::new(), None),
        ];
        for (value, expected) in table {
            assert_eq!(parse_traceparent(&value).map(|(_, sampled)| sampled), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn the_context_is_current_only_inside_its_scope() {
        assert_eq!(current(), None);
        let context = RequestContext::new();
        let seen = context.clone().scope(async { current() }).await;
        assert_eq!(seen, Some(context));
    }

    #[tokio::test]
    async fn spawned_work_keeps_the_context() {
        let context = RequestContext::new();
        let seen = context.clone().scope(async { spawn(async { current() }).await }).await;
        assert_eq!(seen.unwrap(), Some(context));
        assert_eq!(spawn(async { current() }).await.unwrap(), None);
    }
}
