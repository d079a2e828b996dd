//! What this page asks orders: the visitor's basket, to count it and to put something in.

use page_kit::{Lookup, Service, ServiceError, Source, Unavailable};
use serde::Deserialize;
use serde_json::json;

/// The orders service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    count: Lookup<Option<Count>>,
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

/// What this page wants to know of a basket.
#[derive(Debug, Deserialize)]
pub(crate) struct Basket {
    pub(crate) id: String,
    pub(crate) count: u32,
}

impl Client {
    pub(crate) fn new(source: &Source) -> Self {
        let count = Lookup::optional("basket_count", source, &["unknown_basket"]);
        Self { service: source.service().clone(), count }
    }

    /// How many pieces are in a basket; none in one that is unknown.
    pub(crate) async fn count(&self, basket: &str) -> Result<u32, Unavailable> {
        let count = self.count.ask(self.service.get(&["baskets", basket, "count"])).await?;
        Ok(count.map_or(0, |answer| answer.count))
    }

    /// Puts a product into the basket `basket`, or into a new one when there is none or it is unknown.
    pub(crate) async fn add(&self, basket: Option<&str>, slug: &str, quantity: i64) -> Result<Basket, ServiceError> {
        let line = json!({ "slug": slug, "quantity": quantity });
        if let Some(id) = basket {
            match self.service.post(&["baskets", id, "lines"]).json(&line).send().await {
                Err(error) if error.is_unknown("unknown_basket") => {}
                answer => return answer,
            }
        }
        self.service.post(&["baskets"]).json(&line).send().await
    }
}
