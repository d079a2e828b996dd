//! What a visitor sees while a service is slow, wrong or dead, and what is kept.

use page_kit::testing::{Fault, Faulty};

use super::*;
use crate::sample;

/// The page and the services that it asks.
pub(super) struct Shop {
    pub(super) visitor: Visitor,
    pub(super) page: Checkout,
    pub(super) orders: Faulty,
    accounts: Faulty,
}

impl Shop {
    pub(super) async fn open() -> Self {
        Self::with(sample::orders::routes()).await
    }

    pub(super) async fn with(orders: Router) -> Self {
        let config = Config::standalone(PAGE);
        let (orders, accounts) = (Faulty::new("orders", orders), Faulty::new("accounts", sample::accounts::routes()));
        let source = |faulty: &Faulty| Source::new(faulty.service(), config.metrics());
        let page = Checkout::with(&config, &Settings::default(), &source(&accounts), &source(&orders)).await.unwrap();
        Self { visitor: visitor_of(&config, page.clone()), page, orders, accounts }
    }
}

fn is_degraded(answer: &Answer) -> bool {
    (answer.status, answer.header("cache-control")) == (200, "no-store")
}

#[tokio::test]
async fn a_basket_that_cannot_be_priced_is_kept_and_cannot_be_ordered() {
    for fault in Fault::ALL {
        let mut shop = Shop::open().await;
        shop.orders.has(Some(fault));
        let basket = shop.visitor.get("/checkout").await;
        assert!(is_degraded(&basket), "{fault:?}: {} {}", basket.status, basket.header("cache-control"));
        assert!(basket.says("We can’t price your basket right now") && basket.says("kept"), "{}", basket.body);
        assert!(!basket.says("Go to checkout") && !basket.says("€"), "{}", basket.body);
        shop.orders.has(None);
        let basket = until(&mut shop.visitor, "/checkout", "Go to checkout").await;
        assert!(basket.says("4 pieces"), "{fault:?}: {}", basket.body);
    }
}

#[tokio::test]
async fn a_basket_without_prices_still_tells_how_many_pieces_are_in_it() {
    let no_prices = async || StatusCode::SERVICE_UNAVAILABLE;
    let orders = Router::new()
        .route("/baskets/{id}", axum::routing::get(no_prices))
        .route("/baskets/{id}/count", axum::routing::get(async || Json(json!({ "count": 4 }))));
    let basket = Shop::with(orders).await.visitor.get("/checkout").await;
    assert!(is_degraded(&basket) && basket.says("The 4 pieces in it are"), "{}", basket.body);
}

#[tokio::test]
async fn a_quantity_that_cannot_be_changed_now_is_left_as_it_was() {
    let mut shop = Shop::open().await;
    shop.orders.has(Some(Fault::Fails));
    let refused = shop.visitor.post("/checkout/lines/speckle-mug", "quantity=1").await;
    assert_eq!((refused.status, refused.header("cache-control")), (503, "no-store"));
    assert!(refused.says("We can’t price your basket right now"), "{}", refused.body);
}

#[tokio::test]
async fn the_form_keeps_what_was_typed_while_there_are_no_prices() {
    for fault in Fault::ALL {
        let mut shop = Shop::open().await;
        shop.orders.has(Some(fault));
        let form = shop.visitor.get("/checkout/details").await;
        assert!(is_degraded(&form) && form.says("it can’t be ordered"), "{fault:?}: {}", form.body);
        assert!(!form.says("Place order") && !form.says("name=\"key\"") && form.says("Look again"), "{}", form.body);
        let again = shop.visitor.post("/checkout/details", &format!("{ADDRESS}&again=1")).await;
        assert!(is_degraded(&again) && again.says("value=\"Berlin\""), "{fault:?}: {}", again.body);
        shop.orders.has(None);
        until(&mut shop.visitor, "/checkout", "Go to checkout").await;
        let again = shop.visitor.post("/checkout/details", &format!("{ADDRESS}&again=1")).await;
        assert!(again.says("Place order") && again.says("value=\"Berlin\"") && again.says("€236.00"), "{}", again.body);
        assert!(shop.visitor.get("/checkout").await.says("4 pieces"), "looking again orders nothing");
    }
}

#[tokio::test]
async fn the_checkout_goes_on_without_accounts() {
    for fault in Fault::ALL {
        let mut shop = Shop::open().await;
        shop.accounts.has(Some(fault));
        shop.visitor.take_cookie("session", "ada");
        let form = shop.visitor.get("/checkout/details").await;
        assert!(is_degraded(&form), "{fault:?}");
        assert!(form.says("You can order all the same") && form.says("Its two letters, as in DE."), "{}", form.body);
        let key = key_of(&form);
        let sent = shop.visitor.post("/checkout/details", &format!("{ADDRESS}&key={key}")).await;
        assert_eq!(sent.status, 303, "{fault:?}");
        let made = shop.visitor.get(sent.header("location")).await;
        assert!(made.says("TW-10042") && made.says("DE"), "{fault:?}: {}", made.body);
    }
}

/// What a path shows as soon as it says `text`.
pub(super) async fn until(visitor: &mut Visitor, path: &str, text: &str) -> Answer {
    let looking = async {
        loop {
            let answer = visitor.get(path).await;
            if answer.says(text) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), looking).await.expect(text)
}
