//! Checkout as a whole: its URLs, its services, and what is not there.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use page_kit::outbox::{Outbox, Settings};
use page_kit::{Config, Error, Kept, Result, Routes, Source, html, price, request_id};
use templates::{Frame, OrderLine, Problem, Shell, Totals};

use crate::visitor::Visitor;
use crate::{PAGE, accounts, assets, basket, confirmation, details, orders, sample, submission};

/// Where the basket is.
pub(crate) const BASKET: &str = "/checkout";

/// What every handler works with.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    pub(crate) frame: Frame,
    pub(crate) assets: assets::Urls,
    pub(crate) accounts: accounts::Client,
    pub(crate) orders: orders::Client,
    pub(crate) outbox: Outbox<orders::Wanted>,
    /// The basket of who has nothing in it and is not signed in.
    pub(crate) empty_basket: Kept<()>,
}

impl Checkout {
    /// The page with the services and the outbox that the configuration names.
    pub(crate) async fn open(config: &Config, settings: &Settings) -> Result<Self> {
        let accounts = config.source("accounts", sample::accounts::routes)?;
        let orders = config.source("orders", sample::orders::routes)?;
        Self::with(config, settings, &accounts, &orders).await
    }

    /// The page with these services.
    pub(crate) async fn with(config: &Config, settings: &Settings, accounts: &Source, orders: &Source) -> Result<Self> {
        let orders = orders::Client::new(orders);
        let placing = orders.clone();
        let deliver = move |key, wanted| {
            let orders = placing.clone();
            async move { orders.place(key, &wanted).await }
        };
        Ok(Self {
            frame: Frame::new(PAGE.name, config.asset_urls()),
            assets: assets::Urls::new(config.asset_urls()),
            accounts: accounts::Client::new(accounts),
            outbox: Outbox::open(config, settings, orders::ORDER, deliver).await?,
            orders,
            empty_basket: Kept::default(),
        })
    }
}

/// Every URL of this page.
pub(crate) fn routes(page: Checkout) -> Routes {
    let page = Arc::new(page);
    let routes = Router::new()
        .route("/checkout", get(basket::show))
        .route("/checkout/", get(async || Redirect::permanent(BASKET)))
        .route("/checkout/lines/{slug}", get(async || Redirect::to(BASKET)).post(basket::change))
        .route("/checkout/details", get(details::show).post(submission::submit))
        .route("/checkout/orders/{key}", get(confirmation::show))
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
    request_id: String,
}

pub(crate) async fn not_found(State(page): State<Arc<Checkout>>, visitor: Visitor) -> Result<impl IntoResponse, Error> {
    let basket_count = page.orders.basket_count(visitor.cookies.basket()).await;
    let view = NotFoundView { shell: visitor.shell(&page, "Not found", basket_count), request_id: request_id() };
    Ok((StatusCode::NOT_FOUND, visitor.cookies, html(&view)?))
}

/// Lines of a basket or an order as they are shown, once they can't be changed.
pub(crate) fn order_lines(lines: &[orders::Line]) -> Vec<OrderLine> {
    let shown = |line: &orders::Line| OrderLine {
        slug: line.slug.clone(),
        name: line.name.clone(),
        drawing: line.drawing.clone(),
        quantity: line.quantity,
        unit_price: price(line.unit_price),
        line_total: price(line.line_total),
    };
    lines.iter().map(shown).collect()
}

/// Totals as orders computed them.
pub(crate) fn totals(totals: &orders::Totals) -> Totals {
    let shipping = (totals.shipping.amount != 0).then(|| price(totals.shipping));
    Totals { subtotal: price(totals.subtotal), shipping, total: price(totals.total) }
}

/// The totals of what has none.
pub(crate) fn no_totals() -> Totals {
    Totals { subtotal: String::new(), shipping: None, total: String::new() }
}
