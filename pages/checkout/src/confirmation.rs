//! What became of an order. Its key is known only to who placed it.
//!
//! This page's own outbox knows for a week, also while orders is down. What is older, orders is asked for.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use page_kit::outbox::{Key, Outcome};
use page_kit::{Error, Unavailable, html, private};
use templates::{OrderLine, Shell, Totals};
use tokio::join;

use crate::details::known;
use crate::orders::Order;
use crate::page::{Checkout, not_found, order_lines, totals};
use crate::progress::{self, Standing};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "confirmation.html")]
struct ConfirmationView {
    shell: Shell,
    number: String,
    email: String,
    address_lines: Vec<String>,
    lines: Vec<OrderLine>,
    totals: Totals,
}

/// `GET /checkout/orders/{key}`
pub(crate) async fn show(
    State(page): State<Arc<Checkout>>,
    Path(key): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let Some(key) = Key::parse(&key) else {
        return Ok(not_found(State(page), visitor).await?.into_response());
    };
    let outcome = page.outbox.find(key).await.inspect_err(|error| {
        tracing::error!(%error, "what became of an order can't be read");
    });
    let standing = match outcome {
        Ok(Some(Outcome::Pending)) => Standing::Pending,
        Ok(Some(Outcome::Failed(reason))) => Standing::Failed(reason),
        Ok(Some(Outcome::Parked)) => Standing::Parked,
        Ok(Some(Outcome::Done(answer))) => match serde_json::from_value(answer) {
            Ok(order) => return made(&page, visitor, order).await,
            // The answer of another release of orders.
            Err(_) => return ask(page, visitor, key, true).await,
        },
        Ok(None) => return ask(page, visitor, key, false).await,
        Err(_) => return ask(page, visitor, key, true).await,
    };
    progress::show(&page, visitor, key, standing).await
}

/// Asks orders. There may be an order of which it does not know yet, if the outbox `may_know`.
async fn ask(page: Arc<Checkout>, visitor: Visitor, key: Key, may_know: bool) -> Result<Response, Error> {
    match page.orders.placed(key).await {
        Ok(Some(order)) => made(&page, visitor, order).await,
        Ok(None) if !may_know => Ok(not_found(State(page), visitor).await?.into_response()),
        Ok(None) | Err(Unavailable) => progress::show(&page, visitor, key, Standing::Unknown).await,
    }
}

async fn made(page: &Checkout, visitor: Visitor, order: Order) -> Result<Response, Error> {
    let (countries, basket_count) =
        join!(page.accounts.countries(), page.orders.basket_count(visitor.cookies.basket()));
    let is_complete = !visitor.is_unknown && countries.is_fresh();
    let view = ConfirmationView {
        shell: visitor.shell(page, "Thank you", basket_count),
        number: order.number,
        email: order.email,
        address_lines: order.address.lines(&known(countries)),
        lines: order_lines(&order.lines),
        totals: totals(&order.totals),
    };
    Ok((private(is_complete), visitor.cookies, html(&view)?).into_response())
}
