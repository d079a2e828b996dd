//! The orders of a customer while their feed is late, and while it has never been read.

use page_kit::testing::{Answer, Fault, Faulty};

use super::*;
use crate::page::Sources;
use crate::sample;

/// The page as Ada sees it, and the feed it reads.
struct Account {
    ada: Visitor,
    page: MyAccount,
    orders: Faulty,
}

impl Account {
    async fn of_ada() -> Self {
        let config = Config::standalone(PAGE);
        let orders = Faulty::new("orders", sample::orders::routes());
        let accounts = Service::in_process("accounts", sample::accounts::routes());
        let sources = Sources {
            accounts: Source::new(accounts, config.metrics()),
            orders: Source::new(orders.service(), config.metrics()),
        };
        let page = MyAccount::with(&config, &Data::default(), &sources).await.unwrap();
        let mut ada = visitor_of(&config, page.clone());
        ada.post("/my-account/sign-in", ADA).await;
        Self { ada, page, orders }
    }

    /// Lets time pass in which nothing is read.
    async fn is_late(&self, seconds: i64) {
        let sql = "UPDATE feed SET read_at = read_at - ?1 * 1000";
        sqlx::query(sql).bind(seconds).execute(self.page.orders.0.model()).await.unwrap();
    }
}

fn is_degraded(answer: &Answer) -> bool {
    (answer.status, answer.header("cache-control")) == (200, "no-store")
}

const ORDER: &str = "/my-account/orders/stove.sample-ada";

#[tokio::test]
async fn orders_are_shown_from_the_copy_while_orders_is_down_and_say_how_late_they_are() {
    for fault in [Fault::Fails, Fault::TalksNonsense, Fault::BreaksOff] {
        let mut account = Account::of_ada().await;
        account.page.orders.0.read().await.unwrap();
        account.orders.has(Some(fault));
        assert!(account.page.orders.0.read().await.is_err());
        let orders = account.ada.get("/my-account/orders").await;
        assert_eq!(orders.header("cache-control"), "private, no-cache", "a moment is not late");
        account.is_late(20).await;
        let orders = account.ada.get("/my-account/orders").await;
        assert!(is_degraded(&orders) && orders.says("Your very latest order may not be here yet"), "{}", orders.body);
        account.is_late(12 * 60).await;
        for path in ["/my-account", "/my-account/orders", ORDER] {
            let view = account.ada.get(path).await;
            assert!(is_degraded(&view), "{fault:?} {path}: {} {}", view.status, view.header("cache-control"));
            for text in ["TW-10042", "Orders up to <time datetime=\"20", "12 minutes ago</time>"] {
                assert!(view.says(text), "{fault:?} {path}: {text} in {}", view.body);
            }
        }
        let missing = account.ada.get("/my-account/orders/new").await;
        assert!(is_degraded(&missing) && missing.says("Out of sight for a moment"), "it may not be here yet");
        account.orders.has(None);
        account.page.orders.0.read().await.unwrap();
        let orders = account.ada.get("/my-account/orders").await;
        assert!(!orders.says("Orders up to") && orders.header("cache-control") == "private, no-cache");
        assert_eq!(account.ada.get("/my-account/orders/new").await.status, 404);
    }
}

#[tokio::test]
async fn orders_that_were_never_read_are_out_of_sight_and_not_none() {
    let mut account = Account::of_ada().await;
    for path in ["/my-account", "/my-account/orders", ORDER] {
        let view = account.ada.get(path).await;
        assert!(is_degraded(&view), "{path}: {} {}", view.status, view.header("cache-control"));
        assert!(view.says("Your orders can’t be shown right now") && !view.says("No orders yet"), "{}", view.body);
    }
}

#[tokio::test]
async fn orders_of_nobody_and_of_others_are_not_shown() {
    let mut account = Account::of_ada().await;
    account.page.orders.0.read().await.unwrap();
    for (customer, shown) in [("sample-ada", 2), ("sample-berta", 0), ("", 0)] {
        let orders = account.page.orders.of(customer, None).await.of_any_age().unwrap();
        assert_eq!(orders.len(), shown, "{customer}");
    }
    assert!(account.ada.get(ORDER).await.says("€81.90"));
    assert!(account.page.orders.one("stove.sample-ada", "sample-berta").await.of_any_age().unwrap().is_none());
    assert_eq!(account.page.orders.of("sample-ada", Some(1)).await.of_any_age().unwrap()[0].number, "TW-10042");
}
