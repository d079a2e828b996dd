//! An order that was made. Its key is known only to who placed it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use page_kit::{Error, html, log_missing, private};
use templates::{OrderLine, Shell, Totals};
use tokio::join;

use crate::page::{Checkout, not_found, order_lines, totals};
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
    State(page): State<Checkout>,
    Path(key): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let (order, countries, basket_count) =
        join!(page.orders.placed(&key), page.accounts.countries(), page.orders.basket_count(visitor.cookies.basket()),);
    let Some(order) = order? else {
        return Ok(not_found(State(page), visitor).await?.into_response());
    };
    let is_complete = !visitor.is_unknown && countries.is_ok();
    let countries = countries.inspect_err(log_missing).unwrap_or_default();
    let view = ConfirmationView {
        shell: visitor.shell(&page, "Thank you", basket_count),
        number: order.number,
        email: order.email,
        address_lines: order.address.lines(&countries),
        lines: order_lines(&order.lines),
        totals: totals(&order.totals),
    };
    Ok((private(is_complete), visitor.cookies, html(&view)?).into_response())
}
