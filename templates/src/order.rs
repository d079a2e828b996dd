//! What was ordered and what it costs (`html/order_lines.html`, `html/totals.html`). Prices come written out: they are
//! computed by services and formatted by pages.

/// One line of `order_lines.html`.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// The product's name in URLs.
    pub slug: String,
    /// The product's name.
    pub name: String,
    /// Its symbol in `products.svg`.
    pub drawing: String,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: String,
    /// Price of all.
    pub line_total: String,
}

/// The view of `totals.html`.
#[derive(Debug, Clone)]
pub struct Totals {
    /// Price of all lines.
    pub subtotal: String,
    /// Price of the shipping; none when it is free.
    pub shipping: Option<String>,
    /// What is to be paid.
    pub total: String,
}
