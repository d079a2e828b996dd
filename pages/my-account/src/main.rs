//! My account: sign up and in, profile, address and orders. One page with several views, each of which the server
//! renders whole; a script swaps them in place.

mod page;
mod visitor;

mod address;
mod history;
mod overview;
mod profile;
mod sign_in;
mod sign_up;

mod accounts;
mod basket;
mod orders;

mod sample;

/// This page's own script.
mod assets {
    include!(concat!(env!("OUT_DIR"), "/assets.rs"));
}

const PAGE: page_kit::Page = page_kit::Page {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    build: option_env!("PAGEFLEET_RELEASE"),
    check: &["/my-account/sign-in"],
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> page_kit::Result<()> {
    let (config, data) = page_kit::Config::from_env_with::<page_kit::Data>(PAGE);
    let page = page::MyAccount::open(&config, &data).await?;
    let work = vec![page.orders.work()];
    page_kit::serve_with(&config, &[shared_assets::ALL, assets::ALL], page::routes(page), work).await
}

#[cfg(test)]
mod tests;
