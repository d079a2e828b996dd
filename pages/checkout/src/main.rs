//! Checkout: the basket, where it shall go, and the one button that places an order.

mod page;
mod visitor;

mod basket;
mod confirmation;
mod details;
mod progress;
mod submission;

mod accounts;
mod orders;

mod sample;

use page_kit::outbox::Settings;

/// This page's own script.
mod assets {
    include!(concat!(env!("OUT_DIR"), "/assets.rs"));
}

const PAGE: page_kit::Page = page_kit::Page {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    build: option_env!("PAGEFLEET_RELEASE"),
    check: &["/checkout"],
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> page_kit::Result<()> {
    let (config, settings) = page_kit::Config::from_env_with::<Settings>(PAGE);
    let page = page::Checkout::open(&config, &settings).await?;
    let work = vec![page.outbox.work()];
    page_kit::serve_with(&config, &[shared_assets::ALL, assets::ALL], page::routes(page), work).await
}

#[cfg(test)]
mod tests;
