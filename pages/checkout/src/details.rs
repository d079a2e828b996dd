//! Email and address, and the button that places the order.
//!
//! The form carries the key that orders gave the basket: however often it is shown or sent, it makes one order. It also
//! carries the total that it shows: nothing is ordered at another one. Without prices there is nothing to order: then
//! the form keeps what was typed, and has a button to look again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::outbox::{Key, Outcome, Reason};
use page_kit::{Answer, Cookies, Error, Money, Unavailable, html, private};
use templates::{Address, Country, Field, Kind, OrderLine, Shell, Totals};
use tokio::join;

use crate::page::{BASKET, Checkout, no_totals, order_lines, totals};
use crate::visitor::Visitor;
use crate::{assets, orders, progress};

#[derive(Template)]
#[template(path = "details.html")]
pub(crate) struct DetailsView {
    shell: Shell,
    assets: assets::Urls,
    form_error: String,
    contact: Vec<Field>,
    address: Vec<Field>,
    is_priced: bool,
    key: String,
    total: Money,
    lines: Vec<OrderLine>,
    totals: Totals,
}

/// The form, as it is or has been filled in, and what is wrong with it.
pub(crate) struct Filled {
    pub(crate) email: String,
    pub(crate) address: Address,
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
    pub(crate) fn typed(form: &HashMap<String, String>) -> Self {
        let email = form.get("email").map_or("", |text| text.trim()).to_owned();
        Self { email, address: Address::typed(form), form_error: String::new(), errors: BTreeMap::new() }
    }

    fn has_errors(&self) -> bool {
        !self.form_error.is_empty() || !self.errors.is_empty()
    }

    /// The form with what stops it as a whole.
    pub(crate) fn stopped(self, why: &str) -> Self {
        Self { form_error: why.to_owned(), ..self }
    }

    /// The form with what orders have against it.
    pub(crate) fn refused(mut self, reason: &Reason) -> Self {
        if reason.fields.is_empty() {
            self.form_error = match reason.code.as_str() {
                // The key is ours to keep in order, and the form comes back with the right one.
                "no_key" | "key_reused" => "Please have another look at your order, then place it.".to_owned(),
                _ => reason.message.clone(),
            };
        }
        let own = |name: &String| name.strip_prefix("address.").unwrap_or(name).to_owned();
        self.errors = reason.fields.iter().map(|(name, message)| (own(name), message.clone())).collect();
        self
    }
}

/// What stands around the form's own fields.
pub(crate) struct Around {
    basket: Result<Option<orders::Basket>, Unavailable>,
    countries: Vec<Country>,
}

impl Around {
    pub(crate) async fn of(page: &Checkout, basket: Option<&str>) -> Self {
        let (basket, countries) = join!(page.orders.basket(basket), page.accounts.countries());
        Self { basket, countries: known(countries) }
    }
}

/// The countries, however long ago they were told; none when nobody knows.
pub(crate) fn known(countries: Answer<std::sync::Arc<crate::accounts::Countries>>) -> Vec<Country> {
    countries.of_any_age().map(|known| known.countries.clone()).unwrap_or_default()
}

/// `GET /checkout/details`
pub(crate) async fn show(State(page): State<Arc<Checkout>>, cookies: Cookies) -> Result<Response, Error> {
    let id = cookies.basket().map(str::to_owned);
    let (visitor, around) = join!(Visitor::of(&page, cookies), Around::of(&page, id.as_deref()));
    if let Some(key) = under_way(&page, &around).await {
        return Ok((visitor.cookies, Redirect::to(&progress::place(key))).into_response());
    }
    let filled = Filled::of(&visitor);
    respond(&page, visitor, around, filled)
}

/// The key of the order that is on its way for this basket: its form would only send it again.
async fn under_way(page: &Checkout, around: &Around) -> Option<Key> {
    let basket = around.basket.as_ref().ok()?.as_ref()?;
    let key = Key::parse(&basket.order_key)?;
    let outcome = page.outbox.find(key).await;
    matches!(outcome, Ok(Some(Outcome::Pending))).then_some(key)
}

/// The form; or back to the basket if there is nothing in it that can be ordered.
pub(crate) fn respond(page: &Checkout, visitor: Visitor, around: Around, filled: Filled) -> Result<Response, Error> {
    let has_errors = filled.has_errors();
    let is_complete = !visitor.is_unknown && !around.countries.is_empty() && around.basket.is_ok();
    let Some(view) = DetailsView::of(page, &visitor, around, filled) else {
        return Ok((visitor.cookies, Redirect::to(BASKET)).into_response());
    };
    let status = if has_errors { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, private(is_complete), visitor.cookies, html(&view)?).into_response())
}

impl DetailsView {
    /// The form; none when there is nothing in the basket that can be ordered.
    pub(crate) fn of(page: &Checkout, visitor: &Visitor, around: Around, filled: Filled) -> Option<Self> {
        let basket = match around.basket {
            Ok(basket) => Some(basket.filter(|basket| basket.can_order)?),
            Err(Unavailable) => None,
        };
        let email_error = filled.errors.get("email").map_or("", String::as_str);
        let email = Field::new(Kind::Email, "email", "Email", "email").filled(&filled.email, email_error);
        let shell = visitor.shell(page, "Checkout", basket.as_ref().map_or(0, |basket| basket.count));
        let view = Self {
            shell: if filled.has_errors() { shell.with_errors() } else { shell },
            assets: page.assets,
            form_error: filled.form_error,
            contact: vec![email.hint("News of your order goes there.")],
            address: filled.address.fields(&filled.errors, &around.countries),
            is_priced: false,
            key: String::new(),
            total: Money::new(0, page_kit::Currency::EUR),
            lines: Vec::new(),
            totals: no_totals(),
        };
        Some(match basket {
            Some(basket) => view.priced(basket),
            None => view,
        })
    }

    fn priced(self, basket: orders::Basket) -> Self {
        let lines: Vec<_> = basket.lines.into_iter().map(|line| line.line).collect();
        Self {
            is_priced: true,
            key: basket.order_key,
            total: basket.totals.total,
            lines: order_lines(&lines),
            totals: totals(&basket.totals),
            ..self
        }
    }
}
