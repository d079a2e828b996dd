//! Placing an order: once for each key, whatever is repeated, raced or killed on the way.
//!
//! 1. Requests with the same key take turns. If an order has the key, that is the answer.
//! 2. The catalog sets the basket's lines aside under the key, so a repeat gets the same stock and not more.
//! 3. One transaction writes the order and its event and empties the basket, if the basket is still what was set aside.
//!
//! When step 3 fails or we die before it, the stock stays set aside for the repeat. When the order is refused for good, it
//! goes back. So no stock is lost while the caller repeats what got no answer, and no order is without stock.

use jiff::Timestamp;
use serde::Deserialize;
use service_kit::address::{self, Address};
use service_kit::database;
use service_kit::email::Email;
use service_kit::error::Fields;
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::baskets::{self, BasketId};
use crate::catalog::{Catalog, Reserved, Wanted};
use crate::error::Error;
use crate::events;
use crate::orders::{self, Line, Order};
use crate::pricing::Totals;
use crate::turns::Turns;

/// The idempotency key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(Uuid);

impl Key {
    /// Reads a key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    pub(crate) fn text(self) -> String {
        self.0.to_string()
    }
}

/// An order as someone typed it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    basket: String,
    customer: Option<String>,
    email: String,
    address: address::Typed,
}

/// An order that can be placed, if the basket can be had.
#[derive(Debug)]
pub(crate) struct Request {
    basket: BasketId,
    customer: Option<Uuid>,
    email: Email,
    address: Address,
}

impl Typed {
    /// The order, or what is wrong with it.
    pub(crate) fn parse(&self) -> Result<Request, Error> {
        let mut fields = Fields::default();
        let basket = BasketId::parse(&self.basket)?;
        let customer = self.customer.as_deref().map(str::parse).transpose();
        let customer = fields.take("customer", customer.map_err(|_| "A customer is named by an account's id."));
        let email = fields.take("email", Email::parse(&self.email));
        let address = self.address.parse().map_err(|wrong| fields.add_part("address", wrong)).ok();
        match (customer, email, address) {
            (Some(customer), Some(email), Some(address)) => Ok(Request { basket, customer, email, address }),
            _ => Err(Error::Invalid(fields)),
        }
    }
}

/// What places orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Placing {
    database: SqlitePool,
    catalog: Catalog,
    turns: Turns<Key>,
}

impl Placing {
    /// Orders go to `database`, their stock comes from `catalog`.
    pub(crate) fn new(database: SqlitePool, catalog: Catalog) -> Self {
        Self { database, catalog, turns: Turns::default() }
    }

    /// Places an order; a repeat gets the saved one. True when it is a new one.
    pub(crate) async fn place(&self, key: Key, request: Request) -> Result<(Order, bool), Error> {
        let _turn = self.turns.take(key).await;
        if let Some(saved) = orders::with_key(&self.database, key).await? {
            return match saved.basket == request.basket.text() {
                true => Ok((saved, false)),
                false => Err(Error::KeyReused),
            };
        }
        let outcome = self.place_new(key, request).await;
        if outcome.as_ref().is_err_and(Error::is_definite)
            && let Err(error) = self.catalog.release(key).await
        {
            tracing::warn!(%error, key = key.text(), "stock may stay reserved for an order that was refused");
        }
        outcome.map(|order| (order, true))
    }

    async fn place_new(&self, key: Key, request: Request) -> Result<Order, Error> {
        let lines = baskets::lines(&self.database, request.basket).await?;
        if lines.is_empty() {
            return Err(Error::EmptyBasket);
        }
        let wanted: Vec<_> = lines.iter().map(|line| Wanted { slug: &line.slug, quantity: line.quantity }).collect();
        let reserved = match self.catalog.reserve(key, &wanted).await {
            Err(Error::UnknownProduct) => {
                let message = "Something in the basket is no longer sold.".to_owned();
                return Err(Error::OutOfStock { message, details: serde_json::Map::new() });
            }
            outcome => outcome?,
        };
        self.write(key, request, &lines, reserved).await
    }

    async fn write(
        &self,
        key: Key,
        request: Request,
        lines: &[baskets::Line],
        reserved: Vec<Reserved>,
    ) -> Result<Order, Error> {
        let basket = request.basket;
        let mut order = draft(key, request, reserved)?;
        let mut transaction = database::write(&self.database).await?;
        match baskets::lines_in(&mut transaction, basket).await? {
            now if now.is_empty() => return Err(Error::EmptyBasket),
            now if now != lines => return Err(Error::BasketChanged),
            _ => {}
        }
        orders::write(&mut transaction, &mut order).await?;
        events::order_placed(&mut transaction, &order).await?;
        baskets::empty(&mut transaction, basket).await?;
        transaction.commit().await?;
        tracing::info!(order.number, order.lines = order.lines.len(), "order placed");
        Ok(order)
    }
}

fn draft(key: Key, request: Request, reserved: Vec<Reserved>) -> Result<Order, Error> {
    let lines: Vec<_> = reserved.into_iter().map(line).collect();
    Ok(Order {
        id: Uuid::new_v4().to_string(),
        number: String::new(),
        key: key.text(),
        basket: request.basket.text(),
        customer: request.customer.map(|id| id.to_string()),
        email: request.email.into(),
        placed_at: format!("{:.3}", Timestamp::now()),
        status: "placed".to_owned(),
        totals: Totals::of(lines.iter().map(|line| line.line_total))?,
        lines,
        address: request.address,
    })
}

fn line(reserved: Reserved) -> Line {
    let Reserved { slug, name, drawing, quantity, unit_price } = reserved;
    Line { slug, name, drawing, quantity, unit_price, line_total: unit_price.times(quantity) }
}
