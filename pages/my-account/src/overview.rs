//! The first view: the latest orders, who one is, and where parcels go.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use page_kit::{Error, html, private};
use templates::Shell;
use tokio::join;

use crate::assets;
use crate::history::{Late, OrderRow};
use crate::page::{HOME, MyAccount};
use crate::visitor::SignedIn;

/// Orders that are shown here.
const LATEST: u32 = 3;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    name: String,
    email: String,
    address_lines: Vec<String>,
    has_address: bool,
    orders: Vec<OrderRow>,
    orders_known: bool,
    late: Late,
}

/// `GET /my-account`
pub(crate) async fn show(State(page): State<Arc<MyAccount>>, visitor: SignedIn) -> Result<impl IntoResponse, Error> {
    let (orders, countries) = join!(page.orders.of(&visitor.account.id, Some(LATEST)), page.accounts.countries());
    let is_fresh = orders.is_fresh();
    let (orders, late) = Late::of(orders);
    let countries = countries.of_any_age().unwrap_or_default();
    let shell = visitor.shell(&page, "My account").at(HOME);
    let account = visitor.account;
    let view = OverviewView {
        shell,
        assets: page.assets,
        section: "overview",
        name: account.name,
        email: account.email,
        has_address: account.address.is_some(),
        address_lines: account.address.unwrap_or_default().lines(&countries),
        orders_known: orders.is_some(),
        orders: orders.unwrap_or_default().into_iter().map(OrderRow::new).collect(),
        late,
    };
    Ok((private(is_fresh), html(&view)?))
}
