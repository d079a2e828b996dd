//! Accounts as its callers see it: requests to the router, on a database in a temporary folder.

mod sessions;

use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use serde_json::{Value, json};
use service_kit::database::{self, Durability};
use service_kit::testing;
use sqlx::SqlitePool;
use tempfile::TempDir;

use crate::passwords::Passwords;
use crate::{MIGRATIONS, api, profile};

const PASSWORD: &str = "a slow mountain";

struct House {
    router: Router,
    database: SqlitePool,
    folder: TempDir,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (router, database) = router(folder.path()).await;
        Self { router, database, folder }
    }

    async fn reopened(self) -> Self {
        self.database.close().await;
        let (router, database) = router(self.folder.path()).await;
        Self { router, database, ..self }
    }

    async fn call(&self, request: &str, token: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {token}");
        testing::call(&self.router, request, &[("authorization", &bearer)], body).await
    }

    async fn sign_up(&self, email: &str) -> (u16, Value) {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
        testing::call(&self.router, "POST /accounts", &[], body).await
    }

    async fn signed_up(&self, email: &str) -> String {
        token(&self.sign_up(email).await.1)
    }

    async fn sign_in(&self, email: &str, password: &str) -> (u16, Value) {
        let body = json!({ "email": email, "password": password });
        testing::call(&self.router, "POST /sessions", &[], body).await
    }
}

async fn router(folder: &Path) -> (Router, SqlitePool) {
    let database = database::open(folder, "accounts", Durability::Normal, &MIGRATIONS).await.unwrap();
    (api::routes(database.clone(), Passwords::new().unwrap()), database)
}

fn token(entered: &Value) -> String {
    entered["session"]["token"].as_str().unwrap_or_else(|| panic!("no session: {entered}")).to_owned()
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer}"))
}

#[tokio::test]
async fn who_signs_up_is_signed_in() {
    let house = House::open().await;
    let (status, entered) = house.sign_up(" ada@example.com ").await;
    assert_eq!(status, 201);
    assert_eq!(entered["account"]["email"], "ada@example.com");
    assert_eq!(entered["account"]["address"], Value::Null);
    assert_eq!(entered["session"]["max_age"], 2_592_000);
    assert!(entered["session"]["expires_at"].as_str().unwrap().ends_with('Z'));

    let (status, shown) = house.call("GET /session", &token(&entered), Value::Null).await;
    assert_eq!((status, &shown["account"]), (200, &entered["account"]));
}

#[tokio::test]
async fn an_email_has_one_account_whatever_its_case() {
    let house = House::open().await;
    house.sign_up("ada@example.com").await;
    let (status, answer) = house.sign_up("Ada@Example.com").await;
    assert_eq!((status, code(&answer)), (422, "invalid"));
    assert_eq!(answer["error"]["fields"]["email"], profile::TAKEN);
}

#[tokio::test]
async fn two_sign_ups_at_the_same_time_make_one_account() {
    let house = House::open().await;
    let (one, other) = tokio::join!(house.sign_up("ada@example.com"), house.sign_up("ada@example.com"));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
}

#[tokio::test]
async fn a_sign_up_tells_every_field_that_is_wrong() {
    let house = House::open().await;
    for (body, wrong) in [
        (json!({}), vec!["email", "name", "password"]),
        (json!({ "email": "ada", "password": "short", "name": " " }), vec!["email", "name", "password"]),
        (json!({ "email": "ada@example.com", "password": "ninechars", "name": "Ada" }), vec!["password"]),
        (json!({ "email": "ada@example.com", "password": PASSWORD, "name": "x".repeat(101) }), vec!["name"]),
    ] {
        let (status, answer) = testing::call(&house.router, "POST /accounts", &[], body.clone()).await;
        assert_eq!((status, code(&answer)), (422, "invalid"), "{body}");
        let fields = answer["error"]["fields"].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), wrong, "{body}");
    }
}

