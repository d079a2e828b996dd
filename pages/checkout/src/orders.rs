//! What this page asks orders: the basket, changes to it, and to place an order.

use std::time::Duration;

use axum::http::HeaderName;
use page_kit::outbox::{Key, Kind};
use page_kit::{Lookup, Money, Service, ServiceError, Source, Unavailable};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use templates::Address;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long an order may take: longer than orders itself waits for the catalog (three calls of 3 s each) and for its
/// database, so that it is done, or refused, before we say that we don't know.
const PLACING: Duration = Duration::from_secs(10);

/// [`Wanted`] in the outbox.
pub(crate) const ORDER: Kind = Kind { name: "order", writes: 1, reads: 1 };

/// The orders service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    basket: Lookup<Option<Basket>>,
    count: Lookup<Option<Count>>,
    placed: Lookup<Found>,
}

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

/// An order as it is asked for. It stays in the outbox for days: what is added here has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) basket: String,
    pub(crate) customer: Option<String>,
    pub(crate) email: String,
    pub(crate) address: Address,
    /// What the visitor has seen that it costs.
    pub(crate) total: Option<Money>,
}

/// Two are the same when the visitor sent the same: who the visitor is may be unknown for a moment.
impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        let Self { basket, customer: _, email, address, total } = self;
        (basket, email, address, total) == (&other.basket, &other.email, &other.address, &other.total)
    }
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

#[derive(Deserialize)]
struct Found {
    orders: Vec<Order>,
}

impl Client {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            service: source.service().clone(),
            basket: Lookup::optional("basket", source, &["unknown_basket"]),
            count: Lookup::optional("basket_count", source, &["unknown_basket"]),
            placed: Lookup::new("placed_order", source),
        }
    }

    /// The basket; none when there is none by this id.
    pub(crate) async fn basket(&self, id: Option<&str>) -> Result<Option<Basket>, Unavailable> {
        match id {
            Some(id) => self.basket.ask(self.service.get(&["baskets", id])).await,
            None => Ok(None),
        }
    }

    /// How many pieces are in the basket, as far as that can be learned. It can when there are no prices.
    pub(crate) async fn basket_count(&self, id: Option<&str>) -> u32 {
        let Some(id) = id else {
            return 0;
        };
        let count = self.count.ask(self.service.get(&["baskets", id, "count"])).await;
        count.ok().flatten().map_or(0, |count| count.count)
    }

    /// Sets the quantity of a line; 0 removes it.
    pub(crate) async fn set_quantity(&self, basket: &str, slug: &str, quantity: i64) -> Result<(), ServiceError> {
        let body = json!({ "quantity": quantity });
        self.service.put(&["baskets", basket, "lines", slug]).json(&body).done().await
    }

    /// Places an order, once for each `key` however often it is asked for, and tells it as orders does.
    pub(crate) async fn place(&self, key: Key, wanted: &Wanted) -> Result<Value, ServiceError> {
        let patient = self.service.clone().with_deadline(PLACING);
        patient.post(&["orders"]).header(IDEMPOTENCY_KEY, &key.to_string()).json(wanted).send().await
    }

    /// The order that was placed with `key`.
    pub(crate) async fn placed(&self, key: Key) -> Result<Option<Order>, Unavailable> {
        let request = self.service.get(&["orders"]).query("key", &key.to_string());
        Ok(self.placed.ask(request).await?.orders.pop())
    }
}
