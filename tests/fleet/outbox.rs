//! What a visitor is told is accepted becomes an order, once: whoever is killed, hangs or is rolled out in between.

use crate::harness::{Answer, Passage, Server, Visitor, Way, order_form, wait_until};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Services, a way to orders that can be hindered, and checkout behind it.
struct Shop {
    catalog: Server,
    accounts: Server,
    orders: Server,
    passage: Passage,
    checkout: Server,
}

/// What a visitor sends to order: the form's hidden fields and his own.
type Form = Vec<(String, String)>;

impl Shop {
    async fn open(environment: &[(&str, &str)]) -> Self {
        let (catalog, accounts) = (Server::start("catalog", &[]).await, Server::start("accounts", &[]).await);
        let orders = Server::start("orders", &[("catalog", catalog.address)]).await;
        let passage = Passage::for_path(&orders, "/orders").await;
        let services = [("accounts", accounts.address), ("orders", passage.address)];
        let checkout = Server::start_with("checkout", &services, environment).await;
        Self { catalog, accounts, orders, passage, checkout }
    }

    fn visitor(&self) -> Visitor {
        Visitor::at(self.checkout.address)
    }

    /// Fills a basket at orders, and gives the form that orders it.
    async fn form(&self, visitor: &Visitor) -> Form {
        let client = reqwest::Client::new();
        let url = |path: &str| format!("http://{}{path}", self.orders.address);
        let basket: Value = client.post(url("/baskets")).send().await.unwrap().json().await.unwrap();
        let id = basket["id"].as_str().unwrap();
        let products = reqwest::get(format!("http://{}/products?in_stock=true&limit=1", self.catalog.address)).await;
        let products: Value = products.unwrap().json().await.unwrap();
        let line = serde_json::json!({"slug": products["products"][0]["slug"], "quantity": 1});
        let added = client.post(url(&format!("/baskets/{id}/lines"))).json(&line).send().await.unwrap();
        assert_eq!(added.status(), 200);
        visitor.bring_cookie(&format!("basket={id}"));
        order_form(&visitor.get("/checkout/details").await)
    }

    /// How many orders were made with the form's key.
    async fn made(&self, form: &Form) -> usize {
        let url = format!("http://{}/orders?key={}", self.orders.address, key(form));
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        answer["orders"].as_array().map_or(0, Vec::len)
    }

    /// Waits until the order is there, and checks by the feed of events that it was made once.
    async fn assert_made_once(&self, form: &Form) {
        wait_until("the order is made", async || (self.made(form).await == 1).then_some(())).await;
        let visitor = self.visitor();
        wait_until("the visitor sees it", async || visitor.get(&place(form)).await.text.contains("TW-").then_some(()))
            .await;
        let events: Value =
            reqwest::get(format!("http://{}/events?after=0", self.orders.address)).await.unwrap().json().await.unwrap();
        let of_key = |event: &&Value| event["order"]["key"] == key(form);
        assert_eq!(events["events"].as_array().unwrap().iter().filter(of_key).count(), 1);
    }
}

fn key(form: &Form) -> &str {
    &form.iter().find(|(name, _)| name == "key").unwrap().1
}

fn place(form: &Form) -> String {
    format!("/checkout/orders/{}", key(form))
}

async fn submit(visitor: &Visitor, form: &Form) -> Answer {
    let fields: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    visitor.post("/checkout/details", &fields).await
}

fn is_pending(page: &Answer) -> bool {
    page.status == 200 && !page.text.contains("TW-") && page.text.contains("on its way to us")
}

#[tokio::test]
async fn a_double_click_and_a_resend_are_one_order() {
    let shop = Shop::open(&[]).await;
    let visitor = shop.visitor();
    let form = shop.form(&visitor).await;
    let (one, two, three) = tokio::join!(submit(&visitor, &form), submit(&visitor, &form), submit(&visitor, &form));
    for answer in [&one, &two, &three] {
        assert_eq!((answer.status, answer.header("location")), (303, place(&form).as_str()), "{}", answer.text);
    }
    assert_eq!(submit(&visitor, &form).await.status, 303);
    shop.assert_made_once(&form).await;
}

