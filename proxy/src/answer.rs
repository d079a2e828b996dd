//! Answers that the proxy makes itself.

use crate::asset_answer;
use crate::error_pages::{ErrorBody, ErrorPages};
use crate::gateway::Gateway;
use crate::head::Refusal;
use crate::header_fields;
use crate::request::Request;
use crate::request_id::RequestId;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::atomic::Ordering;

/// A self-contained error page has its style inside, and needs nothing else.
const ERROR_PAGE_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What to answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The word in `x-proxy-error` that tells our answer from a page's.
    pub error: Option<&'static str>,
}

impl Answer {
    /// An error of ours.
    pub fn error(status: StatusCode, error: &'static str) -> Self {
        Self { status, error: Some(error) }
    }

    /// No body, no error.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, error: None }
    }
}

/// Sends an answer of ours, and notes its error in the request.
///
/// # Errors
/// When the client is gone.
pub async fn ours(
    gateway: &Gateway,
    session: &mut Session,
    request: &mut Request,
    ours: Answer,
) -> pingora_core::Result<()> {
    request.proxy_error = ours.error;
    let page = gateway.page_name(request);
    let settings = gateway.live.load();
    let body = settings.error_pages.body(
        ours.status,
        request.id.as_str(),
        &page,
        wants_html(&session.req_header().headers, request),
    );
    let mut response = ResponseHeader::build(ours.status, Some(12))?;
    header_fields::of_response(&mut response, |fields| gateway.sign(fields, request));
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    if ours.status == StatusCode::METHOD_NOT_ALLOWED || ours.error.is_none() {
        response.insert_header(header::ALLOW, if request.asset.is_some() { "GET, HEAD" } else { "GET, HEAD, POST" })?;
    }
    if let Some(seconds) = request.retry_after.or((ours.status == StatusCode::SERVICE_UNAVAILABLE).then_some(5)) {
        response.insert_header(header::RETRY_AFTER, seconds)?;
    }
    if gateway.draining.load(Ordering::Relaxed) {
        session.set_keepalive(None);
    }
    let Some(error) = ours.error else {
        return session.write_response_header(Box::new(response), true).await;
    };
    gateway.metrics.proxy_errors.with_label_values(&[error]).inc();
    response.insert_header("x-proxy-error", error)?;
    response.insert_header(header::CONTENT_TYPE, body.content_type)?;
    response.insert_header(header::CONTENT_LENGTH, body.text.len())?;
    response.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    response.insert_header(header::CONTENT_SECURITY_POLICY, ERROR_PAGE_CSP)?;
    let head_only = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(response), head_only).await?;
    if head_only {
        return Ok(());
    }
    session.write_response_body(Some(Bytes::from(body.text)), true).await
}

/// Whether the client shows an error page, and does not look for an asset.
pub fn wants_html(headers: &HeaderMap, request: &Request) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    request.asset.is_none() && (accept.is_empty() || accept.contains("text/html") || accept.contains("*/*"))
}

/// Sends an asset out of the vault.
///
/// # Errors
/// When the client is gone.
pub async fn held(
    gateway: &Gateway,
    session: &mut Session,
    request: &Request,
    asset: asset_answer::Answer,
) -> pingora_core::Result<()> {
    let mut response = ResponseHeader::build_no_case(asset.status, Some(0))?;
    header_fields::of_response(&mut response, |fields| {
        *fields = asset.headers;
        gateway.sign(fields, request);
    });
    if gateway.draining.load(Ordering::Relaxed) {
        session.set_keepalive(None);
    }
    let head_only = session.req_header().method == Method::HEAD || asset.body.is_empty();
    session.write_response_header(Box::new(response), head_only).await?;
    if head_only {
        return Ok(());
    }
    session.write_response_body(Some(asset.body), true).await
}

/// The bytes for a refused head: nothing of it was parsed, so nothing of it is answered to.
pub fn refusal(pages: &ErrorPages, refusal: Refusal) -> Vec<u8> {
    let id = RequestId::new();
    tracing::info!(
        request_id = id.as_str(),
        status = refusal.status.as_u16(),
        reason = refusal.reason,
        "request head refused"
    );
    last_words(pages.body(refusal.status, id.as_str(), "", true), (id.as_str(), refusal))
}

/// The bytes of an answer after which the connection ends.
pub fn last_words(body: ErrorBody, (id, refusal): (&str, Refusal)) -> Vec<u8> {
    let allow = if refusal.status == StatusCode::METHOD_NOT_ALLOWED { "allow: GET, HEAD, POST\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\ncontent-security-policy: {ERROR_PAGE_CSP}\r\nx-request-id: {id}\r\n\
         x-proxy-error: {reason}\r\n{allow}connection: close\r\n\r\n{text}",
        status = refusal.status,
        date = httpdate::fmt_http_date(std::time::SystemTime::now()),
        content_type = body.content_type,
        length = body.text.len(),
        reason = refusal.reason,
        text = body.text,
    )
    .into_bytes()
}
