//! Email and address, and the button that places the order.
//!
//! The form carries the key that orders gave the basket: however often it is shown or sent, it makes one order. It also
//! carries the total that it shows: nothing is ordered at another one.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Cookies, Error, Money, Refusal, html, log_missing, private};
use serde_json::json;
use templates::{Address, Country, Field, Kind, OrderLine, Shell, Totals};
use tokio::join;

use crate::orders::Wanted;
use crate::page::{BASKET, Checkout, order_lines, totals};
use crate::visitor::Visitor;
use crate::{assets, orders};

/// What orders may have against a form or a basket, for the visitor to put right.
const REFUSALS: &[&str] = &[
    "invalid",
    "no_key",
    "key_reused",
    "unknown_basket",
    "empty_basket",
    "basket_changed",
    "price_changed",
    "out_of_stock",
];

#[derive(Template)]
#[template(path = "details.html")]
struct DetailsView {
    shell: Shell,
    assets: assets::Urls,
    form_error: String,
    key: String,
    contact: Vec<Field>,
    address: Vec<Field>,
    lines: Vec<OrderLine>,
    totals: Totals,
    total: Money,
}

/// The form, as it is or has been filled in, and what is wrong with it.
struct Filled {
    email: String,
    address: Address,
    form_error: String,
    errors: BTreeMap<String, String>,
}

impl Filled {
    /// The form at first: what the account knows.
    fn of(visitor: &Visitor) -> Self {
        let account = visitor.account.as_ref();
        let name = account.map(|account| account.name.clone()).unwrap_or_default();
        let known = account.and_then(|account| account.address.clone());
        Self {
            email: account.map(|account| account.email.clone()).unwrap_or_default(),
            address: known.unwrap_or_else(|| Address { name, ..Address::default() }),
            form_error: String::new(),
            errors: BTreeMap::new(),
        }
    }

    /// The form as it was sent.
    fn typed(form: &HashMap<String, String>) -> Self {
        let text = |name: &str| form.get(name).map_or("", |text| text.trim());
        Self {
            email: text("email").to_owned(),
            address: Address::typed(form),
            form_error: String::new(),
            errors: BTreeMap::new(),
        }
    }

    fn has_errors(&self) -> bool {
        !self.form_error.is_empty() || !self.errors.is_empty()
    }

    /// The form with what orders have against it.
    fn refused(mut self, refusal: &Refusal) -> Self {
        if refusal.fields.is_empty() {
            self.form_error = match refusal.code.as_str() {
                // The key is ours to keep in order, and the form comes back with the right one.
                "no_key" | "key_reused" => "Please have another look at your order, then place it.".to_owned(),
                _ => refusal.message.clone(),
            };
        }
        let own = |name: &String| name.strip_prefix("address.").unwrap_or(name).to_owned();
        self.errors = refusal.fields.iter().map(|(name, message)| (own(name), message.clone())).collect();
        self
    }
}

/// `GET /checkout/details`
pub(crate) async fn show(State(page): State<Checkout>, cookies: Cookies) -> Result<Response, Error> {
    let id = cookies.basket().map(str::to_owned);
    let (visitor, around) = join!(Visitor::of(&page, cookies), Around::of(&page, id.as_deref()));
    let filled = Filled::of(&visitor);
    render(&page, visitor, around?, filled)
}

/// `POST /checkout/details`
pub(crate) async fn submit(
    State(page): State<Checkout>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let filled = Filled::typed(&form);
    let Some(basket) = visitor.cookies.basket() else {
        return Ok(Redirect::to(BASKET).into_response());
    };
    let wanted = Wanted {
        basket,
        customer: visitor.account.as_ref().map(|account| account.id.as_str()),
        email: &filled.email,
        address: &filled.address,
        total: total(&form),
    };
    let key = form.get("key").map_or("", String::as_str);
    let error = match page.orders.place(key, &wanted).await {
        Ok(()) => {
            let confirmation = format!("/checkout/orders/{key}");
            return Ok((visitor.cookies, Redirect::to(&confirmation)).into_response());
        }
        Err(error) => error,
    };
    let Some(refusal) = error.refusal_of(REFUSALS) else {
        return Err(error.into());
    };
    let around = Around::of(&page, Some(basket)).await?;
    let response = render(&page, visitor, around, filled.refused(refusal))?;
    Ok(match response.status() {
        StatusCode::OK => (StatusCode::UNPROCESSABLE_ENTITY, response).into_response(),
        _ => response,
    })
}

/// The total that the form showed; none when it has been tampered with, which hurts nobody else.
fn total(form: &HashMap<String, String>) -> Option<Money> {
    let amount: i64 = form.get("total")?.parse().ok()?;
    serde_json::from_value(json!({ "amount": amount, "currency": form.get("currency")? })).ok()
}

/// What stands around the form's own fields.
struct Around {
    basket: Option<orders::Basket>,
    countries: Vec<Country>,
}

impl Around {
    async fn of(page: &Checkout, basket: Option<&str>) -> Result<Self, Error> {
        let (basket, countries) = join!(page.orders.basket(basket), page.accounts.countries());
        Ok(Self { basket: basket?, countries: countries.inspect_err(log_missing).unwrap_or_default() })
    }
}

/// The form; or back to the basket if there is nothing in it that can be ordered.
fn render(page: &Checkout, visitor: Visitor, around: Around, filled: Filled) -> Result<Response, Error> {
    let Some(basket) = around.basket.filter(|basket| basket.can_order) else {
        return Ok((visitor.cookies, Redirect::to(BASKET)).into_response());
    };
    let is_complete = !visitor.is_unknown && !around.countries.is_empty();
    let email_error = filled.errors.get("email").map_or("", String::as_str);
    let email = Field::new(Kind::Email, "email", "Email", "email").filled(&filled.email, email_error);
    let lines: Vec<_> = basket.lines.into_iter().map(|line| line.line).collect();
    let shell = visitor.shell(page, "Checkout", basket.count);
    let view = DetailsView {
        shell: if filled.has_errors() { shell.with_errors() } else { shell },
        assets: page.assets,
        form_error: filled.form_error,
        key: basket.order_key,
        contact: vec![email.hint("News of your order goes there.")],
        address: filled.address.fields(&filled.errors, &around.countries),
        lines: order_lines(&lines),
        total: basket.totals.total,
        totals: totals(&basket.totals),
    };
    Ok((private(is_complete), visitor.cookies, html(&view)?).into_response())
}
