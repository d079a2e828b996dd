//! The frontpage: the shop window, its search, and one view for each product.

mod page;
mod product;
mod product_view;
mod search;
mod visitor;

mod accounts;
mod catalog;
mod orders;

mod sample;

/// This page's own scripts.
mod assets {
    include!(concat!(env!("OUT_DIR"), "/assets.rs"));
}

const PAGE: page_kit::Page = page_kit::Page {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    build: option_env!("PAGEFLEET_RELEASE"),
    check: &["/"],
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> page_kit::Result<()> {
    let config = page_kit::Config::from_env(PAGE);
    let routes = page::routes(&config)?;
    page_kit::serve(&config, &[shared_assets::ALL, assets::ALL], routes).await
}

#[cfg(test)]
mod tests;
