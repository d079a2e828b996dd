//! The page contract around a page's own routes: manifest, health, assets, counted requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::COOKIE;
use axum::middleware::Next;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use serde_json::json;
use service_kit::serve::Server;
use service_kit::{Failure, telemetry};
use shared_assets::Asset;

use crate::assets::{Assets, NameTaken};
use crate::config::Config;
use crate::manifest::Manifest;
use crate::{check, form_protection, headers, manifest};

/// What a page that runs by itself takes for the basket of a visitor who brings none: there is no shop beside it in
/// which one could be filled.
const SAMPLE_BASKET: &str = "basket=sample";

/// Serves a page until SIGTERM or SIGINT; or verifies it and returns, if the flags say `--check`.
///
/// `bundles` are the assets it embeds: the shared ones, and its own if it has some.
///
/// # Errors
/// When two assets have one name, the address can't be listened on, or the check fails.
pub async fn serve(config: &Config, bundles: &[&'static [Asset]], routes: Router) -> Result<(), Failure> {
    let assets = Assets::new(bundles)?;
    let manifest = Manifest::new(&config.page, &assets);
    if config.flags.check {
        check::check(&assets)?;
        println!("ok {} {} {} assets", manifest.page, manifest.release, manifest.assets.len());
        return Ok(());
    }
    telemetry::init()?;
    let requests = Requests::default();
    let (page, release, counted) = (config.page.name, config.page.release(), requests.clone());
    let live = move || json!({ "page": page, "release": release, "requests": counted.count() });
    let router = around(config, assets, &manifest, requests, routes);
    Server::new(page, &config.flags.listen).live(live).run(router).await?;
    Ok(())
}

/// All that [`serve`] serves but health checks, in process; for tests.
///
/// # Errors
/// When two assets have one name.
pub fn app(config: &Config, bundles: &[&'static [Asset]], routes: Router) -> Result<Router, NameTaken> {
    let assets = Assets::new(bundles)?;
    let manifest = Manifest::new(&config.page, &assets);
    Ok(around(config, assets, &manifest, Requests::default(), routes))
}

fn around(config: &Config, assets: Assets, manifest: &Manifest, requests: Requests, routes: Router) -> Router {
    let mut routes = routes.layer(from_fn(form_protection::protect)).layer(map_response(headers::add));
    if config.flags.standalone {
        routes = routes.layer(from_fn(with_sample_basket));
    }
    routes
        .merge(crate::assets::routes(Arc::new(assets)))
        .layer(from_fn_with_state(requests, count))
        .merge(manifest::routes(manifest))
}

/// How many requests this instance has had, health checks and manifest aside.
#[derive(Debug, Clone, Default)]
struct Requests(Arc<AtomicU64>);

impl Requests {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

async fn count(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    requests.0.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

async fn with_sample_basket(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let brings_one = headers.get_all(COOKIE).iter().any(|value| {
        value.to_str().is_ok_and(|text| text.split(';').any(|pair| pair.trim_start().starts_with("basket=")))
    });
    if !brings_one {
        headers.append(COOKIE, HeaderValue::from_static(SAMPLE_BASKET));
    }
    next.run(request).await
}
