//! What this page asks the catalog: categories, products and one product.

use std::collections::HashMap;

use page_kit::{Money, Service, ServiceError};
use serde::Deserialize;

/// What of a visitor's query is the catalog's to understand.
const SEARCH: &[&str] = &["q", "category", "sort", "in_stock"];

/// The catalog service.
#[derive(Debug, Clone)]
pub(crate) struct Client(Service);

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    pub(crate) async fn categories(&self) -> Result<Vec<Category>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            categories: Vec<Category>,
        }
        let answer: Answer = self.0.get(&["categories"]).send().await?;
        Ok(answer.categories)
    }

    /// The products that a search finds; none when there can't be such a search, as in an unknown category or order.
    pub(crate) async fn products(&self, query: &HashMap<String, String>) -> Result<Option<Products>, ServiceError> {
        let mut request = self.0.get(&["products"]);
        for name in SEARCH {
            if let Some(value) = query.get(*name).map(|value| value.trim()).filter(|value| !value.is_empty()) {
                request = request.query(name, value);
            }
        }
        match request.send().await {
            Ok(products) => Ok(Some(products)),
            Err(error) if error.is_unknown("invalid") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One product, or none by this name.
    pub(crate) async fn product(&self, slug: &str) -> Result<Option<Product>, ServiceError> {
        match self.0.get(&["products", slug]).send().await {
            Ok(product) => Ok(Some(product)),
            Err(error) if error.is_unknown("unknown_product") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug, Deserialize)]
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

#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) category: CategoryName,
    pub(crate) price: Money,
    pub(crate) drawing: String,
    pub(crate) badge: Option<String>,
    pub(crate) stock: Stock,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CategoryName {
    pub(crate) slug: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
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

#[derive(Debug, Deserialize)]
pub(crate) struct Spec {
    pub(crate) label: String,
    pub(crate) value: String,
}
