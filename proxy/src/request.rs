//! What is known of one request, from its head to its log line.

use crate::asset_decision::Reason;
use crate::asset_url::AssetUrl;
use crate::client_request;
use crate::dispatch::Dispatch;
use crate::fleet::PageId;
use crate::instance::{InFlight, Instance};
use crate::page_cache::passage::CacheUse;
use crate::page_limit::Place;
use crate::request_id::RequestId;
use crate::shares::Bucket;
use crate::trace_context::TraceContext;
use http::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// What is known of one request.
pub struct Request {
    /// When its head was complete.
    pub started: Instant,
    /// Its id; in every answer and log line.
    pub id: RequestId,
    /// Its trace.
    pub trace: TraceContext,
    /// The page that answers, once decided.
    pub page: Option<PageId>,
    /// Why that page.
    pub reason: Option<Reason>,
    /// Who answers, where that was found before pingora had it.
    pub(crate) dispatched: Option<Dispatch>,
    /// Which asset URL it is, for assets.
    pub asset: Option<AssetUrl>,
    /// After how many seconds the client may ask again, when it asked too much.
    pub retry_after: Option<u64>,
    /// Its place among those that its page is answering, freed when it is dropped.
    pub place: Option<Place>,
    /// The error that the proxy answered with, as in `x-proxy-error`.
    pub proxy_error: Option<&'static str>,
    /// The instance that is answering, counted while it does.
    pub in_flight: Option<InFlight>,
    /// The release that answers, when the vault does.
    pub release: Option<Arc<str>>,
    /// The visitor's bucket, while some page has shares.
    pub bucket: Option<Bucket>,
    /// Whether the visitor came by HTTPS, as a trusted proxy in front says.
    pub is_https: bool,
    /// Whether the visitor had none before.
    pub is_new_visitor: bool,
    /// The release that the visitor gets of the page that answers, while it has shares.
    pub wanted: Option<Arc<str>>,
    /// Its path in normal form.
    pub path: String,
    /// What the page cache has to do with it.
    pub cache: CacheUse,
    /// The address of the connection's other end.
    pub peer: Option<IpAddr>,
    /// Whether that is one of the trusted proxies.
    pub trusted: bool,
    /// Instances that were asked.
    pub tried: Vec<Arc<Instance>>,
}

impl Request {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            id: RequestId::new(),
            trace: TraceContext::new(),
            page: None,
            reason: None,
            dispatched: None,
            asset: None,
            retry_after: None,
            place: None,
            proxy_error: None,
            in_flight: None,
            release: None,
            bucket: None,
            is_https: false,
            is_new_visitor: false,
            wanted: None,
            path: String::new(),
            cache: CacheUse::default(),
            peer: None,
            trusted: false,
            tried: Vec::new(),
        }
    }

    /// Notes who asks, and by which name the request goes: those that a trusted peer gives, or our own.
    pub fn meet(&mut self, headers: &HeaderMap, peer: Option<IpAddr>, trusted_proxies: &[IpNet]) {
        self.peer = peer;
        self.trusted = client_request::is_trusted(peer, trusted_proxies);
        if self.trusted {
            self.id = RequestId::given(headers).unwrap_or_else(|| self.id.clone());
            self.trace = client_request::trace(headers).unwrap_or(self.trace);
            self.is_https = client_request::is_https(headers);
        }
    }

    /// The release that answers, when known.
    pub fn release(&self) -> Option<Arc<str>> {
        self.release.clone().or_else(|| self.in_flight.as_ref()?.instance().release())
    }
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_trace_and_scheme_are_taken_from_trusted_peers_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let headers = HeaderMap::from_iter([
            ("x-request-id".parse().unwrap(), "given-by-peer".parse().unwrap()),
            ("traceparent".parse().unwrap(), format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap()),
            ("x-forwarded-proto".parse().unwrap(), "https".parse().unwrap()),
        ]);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, is_trusted) in [("10.1.2.3", true), ("192.0.2.1", false)] {
            let mut request = Request::new();
            request.meet(&headers, Some(peer.parse().unwrap()), &trusted);
            assert_eq!(request.id.as_str() == "given-by-peer", is_trusted, "{peer}");
            assert_eq!(request.trace.trace_id() == trace, is_trusted, "{peer}");
            assert_eq!((request.trusted, request.is_https), (is_trusted, is_trusted), "{peer}");
        }
    }
}
