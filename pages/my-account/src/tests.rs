//! My account by itself, in process.

mod degraded;
mod late;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::{Json, Router};
use page_kit::testing::Visitor;
use page_kit::{Config, Data, Metrics, Service, Source, Unavailable};
use serde_json::json;

use crate::accounts::SignIn;
use crate::page::MyAccount;
use crate::{PAGE, accounts, assets, basket, page};

const ADA: &str = "email=ada%40example.com&password=slow+mountains";

async fn visitor() -> Visitor {
    let config = Config::standalone(PAGE);
    let page = MyAccount::open(&config, &Data::default()).await.unwrap();
    page.orders.0.read().await.unwrap();
    visitor_of(&config, page)
}

fn visitor_of(config: &Config, page: MyAccount) -> Visitor {
    Visitor::of(page_kit::app(config, &[shared_assets::ALL, assets::ALL], page::routes(page)).unwrap())
}

async fn signed_in() -> Visitor {
    let mut visitor = visitor().await;
    visitor.post("/my-account/sign-in", ADA).await;
    assert_ne!(visitor.cookie("session"), "");
    visitor
}

#[tokio::test]
async fn who_has_seen_the_form_to_sign_in_is_told_so_until_it_is_another() {
    let mut visitor = visitor().await;
    let form = visitor.get("/my-account/sign-in").await;
    let (control, tag) = (form.header("cache-control"), form.header("etag").to_owned());
    assert!(form.says("name=\"password\"") && control == "private, no-cache", "{form:?}");
    let known = [("if-none-match", tag.as_str())];
    let again = visitor.send("GET /my-account/sign-in", &known, "").await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
    assert_eq!((again.header("content-type"), again.header("content-security-policy")), ("", ""));
    for other in ["GET /my-account/sign-in?next=%2Fcheckout", "GET /my-account/sign-in?signed-out=1"] {
        let other = visitor.send(other, &known, "").await;
        assert_eq!((other.status, other.header("etag")), (200, ""));
    }
    visitor.post("/my-account/sign-in", ADA).await;
    assert_eq!(visitor.send("GET /my-account/sign-in", &known, "").await.status, 303);
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_back() {
    let mut visitor = visitor().await;
    let home = visitor.get("/my-account").await;
    assert_eq!((home.status, home.header("location")), (303, "/my-account/sign-in"));
    let orders = visitor.get("/my-account/orders").await;
    assert_eq!(orders.header("location"), "/my-account/sign-in?next=%2Fmy-account%2Forders");
    let form = visitor.get(orders.header("location")).await;
    assert!(form.says("name=\"next\" value=\"/my-account/orders\""), "{}", form.body);
    let sign_up = "/my-account/sign-up?next=%2Fmy-account%2Forders";
    assert!(form.says(&format!("href=\"{sign_up}\"")), "{}", form.body);
    assert!(visitor.get(sign_up).await.says("href=\"/my-account/sign-in?next=%2Fmy-account%2Forders\""));
    let sent = visitor.post("/my-account/sign-in", &format!("{ADA}&next=/my-account/orders")).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/my-account/orders"));
    assert!(sent.header("set-cookie").contains("HttpOnly"));
    assert_eq!(visitor.get("/my-account/sign-in").await.header("location"), "/my-account");
}

#[tokio::test]
async fn nobody_is_sent_on_to_another_site() {
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "evil"] {
        let mut visitor = visitor().await;
        let form = visitor.get(&page_kit::link("/my-account/sign-in", "next", next)).await;
        assert!(!form.says("evil"), "{next}");
        let sent = visitor.post("/my-account/sign-in", &page_kit::link("", "next", next)[1..]).await;
        assert_eq!(sent.status, 422);
        let sent =
            visitor.post("/my-account/sign-in", &format!("{ADA}&{}", &page_kit::link("", "next", next)[1..])).await;
        assert_eq!(sent.header("location"), "/my-account", "{next}");
    }
}

#[tokio::test]
async fn a_wrong_password_says_so_and_keeps_the_email() {
    let mut visitor = visitor().await;
    let refused = visitor.post("/my-account/sign-in", "email=ada%40example.com&password=%3Cwrong%3E").await;
    assert_eq!((refused.status, visitor.cookie("session")), (422, ""));
    assert!(refused.says("There is no account with this email and password."), "{}", refused.body);
    assert!(refused.says("<title>Error: Sign in") && refused.says("data-form-error"), "{}", refused.body);
    assert!(refused.says("value=\"ada@example.com\"") && !refused.says("wrong"), "{}", refused.body);
}

#[tokio::test]
async fn a_new_account_is_signed_in_and_has_its_name_in_the_header() {
    let mut visitor = visitor().await;
    let refused = visitor.post("/my-account/sign-up", "name=&email=x&password=short").await;
    assert_eq!(refused.status, 422);
    for message in ["Enter your name.", "Enter an email address like", "Use at least 10 characters."] {
        assert!(refused.says(message), "{message}");
    }
    assert!(refused.says("aria-invalid=\"true\" aria-describedby=\"email-error\""), "{}", refused.body);
    let form = "name=Berta&email=berta%40example.com&password=long+enough+for+it&next=/checkout/details";
    let sent = visitor.post("/my-account/sign-up", form).await;
    assert_eq!(sent.header("location"), "/checkout/details");
    let home = visitor.get("/my-account").await;
    assert_eq!((home.status, home.header("cache-control")), (200, "private, no-cache"));
    assert!(home.says("Hello, Berta") && home.says("signed in as Berta"), "{}", home.body);
}

