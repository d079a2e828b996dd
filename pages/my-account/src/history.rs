//! What has been ordered: the list, and one order.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use page_kit::{Cookies, Error, day, html, log_missing, price, private};
use templates::{OrderLine, Shell, Totals};
use tokio::join;

use crate::page::{MyAccount, not_found};
use crate::visitor::{SignedIn, Visitor};
use crate::{assets, orders};

/// Drawings beside an order in a list.
const DRAWINGS: usize = 3;

/// One order in a list.
pub(crate) struct OrderRow {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) placed: String,
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) items: String,
    pub(crate) total: String,
    pub(crate) drawings: Vec<String>,
}

impl OrderRow {
    pub(crate) fn new(order: orders::Order) -> Self {
        Self {
            placed: day(&order.placed_at),
            placed_at: order.placed_at,
            status: capitalised(&order.status),
            items: if order.count == 1 { "1 piece".to_owned() } else { format!("{} pieces", order.count) },
            total: price(order.total),
            drawings: order.lines.into_iter().take(DRAWINGS).map(|line| line.drawing).collect(),
            id: order.id,
            number: order.number,
        }
    }
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    orders: Vec<OrderRow>,
    orders_known: bool,
}

/// `GET /my-account/orders`
pub(crate) async fn list(State(page): State<MyAccount>, visitor: SignedIn) -> Result<impl IntoResponse, Error> {
    let orders = page.orders.of(&visitor.account.id, None).await.inspect_err(log_missing);
    let view = OrdersView {
        shell: visitor.shell(&page, "Orders"),
        assets: page.assets,
        section: "orders",
        orders_known: orders.is_ok(),
        orders: orders.unwrap_or_default().into_iter().map(OrderRow::new).collect(),
    };
    Ok((private(view.orders_known), html(&view)?))
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    order: Order,
    lines: Vec<OrderLine>,
    totals: Totals,
}

struct Order {
    number: String,
    placed: String,
    placed_at: String,
    status: String,
    email: String,
    address_lines: Vec<String>,
}

/// `GET /my-account/orders/{id}`
pub(crate) async fn order(
    State(page): State<MyAccount>,
    Path(id): Path<String>,
    visitor: SignedIn,
    cookies: Cookies,
) -> Result<Response, Error> {
    let (order, countries) = join!(page.orders.one(&id, &visitor.account.id), page.accounts.countries());
    let Some(order) = order? else {
        let visitor = Visitor::of(visitor, cookies);
        return Ok(not_found(State(page), visitor).await?.into_response());
    };
    let countries = countries.inspect_err(log_missing).unwrap_or_default();
    let view = OrderView {
        shell: visitor.shell(&page, &format!("Order {}", order.number)),
        assets: page.assets,
        section: "orders",
        totals: Totals {
            subtotal: price(order.subtotal),
            shipping: (order.shipping.amount != 0).then(|| price(order.shipping)),
            total: price(order.total),
        },
        order: Order {
            placed: day(&order.placed_at),
            placed_at: order.placed_at,
            status: capitalised(&order.status),
            address_lines: order.address.lines(&countries),
            number: order.number,
            email: order.email,
        },
        lines: order.lines.into_iter().map(line).collect(),
    };
    Ok(html(&view)?.into_response())
}

fn line(line: orders::Line) -> OrderLine {
    OrderLine {
        slug: line.slug,
        name: line.name,
        drawing: line.drawing,
        quantity: line.quantity,
        unit_price: price(line.unit_price),
        line_total: price(line.line_total),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
