//! Placing an order: once for each key, whatever is repeated, raced or killed on the way.
//!
//! 1. Requests with the same key take turns. If an order has the key, or was refused under it, that is the answer.
//! 2. The catalog sets the basket's lines aside under the key, so a repeat gets the same stock and not more.
//! 3. One transaction writes the order and its event, empties the basket and renews its key, if the basket is still what
//!    was set aside, at the total that its customer has seen.
//! 4. The catalog learns that what was set aside is sold ([`crate::confirming`]).
//!
//! All of it runs to its end when the caller hangs up. When step 3 fails or we die before it, the stock stays set aside
//! for the repeat, and goes back when there is none in time. When the order is refused for good, that is written down
//! ([`crate::refusals`]) and the stock goes back at once. So no stock is lost, and no order is without stock.

use jiff::Timestamp;
use serde::Deserialize;
use service_kit::address::{self, Address};
use service_kit::context;
use service_kit::database;
use service_kit::email::Email;
use service_kit::error::Fields;
use service_kit::money::Money;
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::baskets::{self, BasketId};
use crate::catalog::{Catalog, Reserved, Wanted};
use crate::confirming::Confirming;
use crate::error::Error;
use crate::events;
use crate::orders::{self, Line, Order};
use crate::pricing::Totals;
use crate::refusals;
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
    total: Option<Money>,
}

/// An order that can be placed, if the basket can be had.
#[derive(Debug)]
pub(crate) struct Request {
    basket: BasketId,
    customer: Option<Uuid>,
    email: Email,
    address: Address,
    /// The total that the customer has seen, if somebody tells.
    total: Option<Money>,
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
            (Some(customer), Some(email), Some(address)) => {
                Ok(Request { basket, customer, email, address, total: self.total })
            }
            _ => Err(Error::Invalid(fields)),
        }
    }
}

/// What places orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Placing {
    database: SqlitePool,
    catalog: Catalog,
    confirming: Confirming,
    turns: Turns<Key>,
}

impl Placing {
    /// Orders go to `database`, their stock comes from `catalog`, which `confirming` tells of them.
    pub(crate) fn new(database: SqlitePool, catalog: Catalog, confirming: Confirming) -> Self {
        Self { database, catalog, confirming, turns: Turns::default() }
    }

    /// Places an order, also when nobody waits for it any more; a repeat gets the saved one. True when it is a new one.
    pub(crate) async fn place(&self, key: Key, request: Request) -> Result<(Order, bool), Error> {
        let placing = self.clone();
        let placed = context::spawn(async move { placing.place_in_turn(key, request).await });
        // Nobody aborts the task, so it can only have panicked.
        placed.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    async fn place_in_turn(&self, key: Key, request: Request) -> Result<(Order, bool), Error> {
        let _turn = self.turns.take(key).await;
        if let Some(saved) = orders::with_key(&self.database, key).await? {
            return match saved.basket == request.basket.text() {
                true => Ok((saved, false)),
                false => Err(Error::KeyReused),
            };
        }
        if let Some(refusal) = refusals::with_key(&self.database, key).await? {
            return match refusal.basket == request.basket.text() {
                true => Err(refusal.error),
                false => Err(Error::KeyReused),
            };
        }
        let basket = request.basket;
        let outcome = self.place_new(key, request).await;
        if let Err(error) = &outcome
            && error.is_definite()
        {
            self.refuse(key, basket, error).await?;
        }
        outcome.map(|order| (order, true))
    }

    async fn refuse(&self, key: Key, basket: BasketId, error: &Error) -> Result<(), Error> {
        let mut transaction = database::write(&self.database).await?;
        refusals::write(&mut transaction, key, basket, error).await?;
        transaction.commit().await?;
        if let Err(error) = self.catalog.release(key).await {
            tracing::warn!(%error, "stock may stay reserved for a while for an order that was refused");
        }
        Ok(())
    }

    async fn place_new(&self, key: Key, request: Request) -> Result<Order, Error> {
        let lines = baskets::contents(&self.database, request.basket).await?.lines;
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
        let (basket, seen) = (request.basket, request.total);
        let mut order = draft(key, request, reserved)?;
        if seen.is_some_and(|seen| seen != order.totals.total) {
            return Err(Error::PriceChanged);
        }
        let mut transaction = database::write(&self.database).await?;
        match baskets::contents_in(&mut transaction, basket).await?.lines {
            now if now.is_empty() => return Err(Error::EmptyBasket),
            now if now != lines => return Err(Error::BasketChanged),
            _ => {}
        }
        orders::write(&mut transaction, &mut order).await?;
        events::order_placed(&mut transaction, &order).await?;
        baskets::empty(&mut transaction, basket).await?;
        transaction.commit().await?;
        self.confirming.wake();
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
        count: lines.iter().map(|line| line.quantity).sum(),
        totals: Totals::of(lines.iter().map(|line| line.line_total))?,
        lines,
        address: request.address,
    })
}

fn line(reserved: Reserved) -> Line {
    let Reserved { slug, name, drawing, quantity, unit_price } = reserved;
    Line { slug, name, drawing, quantity, unit_price, line_total: unit_price.times(quantity) }
}
