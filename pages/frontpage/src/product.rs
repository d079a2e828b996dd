//! One product, and the form that puts it into the basket.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use page_kit::{Answer, Cookies, Error, ServiceError, html, log_missing, not_now};
use serde_json::json;
use templates::Shell;

use crate::page::{FRAGMENT, Frontpage, for_everybody, not_found};
use crate::product_view::ProductView;

/// In place of a product that nobody can tell us about.
#[derive(Template)]
#[template(path = "product_unavailable.html")]
struct UnavailableView {
    shell: Shell,
    slug: String,
    form_error: String,
}

/// A product's view, or what is said in its place.
enum Shown {
    Product(Box<ProductView>),
    Unknown,
    Unavailable,
}

impl Frontpage {
    async fn show_product(&self, slug: &str) -> Shown {
        let (product, age) = match self.catalog.product(slug).await {
            Answer::Fresh(product) => (product, None),
            Answer::Stale(product, age) => (product, Some(age)),
            Answer::Unavailable => return Shown::Unavailable,
        };
        match product.as_ref() {
            Some(product) => Shown::Product(Box::new(ProductView::new(self, product, age))),
            None => Shown::Unknown,
        }
    }

    fn product_unavailable(&self, slug: &str, form_error: &str) -> UnavailableView {
        let shell = self.shell("In the clouds");
        UnavailableView { shell, slug: slug.to_owned(), form_error: form_error.to_owned() }
    }
}

/// `GET /products/{slug}`
pub(crate) async fn show(
    State(page): State<Arc<Frontpage>>,
    Path(slug): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Error> {
    let mut view = match page.show_product(&slug).await {
        Shown::Product(view) => view,
        Shown::Unknown => return Ok(not_found(State(page)).await?.into_response()),
        Shown::Unavailable => {
            let view = page.product_unavailable(&slug, "");
            return Ok(([(CACHE_CONTROL, for_everybody(false))], html(&view)?).into_response());
        }
    };
    view.added = query.contains_key("added");
    let caching = match view.as_of.is_none() {
        true if view.added => HeaderValue::from_static("private, no-cache"),
        is_complete => for_everybody(is_complete),
    };
    Ok(([(CACHE_CONTROL, caching)], html(&*view)?).into_response())
}

/// `POST /products/{slug}`: answers with a redirect, or with JSON for the script that stays on the page.
pub(crate) async fn add(
    State(page): State<Arc<Frontpage>>,
    Path(slug): Path<String>,
    cookies: Cookies,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let is_script = headers.contains_key(FRAGMENT);
    let typed = form.get("quantity").map_or("", |typed| typed.trim());
    let Ok(quantity) = typed.parse() else {
        return refuse(page, &slug, typed, "Enter a whole number.".to_owned(), is_script).await;
    };
    match page.orders.add(cookies.basket(), &slug, quantity).await {
        Ok(basket) if is_script => {
            let answer = json!({ "basket": basket.count, "message": "Added to your basket." });
            Ok((cookies.with_basket(basket.id), Json(answer)).into_response())
        }
        Ok(basket) => {
            let back = format!("/products/{slug}?added=1");
            Ok((cookies.with_basket(basket.id), Redirect::to(&back)).into_response())
        }
        Err(error) if error.is_unknown("unknown_product") => Ok(not_found(State(page)).await?.into_response()),
        Err(error) => match objection(&error) {
            Some(message) => refuse(page, &slug, typed, message, is_script).await,
            None if error.refusal().is_some() || is_script => Err(error.into()),
            None => not_added(page, &slug, typed, &error).await,
        },
    }
}

/// What orders have against the quantity, or against one more product in the basket.
pub(crate) fn objection(error: &ServiceError) -> Option<String> {
    error.refusal_of(&["invalid"])?.fields.values().next().cloned()
}

/// The form again, with what was typed and what is wrong with it.
async fn refuse(
    page: Arc<Frontpage>,
    slug: &str,
    typed: &str,
    message: String,
    is_script: bool,
) -> Result<Response, Error> {
    if is_script {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "message": message }))).into_response());
    }
    let body = match page.show_product(slug).await {
        Shown::Product(view) => html(&view.with_quantity(typed, message))?,
        Shown::Unknown => return Ok(not_found(State(page)).await?.into_response()),
        Shown::Unavailable => html(&page.product_unavailable(slug, &message))?,
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, [(CACHE_CONTROL, "no-store")], body).into_response())
}

/// The form again, as orders can't take it now.
async fn not_added(page: Arc<Frontpage>, slug: &str, typed: &str, error: &ServiceError) -> Result<Response, Error> {
    log_missing(error);
    let message = match error {
        ServiceError::Unreachable { .. } => {
            "We can’t reach the baskets at this moment, so nothing was added. Please try again in a minute."
        }
        _ => "We can’t tell whether that was added. Please look into your basket before you try again.",
    };
    match page.show_product(slug).await {
        Shown::Product(view) => not_now(&view.with_quantity(typed, String::new()).with_error(message)),
        Shown::Unknown => Ok(not_found(State(page)).await?.into_response()),
        Shown::Unavailable => not_now(&page.product_unavailable(slug, message)),
    }
}
