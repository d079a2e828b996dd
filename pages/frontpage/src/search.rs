//! The search form and what it found, as views.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use page_kit::{Answer, ago, price, time_ago};
use templates::Choice;

use crate::catalog::{Category, Products, Stock, Summary};

const SORTS: &[(&str, &str)] =
    &[("", "Our pick first"), ("price", "Price, low to high"), ("-price", "Price, high to low"), ("name", "Name")];

/// The level of a stock of which nobody says anything.
const UNKNOWN: &str = "unknown";

/// The search form, as it was filled in.
pub(crate) struct Search {
    pub(crate) q: String,
    pub(crate) filtered: bool,
    pub(crate) in_stock: bool,
    pub(crate) categories: Vec<Choice>,
    pub(crate) sorts: Vec<Choice>,
}

impl Search {
    pub(crate) fn new(query: &HashMap<String, String>, categories: &[Category]) -> Self {
        let everything = std::iter::once(("", "Everything"));
        let named = categories.iter().map(|category| (category.slug.as_str(), category.name.as_str()));
        Self {
            q: word(query, "q").to_owned(),
            filtered: is_filtered(query),
            in_stock: is_in_stock(query),
            categories: choices(everything.chain(named), word(query, "category")),
            sorts: choices(SORTS.iter().copied(), word(query, "sort")),
        }
    }
}

/// When prices were looked up that can't be looked up now.
#[derive(Debug, Clone)]
pub(crate) struct AsOf {
    /// `20 minutes ago`
    pub(crate) ago: String,
    /// RFC 3339.
    pub(crate) time: String,
}

impl AsOf {
    pub(crate) fn new(age: Duration) -> Self {
        Self { ago: ago(age), time: time_ago(age) }
    }
}

/// What was found, now or some time ago; or that nobody could be asked.
pub(crate) struct Results<'a> {
    pub(crate) heading: String,
    pub(crate) total: u32,
    pub(crate) filtered: bool,
    pub(crate) unavailable: bool,
    pub(crate) as_of: Option<AsOf>,
    /// Whether nobody says how many there are of some of the products.
    pub(crate) stock_unknown: bool,
    pub(crate) products: Vec<Card<'a>>,
}

impl<'a> Results<'a> {
    /// The results as a view; none when there can't be such a search.
    pub(crate) fn new(query: &HashMap<String, String>, found: &'a Answer<Arc<Option<Products>>>) -> Option<Self> {
        let unavailable = matches!(found, Answer::Unavailable);
        let (found, age) = match found {
            Answer::Fresh(found) => (Some(found.as_ref().as_ref()?), None),
            Answer::Stale(found, age) => (Some(found.as_ref().as_ref()?), Some(*age)),
            Answer::Unavailable => (None, None),
        };
        let total = found.map_or(0, |found| found.total);
        let mut heading = match total {
            _ if unavailable => "Products".to_owned(),
            1 => "1 product".to_owned(),
            total => format!("{total} products"),
        };
        let words = word(query, "q");
        if !words.is_empty() {
            heading += &format!(" for “{words}”");
        }
        let products: Vec<_> =
            found.iter().flat_map(|found| &found.products).map(|product| Card::new(product, age)).collect();
        Some(Self {
            heading,
            total,
            filtered: is_filtered(query),
            unavailable,
            as_of: age.map(AsOf::new),
            stock_unknown: products.iter().any(|product| product.stock_level == UNKNOWN),
            products,
        })
    }
}

/// One product in a list.
pub(crate) struct Card<'a> {
    pub(crate) slug: &'a str,
    pub(crate) name: &'a str,
    pub(crate) summary: &'a str,
    pub(crate) price: String,
    pub(crate) drawing: &'a str,
    pub(crate) badge: &'a str,
    pub(crate) stock_level: &'a str,
    pub(crate) stock_text: Cow<'static, str>,
}

impl<'a> Card<'a> {
    /// A card with what was known `age` ago; none is now.
    pub(crate) fn new(product: &'a Summary, age: Option<Duration>) -> Self {
        let (stock_level, stock_text) = stock_said(product.stock.as_ref(), age);
        Self {
            price: price(product.price),
            stock_text,
            stock_level,
            slug: &product.slug,
            name: &product.name,
            summary: &product.summary,
            drawing: &product.drawing,
            badge: product.badge.as_deref().unwrap_or_default(),
        }
    }
}

/// The level of a stock, and how it is put into words. Prices hold for days, pieces on a shelf don't: an old number of
/// them is none.
pub(crate) fn stock_said(stock: Option<&Stock>, age: Option<Duration>) -> (&str, Cow<'static, str>) {
    let Some(stock) = stock.filter(|_| age.is_none()) else {
        return (UNKNOWN, "We can’t see our shelves just now".into());
    };
    let text = match stock.level.as_str() {
        "out" => "Sold out".into(),
        "low" => format!("Only {} left", stock.quantity).into(),
        _ => "In stock".into(),
    };
    (&stock.level, text)
}

fn is_filtered(query: &HashMap<String, String>) -> bool {
    ["q", "category"].iter().any(|name| !word(query, name).is_empty()) || is_in_stock(query)
}

fn is_in_stock(query: &HashMap<String, String>) -> bool {
    word(query, "in_stock") == "true"
}

fn word<'a>(query: &'a HashMap<String, String>, name: &str) -> &'a str {
    query.get(name).map_or("", |value| value.trim())
}

fn choices<'a>(of: impl Iterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    of.map(|(value, label)| Choice { value: value.to_owned(), label: label.to_owned(), selected: value == chosen })
        .collect()
}
