//! `POST /checkout/details`: the one button that places an order.
//!
//! The order goes to the outbox first. If orders answers while the visitor waits, the answer decides what comes next;
//! if not, the order is on its way, and its own page tells what becomes of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::outbox::{Key, Outcome, Reason, SubmitError};
use page_kit::{Error, Money, not_now};
use serde_json::json;

use crate::details::{self, Around, DetailsView, Filled};
use crate::orders::Wanted;
use crate::page::{BASKET, Checkout};
use crate::progress;
use crate::visitor::Visitor;

/// What orders may have against a form or a basket, for the visitor to put right in the form.
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

/// What somebody sees whose order can't be kept.
const NOT_KEPT: &str = "We can’t take orders at this moment. Nothing was ordered, and what you typed is still here. \
                        Please send it again in a minute.";

/// `POST /checkout/details`; the button `again` only looks whether there are prices by now.
pub(crate) async fn submit(
    State(page): State<Arc<Checkout>>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let filled = Filled::typed(&form);
    let Some(basket) = visitor.cookies.basket().map(str::to_owned) else {
        return Ok(Redirect::to(BASKET).into_response());
    };
    if form.contains_key("again") {
        let around = Around::of(&page, Some(&basket)).await;
        return details::respond(&page, visitor, around, filled);
    }
    let Some(key) = form.get("key").and_then(|key| Key::parse(key)) else {
        let around = Around::of(&page, Some(&basket)).await;
        let filled = filled.stopped("Please have another look at your order, then place it.");
        return details::respond(&page, visitor, around, filled);
    };
    let wanted = Wanted {
        basket,
        customer: visitor.account.as_ref().map(|account| account.id.clone()),
        email: filled.email.clone(),
        address: filled.address.clone(),
        total: total(&form),
    };
    match page.outbox.submit(key, wanted).await {
        Ok(Outcome::Failed(reason)) if is_for_the_form(&reason) => {
            let around = Around::of(&page, visitor.cookies.basket()).await;
            details::respond(&page, visitor, around, filled.refused(&reason))
        }
        Ok(_) => Ok((visitor.cookies, Redirect::to(&progress::place(key))).into_response()),
        Err(SubmitError::OtherContent) => progress::taken(&page, visitor, key).await,
        Err(SubmitError::Database(error)) => {
            tracing::error!(%error, "an order was not accepted");
            not_kept(&page, visitor, filled).await
        }
    }
}

fn is_for_the_form(reason: &Reason) -> bool {
    REFUSALS.contains(&reason.code.as_str())
}

async fn not_kept(page: &Checkout, visitor: Visitor, filled: Filled) -> Result<Response, Error> {
    let around = Around::of(page, visitor.cookies.basket()).await;
    match DetailsView::of(page, &visitor, around, filled.stopped(NOT_KEPT)) {
        Some(view) => not_now(&view),
        None => Ok((visitor.cookies, Redirect::to(BASKET)).into_response()),
    }
}

/// The total that the form showed; none when it has been tampered with, which hurts nobody else.
fn total(form: &HashMap<String, String>) -> Option<Money> {
    let amount: i64 = form.get("total")?.parse().ok()?;
    serde_json::from_value(json!({ "amount": amount, "currency": form.get("currency")? })).ok()
}
