//! An order that is not made, or not yet: it is on its way, it failed, people have to look at it, or nobody can tell.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use page_kit::outbox::{Key, Reason};
use page_kit::{Error, html, private};
use templates::Shell;

use crate::assets;
use crate::page::Checkout;
use crate::visitor::Visitor;

/// How an order stands.
#[derive(Debug)]
pub(crate) enum Standing {
    Pending,
    Failed(Reason),
    Parked,
    /// It can't be looked up now.
    Unknown,
    /// The key makes another order than was sent now.
    Taken,
}

#[derive(Template)]
#[template(path = "progress.html")]
struct ProgressView {
    shell: Shell,
    assets: assets::Urls,
    state: &'static str,
    place: String,
    reason: String,
    details: Vec<String>,
}

/// Where an order shows how it stands.
pub(crate) fn place(key: Key) -> String {
    format!("/checkout/orders/{key}")
}

/// Says how the order stands. Whatever it is, it may change, so nobody keeps it.
pub(crate) async fn show(page: &Checkout, visitor: Visitor, key: Key, standing: Standing) -> Result<Response, Error> {
    let basket_count = page.orders.basket_count(visitor.cookies.basket()).await;
    let (state, title) = match &standing {
        Standing::Pending => ("pending", "Your order is on its way to us"),
        Standing::Failed(_) => ("failed", "Your order was not placed"),
        Standing::Parked => ("parked", "Your order needs a hand"),
        Standing::Unknown => ("unknown", "Your order is out of sight"),
        Standing::Taken => ("taken", "This basket is ordered already"),
    };
    let (reason, details) = match standing {
        Standing::Failed(Reason { message, fields, .. }) => (message, fields.into_values().collect()),
        _ => (String::new(), Vec::new()),
    };
    let shell = visitor.shell(page, title, basket_count);
    let view = ProgressView { shell, assets: page.assets, state, place: place(key), reason, details };
    Ok((private(false), visitor.cookies, html(&view)?).into_response())
}

/// Refuses a form whose key makes another order.
pub(crate) async fn taken(page: &Checkout, visitor: Visitor, key: Key) -> Result<Response, Error> {
    Ok((StatusCode::CONFLICT, show(page, visitor, key, Standing::Taken).await?).into_response())
}
