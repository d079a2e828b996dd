//! The admin address: what operators and tools may ask. Read-only, and for callers that name it as it is bound.
//!
//! - `GET /api/fleet`: pages, releases, shares, instances, states, what was refused and why, names, the vault.
//! - `GET /metrics`: Prometheus text.

use crate::fleet::{Fleet, Page};
use crate::instance::Instance;
use crate::metrics::Metrics;
use crate::page_cache::PageCache;
use crate::reports::{ConfigReport, NameReport, Refused, Reports};
use crate::vault::{Vault, VaultStatus};
use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What the admin address shows.
#[derive(Clone)]
pub struct Admin {
    /// Pages and instances.
    pub fleet: Arc<Fleet>,
    /// Counters.
    pub metrics: Metrics,
    /// What was refused, resolved, and waits for an upgrade.
    pub reports: Arc<ArcSwap<Reports>>,
    /// The vault, unless it is off.
    pub vault: Option<Arc<Vault>>,
    /// The cache of pages' answers.
    pub cache: Arc<PageCache>,
    /// Where it is bound.
    pub address: SocketAddr,
}

#[derive(Serialize)]
struct FleetView<'a> {
    pages: Vec<PageView<'a>>,
    refused: &'a [Refused],
    names: &'a [NameReport],
    config: &'a ConfigReport,
    vault: Option<VaultStatus>,
    pid: u32,
}

#[derive(Serialize)]
struct PageView<'a> {
    page: &'a str,
    routes: Vec<&'a str>,
    shares: BTreeMap<&'a str, u8>,
    instances: Vec<InstanceView>,
}

#[derive(Serialize)]
struct InstanceView {
    address: SocketAddr,
    release: Option<String>,
    state: &'static str,
    in_flight: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ungated: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ejected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl<'a> From<&'a Page> for PageView<'a> {
    fn from(page: &'a Page) -> Self {
        Self {
            page: &page.name,
            routes: page.file.iter().flat_map(|file| &file.routes).map(|route| route.as_str()).collect(),
            shares: page.shares().into_iter().flat_map(|shares| shares.iter()).collect(),
            instances: page.instances.iter().map(|instance| InstanceView::from(instance.as_ref())).collect(),
        }
    }
}

impl From<&Instance> for InstanceView {
    fn from(instance: &Instance) -> Self {
        Self {
            address: instance.address,
            release: instance.release().map(|release| release.to_string()),
            state: instance.state().as_str(),
            in_flight: instance.in_flight(),
            refused: instance.refused.load_full().map(Arc::unwrap_or_clone),
            ungated: instance.ungated.load(Ordering::Relaxed),
            ejected: instance.is_ejected(),
            problem: instance.problem.load_full().map(Arc::unwrap_or_clone),
        }
    }
}

impl Admin {
    async fn vault_status(&self) -> Option<VaultStatus> {
        match &self.vault {
            Some(vault) => Some(vault.status().await),
            None => None,
        }
    }
}

/// The routes of the admin address.
pub fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/api/fleet", get(fleet))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(admin.clone(), check_host))
        .with_state(admin)
}

async fn fleet(State(admin): State<Admin>) -> Response {
    let vault = admin.vault_status().await;
    let (view, reports) = (admin.fleet.view(), admin.reports.load());
    let pages = view.pages().into_iter().map(|page| PageView::from(page.as_ref())).collect();
    let Reports { refused, names, config } = &**reports;
    Json(FleetView { pages, refused, names, config, vault, pid: std::process::id() }).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.render(&admin.fleet, (admin.vault_status().await, admin.cache.status())) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A web page on another origin can make a browser ask here under a name of its own (DNS rebinding); its Host tells.
async fn check_host(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if is_own_host(request.headers(), admin.address) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "the admin address answers to its own address and localhost only\n")
        .into_response()
}

fn is_own_host(headers: &HeaderMap, address: SocketAddr) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let named = [address.to_string(), format!("localhost:{}", address.port()), format!("127.0.0.1:{}", address.port())];
    named.iter().any(|name| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_answered() {
        let address: SocketAddr = "127.0.0.1:8081".parse().unwrap();
        for (host, expected) in [
            (Some("127.0.0.1:8081"), true),
            (Some("LOCALHOST:8081"), true),
            (Some("evil.example:8081"), false),
            (Some("127.0.0.1"), false),
            (Some("127.0.0.1:8081.evil.example"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(header::HOST, host.parse().unwrap());
            }
            assert_eq!(is_own_host(&headers, address), expected, "{host:?}");
        }
    }
}
