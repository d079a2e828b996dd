//! What this page asks orders: the visitor's basket, to count it and to put something in.

use page_kit::{Service, ServiceError};
use serde::Deserialize;
use serde_json::json;

/// The orders service.
#[derive(Debug, Clone)]
pub(crate) struct Client(Service);

/// What this page wants to know of a basket.
#[derive(Debug, Deserialize)]
pub(crate) struct Basket {
    pub(crate) id: String,
    pub(crate) count: u32,
}

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// How many pieces are in a basket; none in one that is unknown.
    pub(crate) async fn count(&self, basket: &str) -> Result<u32, ServiceError> {
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

    /// Puts a product into the basket `basket`, or into a new one when there is none or it is unknown.
    pub(crate) async fn add(&self, basket: Option<&str>, slug: &str, quantity: i64) -> Result<Basket, ServiceError> {
        let line = json!({ "slug": slug, "quantity": quantity });
        if let Some(id) = basket {
            match self.0.post(&["baskets", id, "lines"]).json(&line).send().await {
                Err(error) if error.is_unknown("unknown_basket") => {}
                answer => return answer,
            }
        }
        self.0.post(&["baskets"]).json(&line).send().await
    }
}
