//! What this page asks orders about the basket: how many pieces are in it, for the header.

use page_kit::{Lookup, Service, Source, Unavailable};
use serde::Deserialize;

/// The baskets of the orders service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    count: Lookup<Option<Count>>,
}

#[derive(Deserialize)]
struct Count {
    count: u32,
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
}
