//! The endpoints of orders. All speak JSON; errors have the shape of `service_kit::error`.
//!
//! | request | answer |
//! |---|---|
//! | `POST /baskets` `{"slug","quantity"}`? | 201 Basket; with a line as below, or there is none |
//! | `GET /baskets/{id}` | 200 Basket, 404 `unknown_basket` |
//! | `GET /baskets/{id}/count` | 200 `{"count"}`, 404; does not ask the catalog |
//! | `POST /baskets/{id}/lines` `{"slug","quantity"}` | adds: 200 Basket, 404 `unknown_product`, 422 |
//! | `PUT /baskets/{id}/lines/{slug}` `{"quantity"}` | sets, 0 removes: 200 Basket, 404, 422 |
//! | `POST /orders` `{"basket","customer"?,"email","address","total"?}` | 201 (200 when repeated) Order, 404 `unknown_basket`, 409 `out_of_stock`, `empty_basket`, `basket_changed` or `price_changed`, 422 `invalid` or `key_reused` |
//! | `GET /orders/{id}?customer=` | 200 Order, 404 `unknown_order`, also when it is not that customer's |
//! | `GET /orders?customer=ID&limit=`, `GET /orders?key=KEY` | 200 `{"orders":[Order]}`, newest first |
//! | `GET /events?after=<cursor>&limit=` | 200 `{"events":[{"cursor","type","at","order"}],"next"}`, ascending |
//!
//! `POST /orders` needs a UUID in `Idempotency-Key`: one key makes one order, and a repeat gets it. A basket's
//! `order_key` is such a key, which stays the same until it is ordered, or refused with 404 or 409: a key that was
//! refused so makes no order any more. `total` is what the customer has seen: when it is
//! another one by now, nothing is ordered. Everything that needs the catalog answers 503 `catalog_unavailable` without it; the request may then be repeated with its key.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use service_kit::error::{Fields, with_fallbacks};
use service_kit::extract::{Json, Path, Query};
use sqlx::SqlitePool;

use crate::baskets::{self, BasketId};
use crate::catalog::Catalog;
use crate::confirming::Confirming;
use crate::error::Error;
use crate::events::{self, Feed};
use crate::orders::{self, Order};
use crate::placing::{self, Key, Placing};
use crate::pricing::Basket;

#[derive(Clone, FromRef)]
struct Orders {
    database: SqlitePool,
    catalog: Catalog,
    placing: Placing,
}

/// All endpoints, on `database`, with the prices and the stock of `catalog`, which `confirming` tells of orders.
pub(crate) fn routes(database: SqlitePool, catalog: Catalog, confirming: Confirming) -> Router {
    let placing = Placing::new(database.clone(), catalog.clone(), confirming);
    let router = Router::new()
        .route("/baskets", post(new_basket))
        .route("/baskets/{id}", get(show_basket))
        .route("/baskets/{id}/count", get(count_basket))
        .route("/baskets/{id}/lines", post(add_line))
        .route("/baskets/{id}/lines/{slug}", put(set_line))
        .route("/orders", get(list_orders).post(place_order))
        .route("/orders/{id}", get(show_order))
        .route("/events", get(list_events))
        .with_state(Orders { database, catalog, placing });
    with_fallbacks(router)
}

#[derive(Serialize)]
struct Count {
    count: i64,
}

#[derive(Deserialize)]
struct Addition {
    slug: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Setting {
    quantity: i64,
}

#[derive(Deserialize)]
struct Wanted {
    customer: Option<String>,
    key: Option<String>,
    limit: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    customer: Option<String>,
}

#[derive(Serialize)]
struct Found {
    orders: Vec<Order>,
}

async fn new_basket(
    State(orders): State<Orders>,
    line: Option<Json<Addition>>,
) -> Result<(StatusCode, Json<Basket>), Error> {
    let id = match line {
        Some(Json(line)) => {
            let product = orders.catalog.product(&line.slug).await?;
            baskets::create(&orders.database, Some((&product, line.quantity))).await?
        }
        None => baskets::create(&orders.database, None).await?,
    };
    Ok((StatusCode::CREATED, priced(&orders, id).await?))
}

async fn show_basket(State(orders): State<Orders>, Path(id): Path<String>) -> Result<Json<Basket>, Error> {
    priced(&orders, BasketId::parse(&id)?).await
}

async fn count_basket(State(database): State<SqlitePool>, Path(id): Path<String>) -> Result<Json<Count>, Error> {
    let count = baskets::count(&database, BasketId::parse(&id)?).await?;
    Ok(Json(Count { count }))
}

async fn add_line(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    Json(line): Json<Addition>,
) -> Result<Json<Basket>, Error> {
    let id = BasketId::parse(&id)?;
    let product = orders.catalog.product(&line.slug).await?;
    baskets::add(&orders.database, id, &product, line.quantity).await?;
    priced(&orders, id).await
}

async fn set_line(
    State(orders): State<Orders>,
    Path((id, slug)): Path<(String, String)>,
    Json(line): Json<Setting>,
) -> Result<Json<Basket>, Error> {
    let id = BasketId::parse(&id)?;
    match line.quantity {
        0 => baskets::remove(&orders.database, id, &slug).await?,
        quantity => {
            let product = orders.catalog.product(&slug).await?;
            baskets::set(&orders.database, id, &product, quantity).await?;
        }
    }
    priced(&orders, id).await
}

async fn priced(orders: &Orders, id: BasketId) -> Result<Json<Basket>, Error> {
    let contents = baskets::contents(&orders.database, id).await?;
    let slugs: Vec<_> = contents.lines.iter().map(|line| line.slug.as_str()).collect();
    let products = orders.catalog.products(&slugs).await?;
    Ok(Json(Basket::priced(id, contents, &products)?))
}

async fn place_order(
    State(placing): State<Placing>,
    headers: HeaderMap,
    Json(typed): Json<placing::Typed>,
) -> Result<(StatusCode, Json<Order>), Error> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.and_then(Key::parse).ok_or(Error::NoKey)?;
    let (order, is_new) = placing.place(key, typed.parse()?).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(order)))
}

async fn show_order(
    State(database): State<SqlitePool>,
    Path(id): Path<String>,
    Query(owner): Query<Owner>,
) -> Result<Json<Order>, Error> {
    let order = orders::find(&database, &id).await?;
    let order = order.filter(|order| owner.customer.is_none() || owner.customer == order.customer);
    order.map(Json).ok_or(Error::UnknownOrder)
}

async fn list_orders(State(database): State<SqlitePool>, Query(wanted): Query<Wanted>) -> Result<Json<Found>, Error> {
    let limit = events::number(wanted.limit.as_deref(), orders::LIST_MAX, 1);
    let limit = limit.map_err(|message| Error::Invalid(Fields::one("limit", message)))?;
    let orders = match (wanted.customer, wanted.key) {
        (Some(customer), None) => orders::of_customer(&database, &customer, limit).await?,
        (None, Some(key)) => match Key::parse(&key) {
            Some(key) => orders::with_key(&database, key).await?.into_iter().collect(),
            None => Vec::new(),
        },
        _ => return Err(Error::Invalid(Fields::one("customer", "Say a customer or a key, and not both."))),
    };
    Ok(Json(Found { orders }))
}

async fn list_events(
    State(database): State<SqlitePool>,
    Query(window): Query<events::Window>,
) -> Result<Json<Feed>, Error> {
    Ok(Json(events::read(&database, &window).await?))
}
