//! One log line and one count for each request, when its answer is done.

use crate::asset_decision::Reason;
use crate::gateway::Gateway;
use crate::metrics::Answered;
use crate::page_cache::Outcome;
use crate::request::Request;
use http::Method;
use std::fmt::Display;

/// What a request was answered with.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    /// The status; 0 when there was none.
    pub status: u16,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// What ended it early.
    pub error: Option<&'a dyn Display>,
}

/// Writes the line. No query string, no cookie, no Referer: they hold what visitors did not mean to tell.
pub fn write(gateway: &Gateway, (method, path): (&Method, &str), sent: Sent<'_>, request: &Request) {
    let Sent { status, body_bytes, error } = sent;
    let view = gateway.fleet.view();
    let page = request.page.map(|page| view.page(page));
    let name = page.map_or("", |page| &*page.name);
    let kind = if request.asset.is_some() { "asset" } else { "page" };
    let release = request.release().unwrap_or_default();
    let elapsed = request.started.elapsed();
    let metrics = &gateway.metrics;
    let answered = Answered { page: name, release: &release, kind, status, seconds: elapsed.as_secs_f64() };
    metrics.answered(&answered, page.map(|page| &*page.counted));
    request.reason.inspect(|reason| metrics.decided(*reason));
    request.cache.outcome.inspect(|outcome| metrics.cached(*outcome));
    let reason = request.reason.map_or("", Reason::as_str);
    let cache = request.cache.outcome.map_or("", Outcome::as_str);
    tracing::info!(
        request_id = request.id.as_str(),
        trace_id = request.trace.trace_id(),
        method = method.as_str(),
        path,
        status,
        duration_ms = elapsed.as_secs_f64() * 1e3,
        body_bytes,
        page = name,
        release = &*release,
        reason,
        cache,
        instance = request.in_flight.as_ref().map(|in_flight| tracing::field::display(in_flight.instance().address)),
        proxy_error = request.proxy_error,
        error = error.map(tracing::field::display),
        "answered",
    );
}
