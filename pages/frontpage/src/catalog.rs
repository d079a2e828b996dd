//! What this page asks the catalog: categories, products and one product.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use page_kit::{Ages, Answer, Money, Query, Service, Source};
use serde::Deserialize;

/// What of a visitor's query is the catalog's to understand.
const SEARCH: &[&str] = &["q", "category", "sort", "in_stock"];

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Prices and stock are looked up again after seconds; yesterday's are better than none.
const OFFERS: Ages = Ages { fresh: Duration::from_secs(5), stale: DAY };

/// There is a new category about once a year.
const KINDS: Ages = Ages { fresh: MINUTE, stale: DAY.saturating_mul(7) };

/// The catalog service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    categories: Query<Categories>,
    products: Query<Option<Products>>,
    product: Query<Option<Product>>,
}

impl Client {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            service: source.service().clone(),
            categories: Query::new("categories", source, KINDS),
            products: Query::optional("products", source, OFFERS, &["invalid"]),
            product: Query::optional("product", source, OFFERS, &["unknown_product"]),
        }
    }

    pub(crate) async fn categories(&self) -> Answer<Arc<Categories>> {
        self.categories.ask(self.service.get(&["categories"])).await
    }

    /// The products that a search finds; none when there can't be such a search, as in an unknown category or order.
    pub(crate) async fn products(&self, query: &HashMap<String, String>) -> Answer<Arc<Option<Products>>> {
        let mut request = self.service.get(&["products"]);
        for name in SEARCH {
            if let Some(value) = query.get(*name).map(|value| value.trim()).filter(|value| !value.is_empty()) {
                request = request.query(name, value);
            }
        }
        self.products.ask(request).await
    }

    /// One product, or none by this name.
    pub(crate) async fn product(&self, slug: &str) -> Answer<Arc<Option<Product>>> {
        self.product.ask(self.service.get(&["products", slug])).await
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Categories {
    pub(crate) categories: Vec<Category>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Category {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) tagline: String,
    pub(crate) drawing: String,
    pub(crate) count: u32,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Products {
    pub(crate) products: Vec<Summary>,
    pub(crate) total: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Summary {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) category: CategoryName,
    pub(crate) price: Money,
    pub(crate) drawing: String,
    pub(crate) badge: Option<String>,
    /// None when the catalog does not say.
    pub(crate) stock: Option<Stock>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CategoryName {
    pub(crate) slug: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stock {
    /// `in_stock`, `low` or `out`.
    pub(crate) level: String,
    pub(crate) quantity: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Product {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) description: Vec<String>,
    pub(crate) specs: Vec<Spec>,
    pub(crate) related: Vec<Summary>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Spec {
    pub(crate) label: String,
    pub(crate) value: String,
}