#[tokio::test]
async fn one_signs_in_with_ones_own_password_only() {
    let house = House::open().await;
    house.sign_up("ada@example.com").await;
    assert_eq!(house.sign_in("ADA@example.com ", PASSWORD).await.0, 201);
    for (email, password) in [
        ("ada@example.com", "a slow mountaim"),
        ("ada@example.com", ""),
        ("bob@example.com", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", PASSWORD),
    ] {
        let (status, answer) = house.sign_in(email, password).await;
        assert_eq!((status, code(&answer)), (401, "bad_credentials"), "{email}");
    }
}

#[tokio::test]
async fn a_failed_sign_in_takes_as_long_without_an_account_as_with_one() {
    let house = House::open().await;
    house.sign_up("ada@example.com").await;
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..3 {
        for (email, fastest) in ["ada@example.com", "bob@example.com"].into_iter().zip(&mut fastest) {
            let started = Instant::now();
            house.sign_in(email, "a wrong password").await;
            *fastest = started.elapsed().min(*fastest);
        }
    }
    let [with, without] = fastest;
    // Without the stand-in hash it would take a hundredth of the time.
    assert!(without > with / 3, "{with:?} with an account, {without:?} without");
}

#[tokio::test]
async fn neither_passwords_nor_tokens_are_stored() {
    let house = House::open().await;
    let token = house.signed_up("ada@example.com").await;
    house.database.close().await;
    for file in std::fs::read_dir(house.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(PASSWORD) && !text.contains(&token));
    }
}

#[tokio::test]
async fn name_and_email_can_be_changed_to_what_nobody_else_has() {
    let house = House::open().await;
    let token = house.signed_up("ada@example.com").await;
    house.sign_up("bob@example.com").await;

    let body = json!({ "name": "Ada King", "email": "ADA@example.com" });
    let (status, shown) = house.call("PUT /account", &token, body).await;
    assert_eq!((status, &shown["account"]["name"]), (200, &json!("Ada King")));
    assert_eq!(shown["account"]["email"], "ADA@example.com", "one's own email in another case is not taken");

    let body = json!({ "name": "Ada", "email": "bob@example.com" });
    let (status, answer) = house.call("PUT /account", &token, body).await;
    assert_eq!((status, &answer["error"]["fields"]["email"]), (422, &json!(profile::TAKEN)));

    let (status, answer) = house.call("PUT /account", &token, json!({ "name": "", "email": "ada" })).await;
    assert_eq!(status, 422);
    assert_eq!(answer["error"]["fields"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn an_address_is_checked_and_kept() {
    let house = House::open().await;
    let token = house.signed_up("ada@example.com").await;
    let body =
        json!({ "name": "Ada", "line1": "Seestrasse 12", "postcode": "8002", "city": "Zürich", "country": "CH" });
    let (status, shown) = house.call("PUT /account/address", &token, body).await;
    assert_eq!((status, &shown["account"]["address"]["city"]), (200, &json!("Zürich")));
    assert_eq!(shown["account"]["address"]["line2"], "");

    let body = json!({ "name": "Ada", "line1": "", "postcode": "8002", "city": "Zürich", "country": "XX" });
    let (status, answer) = house.call("PUT /account/address", &token, body).await;
    assert_eq!(status, 422);
    let fields = answer["error"]["fields"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["country", "line1"]);
    let (_, shown) = house.call("GET /session", &token, Value::Null).await;
    assert_eq!(shown["account"]["address"]["line1"], "Seestrasse 12", "a refused address changes nothing");
}

#[tokio::test]
async fn accounts_and_sessions_survive_a_restart() {
    let house = House::open().await;
    let token = house.signed_up("ada@example.com").await;
    let house = house.reopened().await;
    assert_eq!(house.call("GET /session", &token, Value::Null).await.0, 200);
    assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.0, 201);
}

#[tokio::test]
async fn countries_are_told_by_code_and_name() {
    let (status, body) = testing::call(&House::open().await.router, "GET /countries", &[], Value::Null).await;
    assert_eq!((status, &body["countries"][0]), (200, &json!({ "code": "AT", "name": "Austria" })));
}
