//! Email and address, and the button that places the order.
//!
//! The form carries a key that is made when it is first shown: however often it is sent, it makes one order.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Cookies, Error, Refusal, html, log_missing, private};
use templates::{Address, Country, Field, Kind, OrderLine, Shell, Totals};
use tokio::join;
use uuid::Uuid;

use crate::orders::Wanted;
use crate::page::{BASKET, Checkout, order_lines, totals};
use crate::visitor::Visitor;
use crate::{assets, orders};

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
}

/// The form, as it is or has been filled in, and what is wrong with it.
struct Filled {
    key: String,
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
            key: Uuid::new_v4().to_string(),
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
            key: Uuid::try_parse(text("key")).unwrap_or_else(|_| Uuid::new_v4()).to_string(),
            email: text("email").to_owned(),
            address: Address::typed(form),
            form_error: String::new(),
            errors: BTreeMap::new(),
        }
    }

    /// The form with what orders have against it.
    fn refused(mut self, refusal: &Refusal) -> Self {
        if refusal.fields.is_empty() {
            self.form_error = refusal.message.clone();
        }
        if refusal.code == "key_reused" {
            self.key = Uuid::new_v4().to_string();
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
    };
    let error = match page.orders.place(&filled.key, &wanted).await {
        Ok(()) => {
            let confirmation = format!("/checkout/orders/{}", filled.key);
            return Ok((visitor.cookies, Redirect::to(&confirmation)).into_response());
        }
        Err(error) => error,
    };
    let Some(refusal) = error.refusal() else {
        return Err(error.into());
    };
    let around = Around::of(&page, Some(basket)).await?;
    let response = render(&page, visitor, around, filled.refused(refusal))?;
    Ok(match response.status() {
        StatusCode::OK => (StatusCode::UNPROCESSABLE_ENTITY, response).into_response(),
        _ => response,
    })
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
    let view = DetailsView {
        shell: visitor.shell(page, "Checkout", basket.count),
        assets: page.assets,
        form_error: filled.form_error,
        key: filled.key,
        contact: vec![email.hint("News of your order goes there.")],
        address: filled.address.fields(&filled.errors, &around.countries),
        lines: order_lines(&lines),
        totals: totals(&basket.totals),
    };
    Ok((private(is_complete), visitor.cookies, html(&view)?).into_response())
}
