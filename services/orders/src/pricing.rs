//! What a basket costs now: the only place where a total is made.

use std::collections::HashMap;

use serde::Serialize;
use service_kit::money::{Currency, Money};

use crate::baskets::{self, BasketId, Contents, QUANTITY_MAX};
use crate::catalog::Product;
use crate::error::Error;

/// The currency of the shop, of its shipping and of an empty basket.
const CURRENCY: Currency = Currency::EUR;

/// What a parcel costs.
const SHIPPING: i64 = 490;

/// From this subtotal on a parcel costs nothing.
const FREE_SHIPPING_FROM: i64 = 10_000;

/// The sums below a list of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) subtotal: Money,
    pub(crate) shipping: Money,
    pub(crate) total: Money,
}

/// A basket with today's prices, and what stands in the way of ordering it.
#[derive(Debug, Serialize)]
pub(crate) struct Basket {
    id: String,
    order_key: String,
    lines: Vec<Line>,
    count: u32,
    #[serde(flatten)]
    totals: Totals,
    can_order: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    slug: String,
    name: String,
    drawing: String,
    quantity: u32,
    unit_price: Money,
    line_total: Money,
    available: i64,
    max_quantity: i64,
    problem: Option<String>,
}

impl Totals {
    /// The sums of these line totals; none when they are of several currencies.
    pub(crate) fn of(lines: impl IntoIterator<Item = Money>) -> Result<Self, Error> {
        let nothing = Money::new(0, CURRENCY);
        let subtotal = lines.into_iter().try_fold(nothing, |sum, line| sum.plus(line));
        let subtotal = subtotal.ok_or(Error::MixedCurrencies)?;
        let shipping = match subtotal.amount {
            0 | FREE_SHIPPING_FROM.. => nothing,
            _ => Money::new(SHIPPING, CURRENCY),
        };
        let total = subtotal.plus(shipping).ok_or(Error::MixedCurrencies)?;
        Ok(Self { subtotal, shipping, total })
    }
}

impl Basket {
    /// A basket at the prices of `products`.
    pub(crate) fn priced(id: BasketId, contents: Contents, products: &HashMap<String, Product>) -> Result<Self, Error> {
        let lines: Vec<_> = contents.lines.into_iter().map(|line| Line::priced(line, products)).collect();
        Ok(Self {
            id: id.text(),
            order_key: contents.order_key,
            count: lines.iter().map(|line| line.quantity).sum(),
            totals: Totals::of(lines.iter().map(|line| line.line_total))?,
            can_order: !lines.is_empty() && lines.iter().all(|line| line.problem.is_none()),
            lines,
        })
    }
}

impl Line {
    fn priced(line: baskets::Line, products: &HashMap<String, Product>) -> Self {
        let baskets::Line { slug, name, drawing, quantity } = line;
        let Some(product) = products.get(&slug) else {
            let nothing = Money::new(0, CURRENCY);
            let problem = Some("No longer sold.".to_owned());
            return Self {
                slug,
                name,
                drawing,
                quantity,
                unit_price: nothing,
                line_total: nothing,
                available: 0,
                max_quantity: 0,
                problem,
            };
        };
        let available = product.stock.quantity;
        let problem = match available {
            0 => Some("Sold out.".to_owned()),
            _ if available < i64::from(quantity) => Some(format!("Only {available} left.")),
            _ => None,
        };
        Self {
            slug,
            name: product.name.clone(),
            drawing: product.drawing.clone(),
            quantity,
            unit_price: product.price,
            line_total: product.price.times(quantity),
            available,
            max_quantity: available.min(QUANTITY_MAX),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipping_is_free_from_100_euros_and_for_nothing() {
        let table = [(0, 0), (1, 490), (9_999, 490), (10_000, 0), (10_001, 0), (500_000, 0)];
        for (subtotal, shipping) in table {
            let totals = Totals::of([Money::new(subtotal, CURRENCY)]).unwrap();
            let amounts = (totals.subtotal.amount, totals.shipping.amount, totals.total.amount);
            assert_eq!(amounts, (subtotal, shipping, subtotal + shipping));
        }
    }

    #[test]
    fn prices_in_two_currencies_have_no_total() {
        let krona = Money::new(100, Currency::parse("SEK").unwrap());
        assert!(matches!(Totals::of([Money::new(100, CURRENCY), krona]), Err(Error::MixedCurrencies)));
    }
}
