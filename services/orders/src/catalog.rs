//! What orders asks the catalog service: what products cost, how many there are, and to set some aside.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use service_kit::client::{self, Service};
use service_kit::money::Money;

use crate::error::Error;
use crate::placing::Key;

/// The catalog service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Catalog(Service);

/// A product as it is sold now.
#[derive(Debug, Deserialize)]
pub(crate) struct Product {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) drawing: String,
    pub(crate) price: Money,
    pub(crate) stock: Stock,
}

/// How many there are.
#[derive(Debug, Deserialize)]
pub(crate) struct Stock {
    pub(crate) quantity: i64,
}

/// So many of a product, to be set aside.
#[derive(Debug, Serialize)]
pub(crate) struct Wanted<'a> {
    pub(crate) slug: &'a str,
    pub(crate) quantity: u32,
}

/// So many of a product, set aside at a price.
#[derive(Debug, Deserialize)]
pub(crate) struct Reserved {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) drawing: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
}

#[derive(Deserialize)]
struct Products {
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Reservation {
    lines: Vec<Reserved>,
}

#[derive(Serialize)]
struct Reserve<'a> {
    key: &'a str,
    lines: &'a [Wanted<'a>],
}

impl Catalog {
    /// The catalog behind this client.
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The product with this slug.
    pub(crate) async fn product(&self, slug: &str) -> Result<Product, Error> {
        self.0.get(&["products", slug]).send().await.map_err(refused)
    }

    /// Those of `slugs` that are sold.
    pub(crate) async fn products(&self, slugs: &[&str]) -> Result<HashMap<String, Product>, Error> {
        if slugs.is_empty() {
            return Ok(HashMap::new());
        }
        let request = self.0.get(&["products"]).query("slugs", &slugs.join(","));
        let found: Products = request.send().await.map_err(Error::Catalog)?;
        Ok(found.products.into_iter().map(|product| (product.slug.clone(), product)).collect())
    }

    /// Sets stock aside under `key`, all or nothing; a repeat gets what is set aside already.
    ///
    /// Nobody else has this key, and no order of it exists: what is set aside for other lines is left from an
    /// attempt that came to nothing, and is given back.
    pub(crate) async fn reserve(&self, key: Key, lines: &[Wanted<'_>]) -> Result<Vec<Reserved>, Error> {
        match self.try_reserve(&key.text(), lines).await {
            Err(error) if error.is("key_reused") => {
                self.release(key).await?;
                self.try_reserve(&key.text(), lines).await.map_err(refused)
            }
            outcome => outcome.map_err(refused),
        }
    }

    /// Gives back what is set aside under `key`, if anything is.
    pub(crate) async fn release(&self, key: Key) -> Result<(), Error> {
        self.0.delete(&["reservations", &key.text()]).done().await.map_err(Error::Catalog)
    }

    /// Keeps what is set aside under `key` for good. If it went back on the shelf meanwhile, it is taken again.
    pub(crate) async fn confirm(&self, key: &str, lines: &[Wanted<'_>]) -> Result<(), Error> {
        let confirm = async || self.0.put(&["reservations", key, "confirmation"]).done().await;
        match confirm().await {
            Err(error) if error.is("unknown_reservation") => {
                self.try_reserve(key, lines).await.map_err(refused)?;
                confirm().await.map_err(Error::Catalog)
            }
            outcome => outcome.map_err(Error::Catalog),
        }
    }

    async fn try_reserve(&self, key: &str, lines: &[Wanted<'_>]) -> Result<Vec<Reserved>, client::Error> {
        let body = Reserve { key, lines };
        let reservation: Reservation = self.0.post(&["reservations"]).json(&body).send().await?;
        Ok(reservation.lines)
    }
}

fn refused(error: client::Error) -> Error {
    match error.refusal() {
        Some(_) if error.is_unknown("unknown_product") => Error::UnknownProduct,
        Some(refusal) if refusal.code == "out_of_stock" => {
            Error::OutOfStock { message: refusal.message.clone(), details: refusal.details.clone() }
        }
        _ => Error::Catalog(error),
    }
}
