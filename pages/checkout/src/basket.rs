//! The basket, and the forms that change it.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Cookies, Error, ServiceError, Unavailable, html, log_missing, not_now, price, private};
use templates::{Shell, Totals};
use tokio::join;

use crate::page::{BASKET, Checkout, no_totals, totals};
use crate::visitor::Visitor;
use crate::{assets, orders};

#[derive(Template)]
#[template(path = "basket.html")]
struct BasketView {
    shell: Shell,
    assets: assets::Urls,
    lines: Vec<BasketLine>,
    state: &'static str,
    count: u32,
    can_order: bool,
    totals: Totals,
}

struct BasketLine {
    slug: String,
    name: String,
    drawing: String,
    quantity: String,
    max_quantity: u32,
    unit_price: String,
    line_total: String,
    problem: String,
    error: String,
}

/// A quantity that can't be: of what, as typed, and why.
struct Refused<'a> {
    slug: &'a str,
    typed: &'a str,
    error: String,
}

impl BasketView {
    /// A view without lines: the basket is empty or can't be priced.
    fn bare(page: &Checkout, visitor: &Visitor, state: &'static str, count: u32) -> Self {
        Self {
            shell: visitor.shell(page, "Basket", count).at(BASKET),
            assets: page.assets,
            lines: Vec::new(),
            state,
            count,
            can_order: false,
            totals: no_totals(),
        }
    }

    fn filled(page: &Checkout, visitor: &Visitor, basket: orders::Basket, refused: Option<&Refused<'_>>) -> Self {
        let shell = visitor.shell(page, "Basket", basket.count).at(BASKET);
        Self {
            shell: if refused.is_some() { shell.with_errors() } else { shell },
            assets: page.assets,
            state: "filled",
            count: basket.count,
            can_order: basket.can_order,
            totals: totals(&basket.totals),
            lines: basket.lines.into_iter().map(|line| BasketLine::new(line, refused)).collect(),
        }
    }
}

impl BasketLine {
    fn new(line: orders::BasketLine, refused: Option<&Refused<'_>>) -> Self {
        let orders::BasketLine { line, max_quantity, problem } = line;
        let refused = refused.filter(|refused| refused.slug == line.slug);
        Self {
            quantity: refused.map_or_else(|| line.quantity.to_string(), |refused| refused.typed.to_owned()),
            error: refused.map(|refused| refused.error.clone()).unwrap_or_default(),
            max_quantity,
            unit_price: price(line.unit_price),
            line_total: price(line.line_total),
            problem: problem.unwrap_or_default(),
            slug: line.slug,
            name: line.name,
            drawing: line.drawing,
        }
    }
}

/// `GET /checkout`
pub(crate) async fn show(State(page): State<Arc<Checkout>>, cookies: Cookies) -> Result<Response, Error> {
    let id = cookies.basket().map(str::to_owned);
    let (visitor, basket) = join!(Visitor::of(&page, cookies), page.orders.basket(id.as_deref()));
    match basket {
        Ok(basket) => render(&page, visitor, basket, None),
        Err(Unavailable) => {
            let view = unavailable(&page, &visitor).await;
            Ok((private(false), visitor.cookies, html(&view)?).into_response())
        }
    }
}

/// The basket without lines and prices: it is kept, and that is all that can be said.
async fn unavailable(page: &Checkout, visitor: &Visitor) -> BasketView {
    let count = page.orders.basket_count(visitor.cookies.basket()).await;
    BasketView::bare(page, visitor, "unavailable", count)
}

/// `POST /checkout/lines/{slug}`: the field `quantity`, or the button `remove`.
pub(crate) async fn change(
    State(page): State<Arc<Checkout>>,
    Path(slug): Path<String>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let Some(basket) = visitor.cookies.basket() else {
        return Ok(Redirect::to(BASKET).into_response());
    };
    let typed = match form.contains_key("remove") {
        true => "0",
        false => form.get("quantity").map_or("", |typed| typed.trim()),
    };
    let error = match typed.parse() {
        Ok(quantity) => match page.orders.set_quantity(basket, &slug, quantity).await {
            Ok(()) => None,
            Err(error) if error.refusal().is_some() => refusal_of(error)?,
            Err(error) => {
                log_missing(&error);
                return not_now(&unavailable(&page, &visitor).await);
            }
        },
        Err(_) => Some("Enter a whole number.".to_owned()),
    };
    let Some(error) = error else {
        return Ok((visitor.cookies, Redirect::to(BASKET)).into_response());
    };
    match page.orders.basket(Some(basket)).await {
        Ok(basket) => render(&page, visitor, basket, Some(&Refused { slug: &slug, typed, error })),
        Err(Unavailable) => not_now(&unavailable(&page, &visitor).await),
    }
}

/// What orders have against the quantity; nothing when the line or the basket has gone, which the basket itself will
/// show.
fn refusal_of(error: ServiceError) -> Result<Option<String>, Error> {
    if error.is_unknown("unknown_basket") || error.is("unknown_product") {
        return Ok(None);
    }
    match error.refusal_of(&["invalid"]).and_then(|refusal| refusal.fields.values().next()) {
        Some(message) => Ok(Some(message.clone())),
        None => Err(error.into()),
    }
}

fn render(
    page: &Checkout,
    visitor: Visitor,
    basket: Option<orders::Basket>,
    refused: Option<&Refused<'_>>,
) -> Result<Response, Error> {
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let empty = || html(&BasketView::bare(page, &visitor, "empty", 0));
    let view = match basket.filter(|basket| !basket.lines.is_empty()) {
        Some(basket) => html(&BasketView::filled(page, &visitor, basket, refused))?.into_response(),
        None if visitor.is_nobody() => page.empty_basket.or_render((), empty)?.into_response(),
        None => empty()?.into_response(),
    };
    Ok((status, private(!visitor.is_unknown), visitor.cookies, view).into_response())
}
