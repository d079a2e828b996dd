//! What this page asks orders: the basket, changes to it, and to place an order.

use std::time::Duration;

use axum::http::HeaderName;
use page_kit::{Money, Service, ServiceError, log_missing};
use serde::{Deserialize, Serialize};
use serde_json::json;
use templates::Address;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long an order may take: longer than orders itself waits for the catalog (three calls of 3 s each) and for its
/// database, so that it is done, or refused, before we say that we don't know.
const PLACING: Duration = Duration::from_secs(15);

/// The orders service.
#[derive(Debug, Clone)]
pub(crate) struct Client(Service);

#[derive(Debug, Deserialize)]
pub(crate) struct Basket {
    /// The idempotency key of the basket's next order.
    pub(crate) order_key: String,
    pub(crate) lines: Vec<BasketLine>,
    pub(crate) count: u32,
    pub(crate) can_order: bool,
    #[serde(flatten)]
    pub(crate) totals: Totals,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BasketLine {
    #[serde(flatten)]
    pub(crate) line: Line,
    pub(crate) max_quantity: u32,
    pub(crate) problem: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) drawing: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
    pub(crate) line_total: Money,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Totals {
    pub(crate) subtotal: Money,
    pub(crate) shipping: Money,
    pub(crate) total: Money,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) number: String,
    pub(crate) email: String,
    pub(crate) lines: Vec<Line>,
    #[serde(flatten)]
    pub(crate) totals: Totals,
    pub(crate) address: Address,
}

/// An order as it is asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Wanted<'a> {
    pub(crate) basket: &'a str,
    pub(crate) customer: Option<&'a str>,
    pub(crate) email: &'a str,
    pub(crate) address: &'a Address,
    /// What the visitor has seen that it costs.
    pub(crate) total: Option<Money>,
}

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The basket; none when there is none by this id.
    pub(crate) async fn basket(&self, id: Option<&str>) -> Result<Option<Basket>, ServiceError> {
        let Some(id) = id else {
            return Ok(None);
        };
        match self.0.get(&["baskets", id]).send().await {
            Ok(basket) => Ok(Some(basket)),
            Err(error) if error.is_unknown("unknown_basket") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many pieces are in the basket, as far as that can be learned.
    pub(crate) async fn basket_count(&self, id: Option<&str>) -> u32 {
        #[derive(Deserialize)]
        struct Answer {
            count: u32,
        }
        let Some(id) = id else {
            return 0;
        };
        match self.0.get(&["baskets", id, "count"]).send::<Answer>().await {
            Ok(answer) => answer.count,
            Err(error) if error.is_unknown("unknown_basket") => 0,
            Err(error) => {
                log_missing(&error);
                0
            }
        }
    }

    /// Sets the quantity of a line; 0 removes it.
    pub(crate) async fn set_quantity(&self, basket: &str, slug: &str, quantity: i64) -> Result<(), ServiceError> {
        let body = json!({ "quantity": quantity });
        self.0.put(&["baskets", basket, "lines", slug]).json(&body).done().await
    }

    /// Places an order, once for each `key` however often it is asked for.
    pub(crate) async fn place(&self, key: &str, wanted: &Wanted<'_>) -> Result<(), ServiceError> {
        let patient = self.0.clone().with_deadline(PLACING);
        patient.post(&["orders"]).header(IDEMPOTENCY_KEY, key).json(wanted).done().await
    }

    /// The order that was placed with `key`.
    pub(crate) async fn placed(&self, key: &str) -> Result<Option<Order>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            orders: Vec<Order>,
        }
        match self.0.get(&["orders"]).query("key", key).send::<Answer>().await {
            Ok(mut answer) => Ok(answer.orders.pop()),
            Err(error) if error.is_unknown("unknown_order") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
