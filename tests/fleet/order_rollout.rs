//! An order that was accepted while orders was frozen, and checkout rolled out before orders came back: still one order. And
//! the order history, which is read from a feed that may be away.

use crate::harness::{Fleet, Visitor, between, order_form, wait_until};
use crate::two_builds::plum_checkout;
use rustix::process::{Pid, Signal, kill_process};

async fn signal(fleet: &Fleet, child: &str, signal: Signal) {
    let pid = Pid::from_raw(fleet.pid_of(child).await.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Signs up, puts a kettle into the basket, and gives the form that orders it.
async fn ready_to_order(visitor: &Visitor) -> Vec<(String, String)> {
    let sign_up = [("name", "Ada Beck"), ("email", "ada@example.com"), ("password", "a long enough one")];
    assert_eq!(visitor.post("/my-account/sign-up", &sign_up).await.status, 303);
    form(visitor).await
}

async fn form(visitor: &Visitor) -> Vec<(String, String)> {
    let found = visitor.get("/?q=kettle").await;
    let slug = between(&found.text, "href=\"/products/", "\"").to_owned();
    assert_eq!(visitor.post(&format!("/products/{slug}"), &[("quantity", "1")]).await.status, 303);
    order_form(&visitor.get("/checkout/details").await)
}

async fn submit(visitor: &Visitor, form: &[(String, String)]) -> String {
    let fields: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = visitor.post("/checkout/details", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").to_owned()
}

#[tokio::test]
async fn an_order_accepted_by_one_release_is_made_by_the_next_once() {
    // Built before: the longer orders is away, the longer the page waits until it asks again.
    let plum = plum_checkout().await;
    let fleet = Fleet::up(&[]).await;
    let visitor = Visitor::of(&fleet);
    let form = ready_to_order(&visitor).await;
    signal(&fleet, "orders", Signal::STOP).await;
    let place = submit(&visitor, &form).await;
    assert!(!visitor.get(&place).await.text.contains("TW-"), "it is pending");
    let status = fleet.tool(&["status"]).await.well();
    assert!(status.contains("checkout has 1 pending in its outbox"), "{status}");
    fleet.rollout("checkout", &plum, &["--canary", "0", "--bake", "0s"]).await.well();
    assert!(!visitor.get(&place).await.text.contains("TW-"), "the new release knows it, and it is pending");
    signal(&fleet, "orders", Signal::CONT).await;
    let made = wait_until("the order is made", async || {
        let page = visitor.get(&place).await;
        page.text.contains("TW-").then_some(page)
    })
    .await;
    assert!(made.header("x-release").ends_with("+plum"));
    let number = format!("TW-{}", between(&made.text, "TW-", "<"));
    wait_until("the account shows it", async || {
        let orders = visitor.get("/my-account/orders").await;
        (orders.text.matches(&number).count() == 1).then_some(())
    })
    .await;
    assert_eq!(submit(&visitor, &form).await, place, "the same form makes no other order");
    assert_eq!(visitor.get("/my-account/orders").await.text.matches("TW-").count(), 1);
}

#[tokio::test]
async fn the_order_history_outlives_its_feed_says_how_late_it_is_and_catches_up() {
    let fleet = Fleet::up(&["--instances", "2"]).await;
    let visitor = Visitor::of(&fleet);
    let form = ready_to_order(&visitor).await;
    submit(&visitor, &form).await;
    let history = async || visitor.get("/my-account/orders").await;
    wait_until("the order is in the history", async || history().await.text.contains("TW-").then_some(())).await;
    assert!(!history().await.text.contains("notice notice--"));
    signal(&fleet, "orders", Signal::STOP).await;
    let late = wait_until("it says that it is late", async || {
        let page = history().await;
        page.text.contains("notice notice--").then_some(page)
    })
    .await;
    assert_eq!(late.status, 200);
    assert!(late.text.contains("TW-"), "what is known is still shown: {}", late.text);
    assert!(late.header("cache-control").contains("no-store"));
    signal(&fleet, "orders", Signal::CONT).await;
    let form = self::form(&visitor).await;
    submit(&visitor, &form).await;
    wait_until("it has caught up, with nothing twice", async || {
        let page = history().await;
        (page.text.matches("TW-").count() == 2 && !page.text.contains("notice notice--")).then_some(())
    })
    .await;
}
