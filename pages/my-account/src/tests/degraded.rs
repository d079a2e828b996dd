//! What a visitor sees while a service is slow, wrong or dead. Time is paused, so that hanging takes none.

use std::time::Duration;

use page_kit::testing::{Answer, Fault, Faulty};
use tokio::time::{Instant, advance, pause, resume};

use super::*;
use crate::page::Sources;
use crate::sample;

/// The page, the services that it asks, and Ada, who is signed in.
struct Account {
    ada: Visitor,
    accounts: Faulty,
    orders: Faulty,
}

impl Account {
    async fn of_ada() -> Self {
        Self::with(sample::accounts::routes()).await
    }

    async fn with(accounts: Router) -> Self {
        let config = Config::standalone(PAGE);
        let accounts = Faulty::new("accounts", accounts);
        let orders = Faulty::new("orders", sample::orders::routes());
        let source = |faulty: &Faulty| Source::new(faulty.service(), config.metrics());
        let sources = Sources { accounts: source(&accounts), orders: source(&orders) };
        // Paused time would not wait for the database to open.
        resume();
        let page = MyAccount::with(&config, &Data::default(), &sources).await.unwrap();
        pause();
        let mut ada = visitor_of(&config, page);
        ada.post("/my-account/sign-in", ADA).await;
        ada.take_cookie("basket", "sample");
        Self { ada, accounts, orders }
    }

    /// Goes to a path, and doesn't wait long for it, whatever is wrong.
    async fn get(&mut self, path: &str) -> Answer {
        let started = Instant::now();
        let answer = self.ada.get(path).await;
        assert!(started.elapsed() <= Duration::from_millis(1_200), "{path}: {:?}", started.elapsed());
        answer
    }
}

fn is_degraded(answer: &Answer) -> bool {
    (answer.status, answer.header("cache-control")) == (200, "no-store")
}

fn is_not_now(answer: &Answer) -> bool {
    (answer.status, answer.header("cache-control")) == (503, "no-store") && !answer.header("retry-after").is_empty()
}

