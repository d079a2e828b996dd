//! What a request carries from server to server: its id, its place in a trace (W3C Trace Context, level 1), and the time
//! that is left to answer it.
//!
//! The server's outermost layer puts the context into the task, so a call to another service finds it without being
//! handed it. A spawned task has to take it along, as [`spawn`] does.

mod timeout;
mod traceparent;

use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::MatchedPath;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

/// The header that names one request in all logs and error pages.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of W3C Trace Context, section 3.2.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that tells how many milliseconds are left to answer.
pub const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// What is logged for a path that no route has.
const NO_ROUTE: &str = "(none)";

const VISIBLE: &str = "ids are visible ASCII";

/// Longer ids than this are not ours and would only fill the logs.
const REQUEST_ID_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The context of the request that this task answers; none outside a request.
pub fn current() -> Option<RequestContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Tells `write` of the request that this task answers, and nothing outside a request.
pub(crate) fn log_fields(write: impl FnOnce(&RequestContext, &Method, &str)) {
    // Not even a task is there when a thread ends.
    let _no_task = CURRENT.try_with(|context| {
        if let Some((method, route)) = &context.ids.request {
            write(context, method, route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str));
        }
    });
}

/// Runs `work` in a task of its own, with this request's context: it goes on to its end when the caller hangs up, and
/// with it the handler.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match current() {
        Some(context) => tokio::spawn(context.scope(work)),
        None => tokio::spawn(work),
    }
}

/// One request's id, trace and deadline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestContext {
    ids: Arc<Ids>,
    span_id: u64,
    sampled: bool,
    deadline: Instant,
}

#[derive(Debug, Clone)]
struct Ids {
    /// As it is sent.
    request_id: HeaderValue,
    trace_id: String,
    /// The request's method and route, for log lines; none when there is no request. The route and not the path, which may
    /// name a basket or an order: who knows its name may have it.
    request: Option<(Method, Option<MatchedPath>)>,
}

impl RequestContext {
    /// A context for work that no request began, with 10 s to do it in.
    pub fn new() -> Self {
        Self::begun(None, None, timeout::UNTOLD)
    }

    /// The same context, with this long from now.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { deadline: Instant::now() + time, ..self }
    }

    /// The context of an arriving request: what it brought, as far as that is well-formed, and a new span of its trace.
    /// It has as long as [`REQUEST_TIMEOUT`] tells, within 1 ms and 60 s; untold, 10 s.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let request_id = headers.get(REQUEST_ID).filter(|id| is_request_id(id.as_bytes())).cloned();
        let trace = text(headers, &TRACEPARENT).and_then(traceparent::parse);
        let time = text(headers, &REQUEST_TIMEOUT).and_then(timeout::parse);
        Self::begun(request_id, trace, time.unwrap_or(timeout::UNTOLD))
    }

    /// A context that makes up what nobody has told.
    fn begun(request_id: Option<HeaderValue>, trace: Option<(&str, bool)>, time: Duration) -> Self {
        let mut new_trace = Uuid::encode_buffer();
        let request_id = request_id.unwrap_or_else(new_request_id);
        let (trace_id, sampled) = trace.unwrap_or_else(|| (Uuid::new_v4().simple().encode_lower(&mut new_trace), true));
        let ids = Ids { request_id, trace_id: trace_id.into(), request: None };
        Self { ids: Arc::new(ids), span_id: random_span_id(), sampled, deadline: Instant::now() + time }
    }

    /// The context of an arriving request, of which log lines tell.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let mut context = Self::from_headers(request.headers());
        let route = request.extensions().get::<MatchedPath>().cloned();
        Arc::make_mut(&mut context.ids).request = Some((request.method().clone(), route));
        context
    }

    /// The id that names the request in logs and on error pages.
    pub fn request_id(&self) -> &str {
        self.ids.request_id.to_str().expect(VISIBLE)
    }

    /// The trace, as 32 hex digits.
    pub fn trace_id(&self) -> &str {
        &self.ids.trace_id
    }

    /// The `traceparent` of what this request calls: the caller's trace, with this server's span as the parent.
    pub fn traceparent(&self) -> String {
        let mut line = String::with_capacity(55);
        write!(line, "00-{}-{:016x}-{:02x}", self.ids.trace_id, self.span_id, u8::from(self.sampled))
            .expect("writing to a String does not fail");
        line
    }

    /// When the answer is of no use any more.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left until the deadline; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The id as a header's value.
    pub(crate) fn request_id_header(&self) -> HeaderValue {
        self.ids.request_id.clone()
    }

    /// Id and trace, for a request to another server. What time it has is known once it goes out.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(REQUEST_ID, self.request_id_header());
        headers.insert(TRACEPARENT, HeaderValue::try_from(self.traceparent()).expect(VISIBLE));
        headers
    }

    /// Runs `work` with this context as the current one.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Does at once what `begin` does, with this context as the current one.
    pub(crate) fn during<T>(&self, begin: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), begin)
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

fn new_request_id() -> HeaderValue {
    HeaderValue::from_str(Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer())).expect(VISIBLE)
}

fn is_request_id(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.iter().all(allowed)
}

// The random half of a v4 UUID that holds the variant: never zero, which the standard forbids.
fn random_span_id() -> u64 {
    Uuid::new_v4().as_u64_pair().1
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
        assert!(traceparent::parse(&context.traceparent()).is_some());
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

    #[tokio::test(start_paused = true)]
    async fn a_request_has_as_long_as_it_says_and_10_s_if_it_says_nothing() {
        for (told, expected) in [(&[("x-request-timeout-ms", "1500")][..], 1_500), (&[], 10_000)] {
            let context = RequestContext::from_headers(&headers(told));
            assert_eq!(context.remaining(), Duration::from_millis(expected), "{told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_out_and_stays_out() {
        let context = RequestContext::new().within(Duration::from_millis(300));
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(context.remaining(), Duration::from_millis(100));
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(context.remaining(), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_context_is_current_only_inside_its_scope() {
        assert!(current().is_none());
        let context = RequestContext::new();
        let seen = context.clone().scope(async { current() }).await;
        assert_eq!(seen.unwrap().request_id(), context.request_id());
    }

    #[tokio::test]
    async fn spawned_work_keeps_the_context() {
        let context = RequestContext::new();
        let seen = context.clone().scope(async { spawn(async { current() }).await }).await;
        assert_eq!(seen.unwrap().unwrap().request_id(), context.request_id());
        assert!(spawn(async { current() }).await.unwrap().is_none());
    }
}
