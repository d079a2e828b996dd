//! One product, and the form that puts it into the basket.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use page_kit::{Cookies, Error, ServiceError, html, price};
use serde_json::json;
use templates::Shell;

use crate::assets;
use crate::catalog::{self, Spec};
use crate::page::{FOR_EVERYBODY, FRAGMENT, Frontpage, not_found};
use crate::search::{Card, stock_text};

#[derive(Template)]
#[template(path = "product.html")]
struct ProductView {
    shell: Shell,
    assets: assets::Urls,
    product: Product,
    quantity: String,
    quantity_error: String,
    added: bool,
    related: Vec<Card>,
}

struct Product {
    slug: String,
    name: String,
    summary: String,
    description: Vec<String>,
    category: String,
    category_slug: String,
    price: String,
    drawing: String,
    badge: String,
    stock_level: String,
    stock_text: String,
    specs: Vec<Spec>,
}

impl ProductView {
    fn new(page: &Frontpage, product: catalog::Product) -> Self {
        let catalog::Product { summary, description, specs, related } = product;
        let shell = Shell { description: summary.summary.clone(), ..page.shell(&summary.name) };
        Self {
            shell,
            assets: page.assets,
            quantity: "1".to_owned(),
            quantity_error: String::new(),
            added: false,
            related: related.into_iter().map(Card::new).collect(),
            product: Product {
                price: price(summary.price),
                stock_text: stock_text(&summary.stock),
                stock_level: summary.stock.level,
                slug: summary.slug,
                name: summary.name,
                summary: summary.summary,
                category: summary.category.name,
                category_slug: summary.category.slug,
                drawing: summary.drawing,
                badge: summary.badge.unwrap_or_default(),
                description,
                specs,
            },
        }
    }
}

/// `GET /products/{slug}`
pub(crate) async fn show(
    State(page): State<Frontpage>,
    Path(slug): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Error> {
    let Some(product) = page.catalog.product(&slug).await? else {
        return Ok(not_found(State(page)).await?.into_response());
    };
    let added = query.contains_key("added");
    let caching = if added { "private, no-cache" } else { FOR_EVERYBODY };
    let view = ProductView { added, ..ProductView::new(&page, product) };
    Ok(([(CACHE_CONTROL, caching)], html(&view)?).into_response())
}

/// `POST /products/{slug}`: answers with a redirect, or with JSON for the script that stays on the page.
pub(crate) async fn add(
    State(page): State<Frontpage>,
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
            None => Err(error.into()),
        },
    }
}

/// What orders have against the quantity, or against one more product in the basket.
pub(crate) fn objection(error: &ServiceError) -> Option<String> {
    error.refusal_of(&["invalid"])?.fields.values().next().cloned()
}

/// The form again, with what was typed and what is wrong with it.
async fn refuse(page: Frontpage, slug: &str, typed: &str, message: String, is_script: bool) -> Result<Response, Error> {
    if is_script {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "message": message }))).into_response());
    }
    let Some(product) = page.catalog.product(slug).await? else {
        return Ok(not_found(State(page)).await?.into_response());
    };
    let quantity = typed.to_owned();
    let view = ProductView::new(&page, product);
    let view = ProductView { quantity, quantity_error: message, shell: view.shell.with_errors(), ..view };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&view)?).into_response())
}
