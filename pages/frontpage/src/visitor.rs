//! `/visitor.json`: who is looking, for pages that are rendered for everybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use page_kit::Cookies;
use serde::Serialize;
use tokio::join;

use crate::page::Frontpage;

#[derive(Serialize)]
struct Visitor {
    name: Option<String>,
    basket: u32,
    /// Which of the two can't be learned now, so that what they say means nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<&'static str>,
}

/// A visitor whose session has ended is one without a name.
pub(crate) async fn who(State(page): State<Arc<Frontpage>>, cookies: Cookies) -> impl IntoResponse {
    let name = async {
        match cookies.session() {
            Some(session) => page.accounts.name(session).await,
            None => Ok(None),
        }
    };
    let count = async {
        match cookies.basket() {
            Some(basket) => page.orders.count(basket).await,
            None => Ok(0),
        }
    };
    let (name, count) = join!(name, count);
    let has_ended = cookies.session().is_some() && matches!(name, Ok(None));
    let unknown = [("name", name.is_err()), ("basket", count.is_err())];
    let visitor = Visitor {
        name: name.unwrap_or_default(),
        basket: count.unwrap_or_default(),
        unknown: unknown.into_iter().filter(|(_, is_unknown)| *is_unknown).map(|(what, _)| what).collect(),
    };
    let cookies = if has_ended { cookies.without_session() } else { cookies };
    (cookies, [(CACHE_CONTROL, "no-store")], Json(visitor))
}
