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
            Err(error) if error.refusal().is_some() => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Puts a product into the basket `basket`, or into a new one when there is none or it is unknown.
    pub(crate) async fn add(&self, basket: Option<&str>, slug: &str, quantity: i64) -> Result<Basket, ServiceError> {
        if let Some(id) = basket {
            match self.add_to(id, slug, quantity).await {
                Err(error) if error.is("unknown_basket") => {}
                answer => return answer,
            }
        }
        let fresh: Basket = self.0.post(&["baskets"]).send().await?;
        self.add_to(&fresh.id, slug, quantity).await
    }

    async fn add_to(&self, basket: &str, slug: &str, quantity: i64) -> Result<Basket, ServiceError> {
        let line = json!({ "slug": slug, "quantity": quantity });
        self.0.post(&["baskets", basket, "lines"]).json(&line).send().await
    }
}