#[tokio::test]
async fn profile_and_address_are_changed_and_it_is_said() {
    let mut visitor = signed_in().await;
    let sent = visitor.post("/my-account/profile", "name=Ada+M.+Lund&email=ada%40example.com").await;
    assert_eq!(sent.header("location"), "/my-account/profile?saved=1");
    let profile = visitor.get("/my-account/profile?saved=1").await;
    assert!(profile.says("Your profile is saved.") && profile.says("value=\"Ada M. Lund\""), "{}", profile.body);
    let refused = visitor.post("/my-account/address", "name=Ada&line1=Here+1&city=&country=DE").await;
    assert_eq!(refused.status, 422);
    assert!(refused.says("Enter a town or city.") && refused.says("value=\"DE\" selected"), "{}", refused.body);
    let form = "name=Ada&line1=Here+1&line2=&postcode=10115&city=Berlin&country=DE";
    let sent = visitor.post("/my-account/address", form).await;
    assert_eq!(sent.header("location"), "/my-account/address?saved=1");
    let home = visitor.get("/my-account").await;
    assert!(home.says("10115 Berlin") && home.says("Germany"), "{}", home.body);
}

#[tokio::test]
async fn orders_are_shown_to_their_customer_only() {
    let mut visitor = signed_in().await;
    let orders = visitor.get("/my-account/orders").await;
    assert!(orders.says("TW-10042") && orders.says("3 May 2026") && orders.says("3 pieces"), "{}", orders.body);
    let order = visitor.get("/my-account/orders/stove.sample-ada").await;
    assert!(order.says("Order TW-10042") && order.says("€81.90") && order.says("Switzerland"), "{}", order.body);
    for path in ["/my-account/orders/stove.sample-berta", "/my-account/orders/none", "/my-account/nothing"] {
        let missing = visitor.get(path).await;
        assert_eq!(missing.status, 404, "{path}");
        assert!(missing.says("Not in your account"), "{path}");
    }
}

#[tokio::test]
async fn only_the_start_of_the_account_is_the_page_itself() {
    let mut visitor = signed_in().await;
    assert!(visitor.get("/my-account").await.says("href=\"/my-account\" aria-current=\"page\" aria-label"));
    assert!(visitor.get("/my-account/orders").await.says("href=\"/my-account\" aria-current=\"true\" aria-label"));
}

#[tokio::test]
async fn signing_in_names_the_session_that_ends_with_it() {
    let told = async |request: Request| {
        let old = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        Json(json!({ "session": { "token": old.unwrap_or("none"), "max_age": 60 } }))
    };
    let source = Source::new(Service::in_process("accounts", Router::new().fallback(told)), &Metrics::new());
    let accounts = accounts::Client::new(&source);
    let credentials = SignIn { email: "ada@example.com", password: "slow mountains" };
    for (old, expected) in [(Some("old"), "Bearer old"), (None, "none")] {
        assert_eq!(accounts.sign_in(&credentials, old).await.unwrap().token, expected);
    }
}

#[tokio::test]
async fn a_refusal_that_nobody_expects_is_an_error_and_signs_nobody_out() {
    let refuses = async || (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "error": { "code": "slow_down" } })));
    let service = Service::in_process("any", Router::new().fallback(refuses));
    let source = Source::new(service, &Metrics::new());
    assert!(matches!(accounts::Client::new(&source).account("ada").await, Err(Unavailable)));
    assert_eq!(basket::Client::new(&source).count("full").await, Err(Unavailable));
}

#[tokio::test]
async fn what_is_sent_in_no_way_we_read_is_refused_in_the_shell_of_the_site() {
    let mut visitor = signed_in().await;
    let requests = [("POST /my-account/profile", 415), ("PUT /my-account", 405), ("GET /my-account/orders/%ff", 400)];
    for (request, status) in requests {
        let refused = visitor.send(request, &[("accept", "text/html")], "").await;
        assert_eq!(refused.status, status, "{request}");
        assert!(refused.says("Tarnwell") && refused.says("hing was changed"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_taken_from_the_visitor() {
    let mut visitor = visitor().await;
    visitor.take_cookie("session", "ended");
    let home = visitor.get("/my-account").await;
    assert_eq!((home.status, visitor.cookie("session")), (303, ""));
    visitor.take_cookie("session", "ended");
    assert_eq!(visitor.get("/my-account/sign-in").await.status, 200);
    assert_eq!(visitor.cookie("session"), "");
}

#[tokio::test]
async fn signing_out_needs_a_form_of_this_site() {
    let mut visitor = signed_in().await;
    let foreign = [("origin", "https://evil.example"), ("host", "shop.example")];
    assert_eq!(visitor.send("POST /my-account/sign-out", &foreign, "").await.status, 403);
    assert_ne!(visitor.cookie("session"), "");
    let sent = visitor.post("/my-account/sign-out", "").await;
    assert_eq!((sent.status, visitor.cookie("session")), (303, ""));
    assert!(visitor.get(sent.header("location")).await.says("You are signed out."));
}
