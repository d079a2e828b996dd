//! The page contract around a page's own routes: manifest, health, assets, counters.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::Route;
use futures_util::TryFutureExt;
use futures_util::future::Either;
use prometheus::IntCounter;
use serde_json::json;
use service_kit::layers::Answer;
use service_kit::serve::Server;
use service_kit::{Failure, telemetry};
use shared_assets::Asset;
use tower::Service;

use crate::assets::{Assets, NameTaken};
use crate::config::Config;
use crate::manifest::Manifest;
use crate::problem::{Problems, Routes};
use crate::validators::Asked;
use crate::work::Work;
use crate::{check, form_protection, headers, manifest, metrics};

/// What a page that runs by itself takes for the basket of a visitor who brings none: there is no shop beside it in
/// which one could be filled.
const SAMPLE_BASKET: &str = "basket=sample";

/// Serves a page until SIGTERM or SIGINT; or verifies it and returns, if the flags say `--check`.
///
/// `bundles` are the assets it embeds: the shared ones, and its own if it has some.
///
/// # Errors
/// When two assets have one name, the address can't be listened on, or the check fails.
pub async fn serve(config: &Config, bundles: &[&'static [Asset]], routes: Routes) -> Result<(), Failure> {
    serve_with(config, bundles, routes, Vec::new()).await
}

/// The same, with work that goes on beside it. Once the page is asked to stop, the work is waited for.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    config: &Config,
    bundles: &[&'static [Asset]],
    routes: Routes,
    work: Vec<Work>,
) -> Result<(), Failure> {
    let assets = Assets::new(bundles)?;
    let manifest = Manifest::new(&config.page, &assets);
    if config.flags.check {
        check::check(&assets)?;
        println!("ok {} {} {} assets", manifest.page, manifest.release, manifest.assets.len());
        return Ok(());
    }
    telemetry::init()?;
    let (page, release, requests) = (config.page.name, config.page.release(), config.metrics.requests().clone());
    let told: Vec<_> = work.iter().filter_map(|work| Some((work.name, work.live.clone()?))).collect();
    let live = move || {
        let mut live = json!({ "page": page, "release": release, "requests": requests.get() });
        told.iter().for_each(|(name, tell)| live[*name] = tell());
        live
    };
    let server = Server::new(page, &config.flags.listen).finishing_late().live(live);
    let app = around(&server, config, (assets, &manifest), routes);
    let begin = |work: Work| (tokio::spawn((work.run)(server.readiness())), work.finish);
    let working: Vec<_> = work.into_iter().map(begin).collect();
    server.run_app(app).await?;
    for (work, finish) in working {
        // It can only have panicked, which has been told.
        let _panicked = work.await;
        finish().await;
    }
    Ok(())
}

/// All that [`serve`] serves, in process; for tests.
///
/// # Errors
/// When two assets have one name.
pub fn app(config: &Config, bundles: &[&'static [Asset]], routes: Routes) -> Result<Router, NameTaken> {
    let assets = Assets::new(bundles)?;
    let manifest = Manifest::new(&config.page, &assets);
    let server = Server::new(config.page.name, &config.flags.listen).finishing_late();
    Ok(around(&server, config, (assets, &manifest), routes))
}

fn around(
    server: &Server,
    config: &Config,
    (assets, manifest): (Assets, &Manifest),
    Routes { router, problems }: Routes,
) -> Router {
    let requests = config.metrics.requests().clone();
    let around = Around { requests: requests.clone(), is_alone: config.flags.standalone, problems };
    let page = server.around(router, move |request, page| around.answer(request, page));
    let assets = server.around(crate::assets::routes(Arc::new(assets)), move |request, asset| {
        requests.inc();
        asset.call(request)
    });
    let about = manifest::routes(manifest).merge(metrics::routes(config.metrics.clone()));
    page.merge(assets).merge(server.app(about))
}

/// What happens around every request for the page itself.
#[derive(Clone)]
struct Around {
    requests: IntCounter,
    is_alone: bool,
    problems: Problems,
}

impl Around {
    fn answer(&self, mut request: Request, page: &mut Route) -> impl Future<Output = Answer> + Send + use<> {
        self.requests.inc();
        if self.is_alone {
            bring_sample_basket(request.headers_mut());
        }
        let asked = Asked::by(&request);
        let answer = match form_protection::check(&request) {
            Ok(()) => Either::Left(self.problems.around(request, page)),
            Err(refused) => Either::Right(ready(Ok(refused.into_response()))),
        };
        answer.and_then(async |response| Ok(headers::add(asked.answered(response).await)))
    }
}

fn bring_sample_basket(headers: &mut HeaderMap) {
    let brings_one = headers.get_all(COOKIE).iter().any(|value| {
        value.to_str().is_ok_and(|text| text.split(';').any(|pair| pair.trim_start().starts_with("basket=")))
    });
    if !brings_one {
        headers.append(COOKIE, HeaderValue::from_static(SAMPLE_BASKET));
    }
}
