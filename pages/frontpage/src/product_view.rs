//! One product as it is shown: what the catalog says, or said some time ago.

use std::borrow::Cow;
use std::time::Duration;

use askama::Template;
use page_kit::price;
use templates::Shell;

use crate::assets;
use crate::catalog::{self, Spec, Summary};
use crate::page::Frontpage;
use crate::search::{AsOf, Card, stock_said};

#[derive(Template)]
#[template(path = "product.html")]
pub(crate) struct ProductView {
    shell: Shell,
    assets: assets::Urls,
    product: Product,
    quantity: String,
    quantity_error: String,
    form_error: String,
    pub(crate) added: bool,
    pub(crate) as_of: Option<AsOf>,
    related: Vec<Summary>,
    age: Option<Duration>,
}

struct Product {
    slug: String,
    name: String,
    summary: String,
    description: Vec<String>,
    category: String,
    category_slug: String,
    price: String,
    drawing: String,
    badge: String,
    stock_level: String,
    stock_text: Cow<'static, str>,
    specs: Vec<Spec>,
}

impl ProductView {
    /// The view of a product as the catalog knew it `age` ago; none: as it is now.
    pub(crate) fn new(page: &Frontpage, product: &catalog::Product, age: Option<Duration>) -> Self {
        let catalog::Product { summary, description, specs, related } = product;
        let (stock_level, stock_text) = stock_said(summary.stock.as_ref(), age);
        Self {
            shell: Shell { description: summary.summary.clone().into(), ..page.shell(&summary.name) },
            assets: page.assets,
            quantity: "1".to_owned(),
            quantity_error: String::new(),
            form_error: String::new(),
            added: false,
            as_of: age.map(AsOf::new),
            related: related.clone(),
            age,
            product: Product {
                price: price(summary.price),
                stock_text,
                stock_level: stock_level.to_owned(),
                slug: summary.slug.clone(),
                name: summary.name.clone(),
                summary: summary.summary.clone(),
                category: summary.category.name.clone(),
                category_slug: summary.category.slug.clone(),
                drawing: summary.drawing.clone(),
                badge: summary.badge.clone().unwrap_or_default(),
                description: description.clone(),
                specs: specs.clone(),
            },
        }
    }

    fn related(&self) -> Vec<Card<'_>> {
        self.related.iter().map(|product| Card::new(product, self.age)).collect()
    }

    /// The view with the quantity that was typed, and what is wrong with it (empty: nothing).
    pub(crate) fn with_quantity(self, typed: &str, error: String) -> Self {
        Self { quantity: typed.to_owned(), quantity_error: error, shell: self.shell.with_errors(), ..self }
    }

    /// The view with what stopped the form.
    pub(crate) fn with_error(self, message: &str) -> Self {
        Self { form_error: message.to_owned(), ..self }
    }
}