#[tokio::test(start_paused = true)]
async fn without_accounts_nobody_is_signed_out_and_every_view_says_so() {
    for fault in Fault::ALL {
        let mut account = Account::of_ada().await;
        account.accounts.has(Some(fault));
        for view in ["", "/orders", "/orders/stove.sample-ada", "/profile", "/address"] {
            let view = account.get(&format!("/my-account{view}")).await;
            assert!(is_degraded(&view), "{fault:?}: {} {}", view.status, view.body);
            assert!(view.says("Your account is out of sight") && !view.says("Ada"), "{}", view.body);
            assert_eq!(view.header("set-cookie"), "", "{fault:?}");
        }
        account.accounts.has(None);
        advance(Duration::from_millis(1_250)).await;
        resume();
        assert!(account.get("/my-account").await.says("Hello, Ada"), "{fault:?}");
        pause();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_is_kept_when_it_can_not_be_saved_now() {
    for fault in Fault::ALL {
        let mut account = Account::of_ada().await;
        account.accounts.has(Some(fault));
        let profile = account.ada.post("/my-account/profile", "name=Ada+M.&email=new%40example.com").await;
        assert!(is_not_now(&profile), "{fault:?}: {}", profile.status);
        let kept = ["so nothing was saved", "data-form-error", "value=\"Ada M.\"", "value=\"new@example.com\""];
        for text in kept {
            assert!(profile.says(text), "{fault:?}: {text} in {}", profile.body);
        }
        let form = "name=Ada&line1=Here+1&line2=&postcode=10115&city=Berlin&country=DE";
        let address = account.ada.post("/my-account/address", form).await;
        assert!(is_not_now(&address), "{fault:?}: {}", address.status);
        for text in ["so nothing was saved", "value=\"Here 1\"", "value=\"Berlin\"", "value=\"DE\""] {
            assert!(address.says(text), "{fault:?}: {text} in {}", address.body);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_gets_no_answer_is_told_from_one_that_was_not_made() {
    let refuses_to_save = Router::new()
        .route("/account", axum::routing::put(async || StatusCode::INTERNAL_SERVER_ERROR))
        .fallback_service(sample::accounts::routes());
    let mut ada = Account::with(refuses_to_save).await.ada;
    let profile = ada.post("/my-account/profile", "name=Ada+M.&email=new%40example.com").await;
    assert!(is_not_now(&profile) && profile.says("We can’t tell whether that was saved"), "{}", profile.body);
    assert!(profile.says("signed in as Ada Lund") && profile.says("value=\"Ada M.\""), "{}", profile.body);
}

#[tokio::test(start_paused = true)]
async fn who_can_not_sign_in_or_up_now_keeps_what_was_typed_but_the_password() {
    for fault in Fault::ALL {
        let mut account = Account::of_ada().await;
        let visitor = &mut account.ada;
        visitor.post("/my-account/sign-out", "").await;
        account.accounts.has(Some(fault));
        let form = visitor.post("/my-account/sign-in", &format!("{ADA}&next=/checkout")).await;
        assert!(is_not_now(&form), "{fault:?}: {}", form.status);
        for text in ["so you are not signed in", "value=\"ada@example.com\"", "name=\"next\" value=\"/checkout\""] {
            assert!(form.says(text), "{fault:?}: {text} in {}", form.body);
        }
        assert!(form.says("type=\"password\" value=\"\""), "{}", form.body);
        let form =
            visitor.post("/my-account/sign-up", "name=Berta&email=b%40example.com&password=very+secret+one").await;
        assert!(is_not_now(&form), "{fault:?}: {}", form.status);
        for text in ["We can’t tell whether your account was made", "value=\"Berta\"", "value=\"b@example.com\""] {
            assert!(form.says(text), "{fault:?}: {text} in {}", form.body);
        }
        assert!(!form.says("very secret") && visitor.cookie("session").is_empty());
        assert_eq!(visitor.get("/my-account/sign-in").await.header("cache-control"), "private, no-cache");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_be_signed_in_is_told_that_nobody_knows() {
    let mut account = Account::of_ada().await;
    account.accounts.has(Some(Fault::Fails));
    for form in ["sign-in", "sign-up"] {
        let form = account.get(&format!("/my-account/{form}")).await;
        assert!(is_degraded(&form) && form.says("we can’t tell whether you are signed in"), "{}", form.body);
    }
    let missing = account.get("/my-account/nothing").await;
    assert_eq!((missing.status, missing.header("set-cookie")), (404, ""));
    let form = account.ada.post("/my-account/sign-in", ADA).await;
    assert!(is_not_now(&form) && form.says("so you are not signed in"), "{}", form.body);
}

#[tokio::test(start_paused = true)]
async fn signing_out_works_without_accounts_and_does_not_take_long() {
    let mut account = Account::of_ada().await;
    account.accounts.has(Some(Fault::Hangs));
    let started = Instant::now();
    let sent = account.ada.post("/my-account/sign-out", "").await;
    assert_eq!((sent.status, account.ada.cookie("session")), (303, ""));
    assert!(started.elapsed() <= Duration::from_millis(1_100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_address_can_be_typed_without_the_list_of_countries() {
    let no_countries = Router::new()
        .route("/countries", axum::routing::get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .fallback_service(sample::accounts::routes());
    let mut ada = Account::with(no_countries).await.ada;
    let address = ada.get("/my-account/address").await;
    assert!(is_degraded(&address) && address.says("Its two letters, as in DE."), "{}", address.body);
}

#[tokio::test(start_paused = true)]
async fn without_orders_the_account_shows_the_rest() {
    for fault in Fault::ALL {
        let mut account = Account::of_ada().await;
        account.orders.has(Some(fault));
        let view = account.get("/my-account/profile").await;
        assert_eq!(view.status, 200, "{fault:?}");
        assert!(view.says("value=\"Ada Lund\"") && view.says("signed in as Ada Lund"), "{}", view.body);
    }
}
