//! My account as a whole: its URLs, its services, and what is not there.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use page_kit::{
    Config, Data, Error, Kept, Result, Routes, ServiceError, Source, html, link, local_path, log_missing, request_id,
};
use templates::{Frame, Problem, Shell};

use crate::visitor::Visitor;
use crate::{PAGE, accounts, address, assets, basket, history, orders, overview, profile, sample, sign_in, sign_up};

/// Said of a change to an account that can't be made now.
pub(crate) const NOT_SAVED: &str = "We can’t reach your account at this moment, so nothing was saved. What you typed is still here; please try again in a minute.";

/// Said of a change to an account of which nobody knows whether it was made.
const MAYBE_SAVED: &str =
    "We can’t tell whether that was saved. What you typed is still here; it does no harm to send it again in a minute.";

/// What accounts may have against a change, for the visitor to put right.
pub(crate) const REFUSALS: &[&str] = &["invalid", "no_session"];

/// Where the page begins.
pub(crate) const HOME: &str = "/my-account";

/// What every handler works with.
#[derive(Debug, Clone)]
pub(crate) struct MyAccount {
    pub(crate) frame: Frame,
    pub(crate) assets: assets::Urls,
    pub(crate) accounts: accounts::Client,
    pub(crate) basket: basket::Client,
    pub(crate) orders: orders::History,
    /// The form for who just wants to sign in and has no basket.
    pub(crate) sign_in: Kept<()>,
}

/// Whom this page asks.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) accounts: Source,
    pub(crate) orders: Source,
}

impl MyAccount {
    /// The page with the services and the data folder that the configuration names.
    pub(crate) async fn open(config: &Config, data: &Data) -> Result<Self> {
        let sources = Sources {
            accounts: config.source("accounts", sample::accounts::routes)?,
            orders: config.source("orders", sample::orders::routes)?,
        };
        Self::with(config, data, &sources).await
    }

    /// The page with these services.
    pub(crate) async fn with(config: &Config, data: &Data, sources: &Sources) -> Result<Self> {
        Ok(Self {
            frame: Frame::new(PAGE.name, config.asset_urls()),
            assets: assets::Urls::new(config.asset_urls()),
            accounts: accounts::Client::new(&sources.accounts),
            basket: basket::Client::new(&sources.orders),
            orders: orders::History::open(config, data, sources.orders.service().clone()).await?,
            sign_in: Kept::default(),
        })
    }
}

/// Every URL of this page.
pub(crate) fn routes(page: MyAccount) -> Routes {
    let page = Arc::new(page);
    let routes = Router::new()
        .route("/my-account", get(overview::show))
        .route("/my-account/", get(async || Redirect::permanent(HOME)))
        .route("/my-account/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/my-account/sign-up", get(sign_up::show).post(sign_up::submit))
        .route("/my-account/sign-out", get(async || Redirect::to(HOME)).post(sign_in::sign_out))
        .route("/my-account/profile", get(profile::show).post(profile::submit))
        .route("/my-account/address", get(address::show).post(address::submit))
        .route("/my-account/orders", get(history::list))
        .route("/my-account/orders/{id}", get(history::order))
        .fallback(not_found)
        .with_state(page.clone());
    page_kit::with_problems(routes, move |problem| {
        let shell = page.frame.shell(problem.heading);
        Problem::new(shell, problem.heading, problem.explanation, problem.request_id).render()
    })
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFoundView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    request_id: String,
}

pub(crate) async fn not_found(
    State(page): State<Arc<MyAccount>>,
    visitor: Visitor,
) -> Result<impl IntoResponse, Error> {
    let view = NotFoundView {
        shell: visitor.shell(&page, "Not found"),
        assets: page.assets,
        // The account's own navigation is there for who is signed in; "nowhere" is none of its entries.
        section: if visitor.account.is_some() { "nowhere" } else { "" },
        request_id: request_id(),
    };
    Ok((StatusCode::NOT_FOUND, visitor.cookies, html(&view)?))
}

/// What to say of a change to an account that failed in this way.
pub(crate) fn not_saved(error: &ServiceError) -> &'static str {
    log_missing(error);
    match error {
        ServiceError::Unreachable { .. } => NOT_SAVED,
        _ => MAYBE_SAVED,
    }
}

/// Where somebody wants to go after signing in or up, as far as it is a place of this site; or empty.
pub(crate) fn next(query_or_form: &HashMap<String, String>) -> &str {
    query_or_form.get("next").and_then(|next| local_path(next)).unwrap_or_default()
}

/// The view at `path`, which goes on to `next` afterwards.
pub(crate) fn with_next(path: &str, next: &str) -> String {
    if next.is_empty() { path.to_owned() } else { link(path, "next", next) }
}
