//! What has been ordered: the list, and one order.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use page_kit::{Answer, Cookies, Error, ago, day, html, price, private, time_ago};
use templates::{OrderLine, Shell, Totals};
use tokio::join;

use crate::page::{MyAccount, not_found};
use crate::visitor::{SignedIn, Visitor};
use crate::{assets, orders};

const MINUTE: Duration = Duration::from_secs(60);

/// Drawings beside an order in a list.
const DRAWINGS: usize = 3;

/// How old a list of orders is.
#[derive(Default)]
pub(crate) struct Late {
    /// Whether there may be newer ones.
    pub(crate) is_late: bool,
    /// As one would say it; empty for less than a minute.
    pub(crate) ago: String,
    /// RFC 3339.
    pub(crate) time: String,
}

impl Late {
    /// What was answered, if anything, and how late it is.
    pub(crate) fn of<T>(answer: Answer<T>) -> (Option<T>, Self) {
        match answer {
            Answer::Fresh(value) => (Some(value), Self::default()),
            Answer::Stale(value, age) => {
                let ago = if age < MINUTE { String::new() } else { ago(age) };
                (Some(value), Self { is_late: true, ago, time: time_ago(age) })
            }
            Answer::Unavailable => (None, Self::default()),
        }
    }
}

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
    late: Late,
}

impl OrdersView {
    fn new(page: &MyAccount, visitor: &SignedIn, orders: Option<Vec<orders::Order>>, late: Late) -> Self {
        Self {
            shell: visitor.shell(page, "Orders"),
            assets: page.assets,
            section: "orders",
            orders_known: orders.is_some(),
            orders: orders.unwrap_or_default().into_iter().map(OrderRow::new).collect(),
            late,
        }
    }
}

/// `GET /my-account/orders`
pub(crate) async fn list(State(page): State<Arc<MyAccount>>, visitor: SignedIn) -> Result<impl IntoResponse, Error> {
    let orders = page.orders.of(&visitor.account.id, None).await;
    let is_fresh = orders.is_fresh();
    let (orders, late) = Late::of(orders);
    Ok((private(is_fresh), html(&OrdersView::new(&page, &visitor, orders, late))?))
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
    late: Late,
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
    State(page): State<Arc<MyAccount>>,
    Path(id): Path<String>,
    visitor: SignedIn,
    cookies: Cookies,
) -> Result<Response, Error> {
    let (order, countries) = join!(page.orders.one(&id, &visitor.account.id), page.accounts.countries());
    let is_fresh = order.is_fresh();
    let (order, late) = Late::of(order);
    let Some(order) = order.flatten() else {
        return missing(page, visitor, cookies, is_fresh).await;
    };
    let countries = countries.of_any_age().unwrap_or_default();
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
        late,
    };
    Ok((private(is_fresh), html(&view)?).into_response())
}

/// There is no such order; or nobody can tell, since the newest are not here yet.
async fn missing(page: Arc<MyAccount>, visitor: SignedIn, cookies: Cookies, is_fresh: bool) -> Result<Response, Error> {
    if is_fresh {
        return Ok(not_found(State(page), Visitor::of(visitor, cookies)).await?.into_response());
    }
    let view = OrdersView::new(&page, &visitor, None, Late::default());
    Ok((private(false), html(&view)?).into_response())
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
