//! The catalog's endpoints. All speak JSON; errors have the shape of `service_kit::error`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /categories` | 200 `{"categories":[{"slug","name","tagline","drawing","count"}]}` |
//! | `GET /products?category=&q=&sort=&in_stock=&featured=&slugs=a,b&limit=` | 200 `{"products":[Summary],"total"}`, 422 |
//! | `GET /products/{slug}` | 200 Product, 404 `unknown_product` |
//! | `POST /reservations` `{"key","lines":[{"slug","quantity"}]}` | 201 (200 when repeated) `{"key","lines"}`, 404 `unknown_product`, 409 `out_of_stock`, 422 `invalid`, 422 `key_reused` |
//! | `PUT /reservations/{key}/confirmation` | 204, also when it is confirmed already; 404 `unknown_reservation` |
//! | `DELETE /reservations/{key}` | 204, also when there is none |
//!
//! `sort` is `featured`, `price`, `-price` or `name`; without it a search is sorted by relevance, a list as featured.
//! `total` counts what matches, whatever the limit. A query parameter that is empty counts as absent.
//!
//! A reservation that nobody confirms within 15 minutes after it was last asked for goes back on the shelf.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use serde::Serialize;
use service_kit::error::with_fallbacks;
use service_kit::extract::{Json, Path, Query};
use sqlx::SqlitePool;

use crate::error::Error;
use crate::products::{self, Category, Product, Summary};
use crate::reservations::{self, Asked, Key, Reservation};
use crate::search::{self, Search};

/// All endpoints, on `database`.
pub(crate) fn routes(database: SqlitePool) -> Router {
    let router = Router::new()
        .route("/categories", get(list_categories))
        .route("/products", get(list_products))
        .route("/products/{slug}", get(show_product))
        .route("/reservations", post(reserve))
        .route("/reservations/{key}", delete(release))
        .route("/reservations/{key}/confirmation", put(confirm))
        .with_state(database);
    with_fallbacks(router)
}

#[derive(Serialize)]
struct Categories {
    categories: Vec<Category>,
}

#[derive(Serialize)]
struct Products {
    products: Vec<Summary>,
    total: i64,
}

async fn list_categories(State(database): State<SqlitePool>) -> Result<Json<Categories>, Error> {
    let categories = products::categories(&database).await?;
    Ok(Json(Categories { categories }))
}

async fn list_products(
    State(database): State<SqlitePool>,
    Query(typed): Query<search::Typed>,
) -> Result<Json<Products>, Error> {
    let categories = products::categories(&database).await?;
    let search = Search::parse(&typed, &categories).map_err(Error::Invalid)?;
    let (products, total) = search::run(&database, &search).await?;
    Ok(Json(Products { products, total }))
}

async fn show_product(State(database): State<SqlitePool>, Path(slug): Path<String>) -> Result<Json<Product>, Error> {
    products::find(&database, &slug).await?.map(Json).ok_or(Error::UnknownProduct(slug))
}

async fn reserve(
    State(database): State<SqlitePool>,
    Json(typed): Json<reservations::Typed>,
) -> Result<(StatusCode, Json<Reservation>), Error> {
    let asked = Asked::parse(&typed).map_err(Error::Invalid)?;
    let (reservation, is_new) = reservations::reserve(&database, &asked).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(reservation)))
}

async fn confirm(State(database): State<SqlitePool>, Path(key): Path<String>) -> Result<StatusCode, Error> {
    let key = Key::parse(&key).map_err(Error::Invalid)?;
    reservations::confirm(&database, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn release(State(database): State<SqlitePool>, Path(key): Path<String>) -> Result<StatusCode, Error> {
    let key = Key::parse(&key).map_err(Error::Invalid)?;
    reservations::release(&database, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
