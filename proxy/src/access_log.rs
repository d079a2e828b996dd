//! One log line and one count for each request, when its answer is done.

use crate::gateway::Gateway;
use crate::page_cache::Outcome;
use crate::request::Request;
use http::request::Parts;
use pingora_core::Error;

/// What a request was answered with.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The status; 0 when there was none.
    pub status: u16,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// What ended it early.
    pub error: Option<&'a Error>,
}

/// Writes the line. No query string, no cookie, no Referer: they hold what visitors did not mean to tell.
pub fn write(gateway: &Gateway, head: &Parts, sent: Sent<'_>, request: &Request) {
    let Sent { status, body_bytes, error } = sent;
    let page = &*gateway.page_name(request);
    let kind = if request.asset.is_some() { "asset" } else { "page" };
    let release = request.release().unwrap_or_default();
    let reason = request.reason.map_or("", |reason| reason.as_str());
    let elapsed = request.started.elapsed();
    let class = match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "none",
    };
    gateway.metrics.requests.with_label_values(&[page, &*release, kind, class]).inc();
    gateway.metrics.duration.with_label_values(&[page, &*release, kind]).observe(elapsed.as_secs_f64());
    if !reason.is_empty() {
        gateway.metrics.decisions.with_label_values(&[reason]).inc();
    }
    let cache = request.cache.outcome.map_or("", Outcome::as_str);
    if !cache.is_empty() {
        gateway.metrics.cache.with_label_values(&[cache]).inc();
    }
    tracing::info!(
        request_id = request.id.as_str(),
        trace_id = request.trace.trace_id(),
        method = head.method.as_str(),
        path = head.uri.path(),
        status,
        duration_ms = elapsed.as_secs_f64() * 1e3,
        body_bytes,
        page,
        release = &*release,
        reason,
        cache,
        instance = request.in_flight.as_ref().map(|in_flight| tracing::field::display(in_flight.instance().address)),
        proxy_error = request.proxy_error,
        error = error.map(tracing::field::display),
        "answered",
    );
}
