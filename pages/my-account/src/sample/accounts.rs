//! Accounts, in memory. An account's session is its email.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::refusal;

/// Accounts with their passwords, by session.
#[derive(Clone)]
struct Accounts(Arc<Mutex<HashMap<String, (Value, String)>>>);

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Value, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn routes() -> Router {
    let ada = json!({
        "id": "sample-ada", "email": "ada@example.com", "name": "Ada Lund",
        "address": {
            "name": "Ada Lund", "line1": "Seestrasse 12", "line2": "", "postcode": "8002", "city": "Zürich",
            "country": "CH",
        },
    });
    let accounts = HashMap::from([("sample-ada".to_owned(), (ada, "slow mountains".to_owned()))]);
    Router::new()
        .route("/accounts", post(sign_up))
        .route("/sessions", post(sign_in))
        .route("/session", get(account).delete(async || StatusCode::NO_CONTENT))
        .route("/account", put(save_profile))
        .route("/account/address", put(save_address))
        .route("/countries", get(countries))
        .with_state(Accounts(Arc::new(Mutex::new(accounts))))
}

async fn sign_up(State(accounts): State<Accounts>, Json(body): Json<Value>) -> Response {
    let text = |name: &str| body[name].as_str().unwrap_or_default().trim();
    let mut accounts = accounts.lock();
    let mut wrong = profile_errors(&body);
    if accounts.values().any(|(account, _)| account["email"] == text("email")) {
        wrong.push(("email", "There is already an account with this email."));
    }
    if text("password").chars().count() < 10 {
        wrong.push(("password", "Use at least 10 characters."));
    }
    if !wrong.is_empty() {
        return invalid(&wrong);
    }
    let id = format!("sample-{}", accounts.len() + 1);
    let account = json!({ "id": id, "email": text("email"), "name": text("name"), "address": null });
    accounts.insert(id.clone(), (account.clone(), text("password").to_owned()));
    begun(&account, &id)
}

async fn sign_in(State(accounts): State<Accounts>, Json(body): Json<Value>) -> Response {
    let accounts = accounts.lock();
    let fits = |entry: &&(Value, String)| entry.0["email"] == body["email"] && body["password"] == entry.1.as_str();
    match accounts.values().find(fits) {
        Some((account, _)) => begun(account, account["id"].as_str().unwrap_or_default()),
        None => {
            let message = "There is no account with this email and password.";
            refusal(StatusCode::UNAUTHORIZED, "bad_credentials", message, &[])
        }
    }
}

fn begun(account: &Value, session: &str) -> Response {
    let session = json!({ "token": session, "max_age": 3600 });
    (StatusCode::CREATED, Json(json!({ "account": account, "session": session }))).into_response()
}

async fn account(State(accounts): State<Accounts>, headers: HeaderMap) -> Response {
    change(&accounts, &headers, |_| {})
}

async fn save_profile(State(accounts): State<Accounts>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let wrong = profile_errors(&body);
    if !wrong.is_empty() {
        return invalid(&wrong);
    }
    change(&accounts, &headers, |account| {
        account["name"] = body["name"].clone();
        account["email"] = body["email"].clone();
    })
}

async fn save_address(State(accounts): State<Accounts>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let needed = [
        ("name", "Enter the name of who gets the parcel."),
        ("line1", "Enter a street and number."),
        ("postcode", "Enter a postcode."),
        ("city", "Enter a town or city."),
        ("country", "Choose a country."),
    ];
    let missing = needed.into_iter().filter(|(name, _)| body[name].as_str().is_none_or(|text| text.trim().is_empty()));
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        return invalid(&missing);
    }
    change(&accounts, &headers, |account| account["address"] = body.clone())
}

/// Changes the account of the request's session and answers with it.
fn change(accounts: &Accounts, headers: &HeaderMap, change: impl FnOnce(&mut Value)) -> Response {
    let session = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let mut accounts = accounts.lock();
    let Some((account, _)) = session.and_then(|session| accounts.get_mut(session)) else {
        return refusal(StatusCode::UNAUTHORIZED, "no_session", "Sign in first.", &[]);
    };
    change(account);
    Json(json!({ "account": account })).into_response()
}

async fn countries() -> Json<Value> {
    let named = [("AT", "Austria"), ("DE", "Germany"), ("NO", "Norway"), ("CH", "Switzerland")];
    let countries: Vec<_> = named.iter().map(|(code, name)| json!({ "code": code, "name": name })).collect();
    Json(json!({ "countries": countries }))
}

fn profile_errors(body: &Value) -> Vec<(&'static str, &'static str)> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().trim();
    let mut wrong = Vec::new();
    if text("name").is_empty() {
        wrong.push(("name", "Enter your name."));
    }
    if !text("email").contains('@') {
        wrong.push(("email", "Enter an email address like name@example.com."));
    }
    wrong
}

fn invalid(wrong: &[(&str, &str)]) -> Response {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Some fields need another look.", wrong)
}
