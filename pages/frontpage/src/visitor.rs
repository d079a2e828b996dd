//! `/visitor.json`: who is looking, for pages that are rendered for everybody.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use page_kit::{Cookies, log_missing};
use serde::Serialize;
use tokio::join;

use crate::page::Frontpage;

#[derive(Serialize)]
struct Visitor {
    name: Option<String>,
    basket: u32,
}

/// A visitor whose session has ended, or of whom nothing can be learned now, is one without a name.
pub(crate) async fn who(State(page): State<Frontpage>, cookies: Cookies) -> impl IntoResponse {
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
    let basket = count.inspect_err(log_missing).unwrap_or_default();
    let has_ended = cookies.session().is_some() && matches!(name, Ok(None));
    let name = name.inspect_err(log_missing).unwrap_or_default();
    let cookies = if has_ended { cookies.without_session() } else { cookies };
    (cookies, [(CACHE_CONTROL, "no-store")], Json(Visitor { name, basket }))
}
