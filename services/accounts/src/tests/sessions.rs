//! Sessions: how they begin, how they end, and what needs one.

use serde_json::{Value, json};
use service_kit::testing;

use super::{House, PASSWORD, code, token};

#[tokio::test]
async fn a_session_is_over_after_signing_out() {
    let house = House::open().await;
    let token = house.signed_up("ada@example.com").await;
    assert_eq!(house.call("DELETE /session", &token, Value::Null).await.0, 204);
    let (status, answer) = house.call("GET /session", &token, Value::Null).await;
    assert_eq!((status, code(&answer)), (401, "no_session"));
    assert_eq!(house.call("DELETE /session", &token, Value::Null).await.0, 204);
}

#[tokio::test]
async fn a_new_session_takes_the_place_of_the_one_that_was_there() {
    let house = House::open().await;
    let first = house.signed_up("ada@example.com").await;
    let body = json!({ "email": "ada@example.com", "password": "a wrong password" });
    assert_eq!(house.call("POST /sessions", &first, body).await.0, 401);
    assert_eq!(house.call("GET /session", &first, Value::Null).await.0, 200, "a failed sign-in ends nothing");

    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let second = token(&house.call("POST /sessions", &first, body).await.1);
    assert_eq!(house.call("GET /session", &first, Value::Null).await.0, 401);
    let body = json!({ "email": "bob@example.com", "password": PASSWORD, "name": "Bob" });
    let third = token(&house.call("POST /accounts", &second, body).await.1);
    assert_eq!(house.call("GET /session", &second, Value::Null).await.0, 401);
    assert_eq!(house.call("GET /session", &third, Value::Null).await.0, 200);
}

#[tokio::test]
async fn an_account_whose_session_cannot_be_written_is_not_made() {
    let house = House::open().await;
    let sql = "CREATE TRIGGER broken BEFORE INSERT ON sessions BEGIN SELECT raise(ABORT, 'broken'); END";
    sqlx::query(sql).execute(&house.database).await.unwrap();
    assert_eq!(house.sign_up("ada@example.com").await.0, 500);
    sqlx::query("DROP TRIGGER broken").execute(&house.database).await.unwrap();
    assert_eq!(house.sign_up("ada@example.com").await.0, 201, "the email is not taken");
}

#[tokio::test]
async fn a_session_is_over_after_its_time() {
    let house = House::open().await;
    let token = house.signed_up("ada@example.com").await;
    sqlx::query("UPDATE sessions SET expires_at = unixepoch()").execute(&house.database).await.unwrap();
    assert_eq!(house.call("GET /session", &token, Value::Null).await.0, 401);
    house.sign_in("ada@example.com", PASSWORD).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&house.database).await.unwrap();
    assert_eq!(left, 1, "a sign-in sweeps out what is over");
}

#[tokio::test]
async fn requests_without_a_session_are_refused() {
    let house = House::open().await;
    for request in ["GET /session", "PUT /account", "PUT /account/address"] {
        for authorization in
            ["", "Bearer", "Bearer nonsense", "Basic YWRhOmFkYQ==", &format!("Bearer {}", "A".repeat(43))]
        {
            let (status, answer) =
                testing::call(&house.router, request, &[("authorization", authorization)], json!({})).await;
            assert_eq!((status, code(&answer)), (401, "no_session"), "{request} {authorization}");
        }
    }
}
