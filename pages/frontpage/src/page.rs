//! The frontpage itself: what it is made of, and the view at `/`.

use std::collections::HashMap;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use page_kit::{Config, Error, Result, html, log_missing, request_id};
use templates::{Frame, Problem, Shell};
use tokio::join;

use crate::assets::FAVICON_ICO;
use crate::search::{Results, Search};
use crate::{PAGE, accounts, assets, catalog, orders, product, sample, visitor};

/// Views that are the same for everybody may be kept this long by everybody.
pub(crate) const FOR_EVERYBODY: &str = "public, max-age=60";
/// Names the part of a view that a script asks for, at the view's own URL.
pub(crate) const FRAGMENT: &str = "x-fragment";

const ROBOTS: &str = "User-agent: *\nDisallow: /checkout\nDisallow: /my-account\n";

/// What every handler works with.
#[derive(Debug, Clone)]
pub(crate) struct Frontpage {
    frame: Frame,
    pub(crate) assets: assets::Urls,
    pub(crate) catalog: catalog::Client,
    pub(crate) orders: orders::Client,
    pub(crate) accounts: accounts::Client,
}

impl Frontpage {
    /// The shell of a view that is the same for everybody: a script asks who is looking.
    pub(crate) fn shell(&self, title: &str) -> Shell {
        Shell { visitor_source: "/visitor.json", ..self.frame.shell(title) }
    }
}

/// Every URL of this page, as its `page.toml` lists them.
pub(crate) fn routes(config: &Config) -> Result<Router> {
    let page = Frontpage {
        frame: Frame::new(PAGE.name, config.asset_urls()),
        assets: assets::Urls::new(config.asset_urls()),
        catalog: catalog::Client::new(config.service("catalog", sample::catalog::routes)?),
        orders: orders::Client::new(config.service("orders", sample::orders::routes)?),
        accounts: accounts::Client::new(config.service("accounts", sample::accounts::routes)?),
    };
    let routes = Router::new()
        .route("/", get(home))
        .route("/products/{slug}", get(product::show).post(product::add))
        .route("/visitor.json", get(visitor::who))
        .route("/favicon.ico", get(favicon))
        .route("/robots.txt", get(ROBOTS))
        .fallback(not_found)
        .with_state(page.clone());
    Ok(page_kit::with_problems(routes, move |problem| {
        let shell = page.shell(problem.heading);
        Problem::new(shell, problem.heading, problem.explanation, problem.request_id).render()
    }))
}

#[derive(Template)]
#[template(path = "page.html")]
struct HomeView {
    shell: Shell,
    assets: assets::Urls,
    categories: Vec<catalog::Category>,
    search: Search,
    results: Results,
}

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsView {
    shell: Shell,
    results: Results,
}

async fn home(
    State(page): State<Frontpage>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if headers.get(FRAGMENT).is_some_and(|name| name == "results") {
        return results(page, &query).await;
    }
    let (categories, products) = join!(page.catalog.categories(), page.catalog.products(&query));
    let Some(products) = products.transpose() else {
        return Ok(not_found(State(page)).await?.into_response());
    };
    let mut shell = page.shell("Gear for slow mountains");
    if query.is_empty() {
        shell = shell.at("/");
    }
    let mut caching = FOR_EVERYBODY;
    for error in [categories.as_ref().err(), products.as_ref().err()].into_iter().flatten() {
        log_missing(error);
        shell.notice = "Some of the shop can’t be shown at this moment. Please try again in a minute.".to_owned();
        caching = "no-store";
    }
    let categories = categories.unwrap_or_default();
    let view = HomeView {
        shell,
        assets: page.assets,
        search: Search::new(&query, &categories),
        results: Results::new(&query, products.ok()),
        categories,
    };
    Ok(([(CACHE_CONTROL, caching), (VARY, FRAGMENT)], html(&view)?).into_response())
}

/// The results alone, for the script that puts them in place.
async fn results(page: Frontpage, query: &HashMap<String, String>) -> Result<Response, Error> {
    let Some(products) = page.catalog.products(query).await? else {
        return Ok(not_found(State(page)).await?.into_response());
    };
    let view = ResultsView { shell: page.shell(""), results: Results::new(query, Some(products)) };
    Ok(([(CACHE_CONTROL, "no-store"), (VARY, FRAGMENT)], html(&view)?).into_response())
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFoundView {
    shell: Shell,
    request_id: String,
}

pub(crate) async fn not_found(State(page): State<Frontpage>) -> Result<impl IntoResponse, Error> {
    let view = NotFoundView { shell: page.shell("Not found"), request_id: request_id() };
    Ok((StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store")], html(&view)?))
}

/// For whoever asks at the traditional place; pages link the asset itself.
async fn favicon() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, FAVICON_ICO.content_type), (CACHE_CONTROL, "public, max-age=86400")];
    (headers, FAVICON_ICO.bytes())
}
