//! The search form and what it found, as views.

use std::collections::HashMap;

use page_kit::price;
use templates::Choice;

use crate::catalog::{Category, Products, Stock, Summary};

const SORTS: &[(&str, &str)] =
    &[("", "Our pick first"), ("price", "Price, low to high"), ("-price", "Price, high to low"), ("name", "Name")];

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

/// What was found; or that nobody could be asked.
pub(crate) struct Results {
    pub(crate) heading: String,
    pub(crate) total: u32,
    pub(crate) filtered: bool,
    pub(crate) unavailable: bool,
    pub(crate) products: Vec<Card>,
}

impl Results {
    pub(crate) fn new(query: &HashMap<String, String>, found: Option<Products>) -> Self {
        let unavailable = found.is_none();
        let Products { products, total } = found.unwrap_or_default();
        let mut heading = match total {
            _ if unavailable => "Products".to_owned(),
            1 => "1 product".to_owned(),
            total => format!("{total} products"),
        };
        let words = word(query, "q");
        if !words.is_empty() {
            heading += &format!(" for “{words}”");
        }
        let products = products.into_iter().map(Card::new).collect();
        Self { heading, total, filtered: is_filtered(query), unavailable, products }
    }
}

/// One product in a list.
pub(crate) struct Card {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) price: String,
    pub(crate) drawing: String,
    pub(crate) badge: String,
    pub(crate) stock_level: String,
    pub(crate) stock_text: String,
}

impl Card {
    pub(crate) fn new(product: Summary) -> Self {
        Self {
            price: price(product.price),
            stock_text: stock_text(&product.stock),
            stock_level: product.stock.level,
            slug: product.slug,
            name: product.name,
            summary: product.summary,
            drawing: product.drawing,
            badge: product.badge.unwrap_or_default(),
        }
    }
}

/// How the stock is put into words.
pub(crate) fn stock_text(stock: &Stock) -> String {
    match stock.level.as_str() {
        "out" => "Sold out".to_owned(),
        "low" => format!("Only {} left", stock.quantity),
        _ => "In stock".to_owned(),
    }
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