#[tokio::test]
async fn an_order_that_orders_never_heard_of_is_accepted_and_made_when_it_can_be() {
    let shop = Shop::open(&[]).await;
    let visitor = shop.visitor();
    for way in [Way::Status500, Way::Garbage, Way::HalfBody, Way::Huge] {
        let form = shop.form(&visitor).await;
        shop.passage.set(way);
        let accepted = submit(&visitor, &form).await;
        assert_eq!((accepted.status, accepted.header("location")), (303, place(&form).as_str()), "{way:?}");
        let pending = visitor.get(&place(&form)).await;
        assert!(is_pending(&pending), "{way:?}: {}", pending.text);
        assert!(pending.header("cache-control").contains("no-store"), "{}", pending.header("cache-control"));
        shop.passage.set(Way::Open);
        shop.assert_made_once(&form).await;
    }
}

#[tokio::test]
async fn an_order_outlives_a_dead_service_and_a_killed_page() {
    let mut shop = Shop::open(&[]).await;
    let visitor = shop.visitor();
    let form = shop.form(&visitor).await;
    shop.orders.kill().await;
    assert_eq!(submit(&visitor, &form).await.status, 303);
    assert!(is_pending(&visitor.get(&place(&form)).await));
    shop.checkout.kill().await;
    shop.checkout.revive().await;
    assert!(is_pending(&visitor.get(&place(&form)).await), "it is still known after kill -9");
    shop.orders.revive().await;
    shop.assert_made_once(&form).await;
}

#[tokio::test]
async fn a_page_killed_while_it_asks_makes_the_order_once() {
    for way in [Way::HeldBefore, Way::HeldAfter] {
        let mut shop = Shop::open(&[]).await;
        let visitor = Arc::new(shop.visitor());
        let form = shop.form(&visitor).await;
        shop.passage.set(way);
        let (asking, sent) = (Arc::clone(&visitor), form.clone());
        let told = tokio::spawn(async move { submit(&asking, &sent).await.status });
        shop.passage.has_held(1).await;
        shop.checkout.kill().await;
        assert!(told.await.is_err(), "the visitor is told nothing");
        shop.passage.set(Way::Open);
        shop.checkout.revive().await;
        // Who was told nothing sends once more.
        assert_eq!(submit(&visitor, &form).await.status, 303, "{way:?}");
        shop.assert_made_once(&form).await;
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_back_keeps_the_visitor_waiting_for_a_bounded_time() {
    let shop = Shop::open(&[]).await;
    let visitor = shop.visitor();
    let form = shop.form(&visitor).await;
    shop.passage.set(Way::HeldAfter);
    let started = Instant::now();
    assert_eq!(submit(&visitor, &form).await.status, 303);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    shop.passage.set(Way::Open);
    shop.assert_made_once(&form).await;
}

#[tokio::test]
async fn whichever_instance_is_alive_delivers_what_another_accepted() {
    let mut shop = Shop::open(&[]).await;
    let visitor = shop.visitor();
    let form = shop.form(&visitor).await;
    let other = shop.checkout.another().await;
    shop.orders.kill().await;
    assert_eq!(submit(&visitor, &form).await.status, 303);
    shop.checkout.kill().await;
    let elsewhere = Visitor::at(other.address);
    assert!(is_pending(&elsewhere.get(&place(&form)).await), "instances share their outbox");
    shop.orders.revive().await;
    wait_until("the order is made", async || (shop.made(&form).await == 1).then_some(())).await;
    wait_until("the other instance shows it", async || {
        elsewhere.get(&place(&form)).await.text.contains("TW-").then_some(())
    })
    .await;
    assert!(shop.accounts.process.pid() > 0);
}

#[tokio::test]
async fn a_refusal_that_cannot_change_ends_the_order_and_says_why() {
    let mut shop = Shop::open(&[]).await;
    let visitor = shop.visitor();
    let mut form = shop.form(&visitor).await;
    form.iter_mut().filter(|(name, _)| name == "total").for_each(|(_, total)| *total = "1".to_owned());
    shop.orders.kill().await;
    assert_eq!(submit(&visitor, &form).await.status, 303);
    shop.orders.revive().await;
    let failed = wait_until("it has failed", async || {
        let page = visitor.get(&place(&form)).await;
        (!is_pending(&page)).then_some(page)
    })
    .await;
    assert_eq!(failed.status, 200);
    assert!(failed.text.contains("was not placed"), "{}", failed.text);
    assert_eq!(shop.made(&form).await, 0);
}
