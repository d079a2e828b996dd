//! The frontpage itself: what it is made of, and the view at `/`.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use page_kit::{Answer, Config, Error, Kept, Result, Routes, Source, html, request_id};
use templates::{Frame, Problem, Shell};
use tokio::join;

use crate::assets::FAVICON_ICO;
use crate::search::{Results, Search};
use crate::{PAGE, accounts, assets, catalog, orders, product, sample, visitor};

/// Names the part of a view that a script asks for, at the view's own URL.
pub(crate) const FRAGMENT: HeaderName = HeaderName::from_static("x-fragment");

const BY_FRAGMENT: HeaderValue = HeaderValue::from_static("x-fragment");
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=60");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

const ROBOTS: &str = "User-agent: *\nDisallow: /checkout\nDisallow: /my-account\n";

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Frontpage {
    frame: Frame,
    pub(crate) assets: assets::Urls,
    pub(crate) catalog: catalog::Client,
    pub(crate) orders: orders::Client,
    pub(crate) accounts: accounts::Client,
    first: Kept<Shows>,
}

/// What the first view shows: these very answers.
struct Shows(Arc<catalog::Categories>, Arc<Option<catalog::Products>>);

impl PartialEq for Shows {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) && Arc::ptr_eq(&self.1, &other.1)
    }
}

impl Frontpage {
    /// The shell of a view that is the same for everybody: a script asks who is looking.
    pub(crate) fn shell(&self, title: &str) -> Shell {
        Shell { visitor_source: "/visitor.json", ..self.frame.shell(title) }
    }

    /// The view at `/`; none when there can't be such a search.
    fn home<'a>(
        &self,
        query: &HashMap<String, String>,
        categories: &'a Answer<Arc<catalog::Categories>>,
        products: &'a Answer<Arc<Option<catalog::Products>>>,
    ) -> Option<HomeView<'a>> {
        let results = Results::new(query, products)?;
        let categories: &[_] = match categories {
            // What kinds of gear there are is the same as yesterday.
            Answer::Fresh(known) | Answer::Stale(known, _) => &known.categories,
            Answer::Unavailable => &[],
        };
        let shell = self.shell("Gear for slow mountains");
        let shell = if query.is_empty() { shell.at("/") } else { shell };
        let search = Search::new(query, categories);
        Some(HomeView { shell, assets: self.assets, categories, search, results })
    }
}

/// Whom this page asks.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) catalog: Source,
    pub(crate) orders: Source,
    pub(crate) accounts: Source,
}

/// Every URL of this page, as its `page.toml` lists them.
pub(crate) fn routes(config: &Config) -> Result<Routes> {
    let sources = Sources {
        catalog: config.source("catalog", sample::catalog::routes)?,
        orders: config.source("orders", sample::orders::routes)?,
        accounts: config.source("accounts", sample::accounts::routes)?,
    };
    Ok(routes_with(config, &sources))
}

pub(crate) fn routes_with(config: &Config, sources: &Sources) -> Routes {
    let page = Arc::new(Frontpage {
        frame: Frame::new(PAGE.name, config.asset_urls()),
        assets: assets::Urls::new(config.asset_urls()),
        catalog: catalog::Client::new(&sources.catalog),
        orders: orders::Client::new(&sources.orders),
        accounts: accounts::Client::new(&sources.accounts),
        first: Kept::default(),
    });
    let routes = Router::new()
        .route("/", get(home))
        .route("/products/{slug}", get(product::show).post(product::add))
        .route("/visitor.json", get(visitor::who))
        .route("/favicon.ico", get(favicon))
        .route("/robots.txt", get(ROBOTS))
        .fallback(not_found)
        .with_state(page.clone());
    page_kit::with_problems(routes, move |problem| {
        let shell = page.shell(problem.heading);
        Problem::new(shell, problem.heading, problem.explanation, problem.request_id).render()
    })
}

#[derive(Template)]
#[template(path = "page.html")]
struct HomeView<'a> {
    shell: Shell,
    assets: assets::Urls,
    categories: &'a [catalog::Category],
    search: Search,
    results: Results<'a>,
}

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsView<'a> {
    shell: Shell,
    results: Results<'a>,
}

async fn home(
    State(page): State<Arc<Frontpage>>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Result<Response, Error> {
    if request.headers().get(FRAGMENT).is_some_and(|name| name == "results") {
        return results(page, &query).await;
    }
    let (categories, products) = join!(page.catalog.categories(), page.catalog.products(&query));
    let is_complete = categories.is_fresh() && products.is_fresh();
    // Without an error there is just no such view.
    let render = || page.home(&query, &categories, &products).ok_or(None).and_then(|view| html(&view).map_err(Some));
    let view = match (&categories, &products) {
        // What nearly everybody sees is rendered once for everybody.
        (Answer::Fresh(categories), Answer::Fresh(products)) if query.is_empty() => {
            page.first.or_render(Shows(categories.clone(), products.clone()), render).map(IntoResponse::into_response)
        }
        _ => render().map(IntoResponse::into_response),
    };
    match view {
        Ok(view) => Ok(([(CACHE_CONTROL, for_everybody(is_complete)), (VARY, BY_FRAGMENT)], view).into_response()),
        Err(Some(error)) => Err(error),
        Err(None) => Ok(not_found(State(page)).await?.into_response()),
    }
}

/// How a view may be kept that is the same for everybody: not at all when it shows something old, or lacks something.
pub(crate) fn for_everybody(is_complete: bool) -> HeaderValue {
    if is_complete { PUBLIC } else { NO_STORE }
}

/// The results alone, for the script that puts them in place.
async fn results(page: Arc<Frontpage>, query: &HashMap<String, String>) -> Result<Response, Error> {
    let products = page.catalog.products(query).await;
    let Some(results) = Results::new(query, &products) else {
        return Ok(not_found(State(page)).await?.into_response());
    };
    let view = ResultsView { shell: page.shell(""), results };
    Ok(([(CACHE_CONTROL, NO_STORE), (VARY, BY_FRAGMENT)], html(&view)?).into_response())
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFoundView {
    shell: Shell,
    request_id: String,
}

pub(crate) async fn not_found(State(page): State<Arc<Frontpage>>) -> Result<impl IntoResponse, Error> {
    let view = NotFoundView { shell: page.shell("Not found"), request_id: request_id() };
    Ok((StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store")], html(&view)?))
}

/// For whoever asks at the traditional place; pages link the asset itself.
async fn favicon() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, FAVICON_ICO.content_type), (CACHE_CONTROL, "public, max-age=86400")];
    (headers, FAVICON_ICO.bytes())
}
