//! What this page asks orders: what a customer has ordered, and how many pieces are in the basket.

use page_kit::{Money, Service, ServiceError};
use serde::Deserialize;
use templates::Address;

/// The orders service.
#[derive(Debug, Clone)]
pub(crate) struct Client(Service);

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) email: String,
    /// RFC 3339.
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) lines: Vec<Line>,
    /// Pieces.
    pub(crate) count: u32,
    pub(crate) subtotal: Money,
    pub(crate) shipping: Money,
    pub(crate) total: Money,
    pub(crate) address: Address,
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

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The orders of a customer, newest first: all, or the `latest` ones.
    pub(crate) async fn of(&self, customer: &str, latest: Option<u32>) -> Result<Vec<Order>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            orders: Vec<Order>,
        }
        let mut request = self.0.get(&["orders"]).query("customer", customer);
        if let Some(latest) = latest {
            request = request.query("limit", &latest.to_string());
        }
        let answer: Answer = request.send().await?;
        Ok(answer.orders)
    }

    /// One order of a customer; none when there is none, or it is somebody else's.
    pub(crate) async fn one(&self, id: &str, customer: &str) -> Result<Option<Order>, ServiceError> {
        match self.0.get(&["orders", id]).query("customer", customer).send().await {
            Ok(order) => Ok(Some(order)),
            Err(error) if error.is_unknown("unknown_order") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many pieces are in a basket; none in one that is unknown.
    pub(crate) async fn basket_count(&self, basket: &str) -> Result<u32, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            count: u32,
        }
        match self.0.get(&["baskets", basket, "count"]).send::<Answer>().await {
            Ok(answer) => Ok(answer.count),
            Err(error) if error.is_unknown("unknown_basket") => Ok(0),
            Err(error) => Err(error),
        }
    }
}
