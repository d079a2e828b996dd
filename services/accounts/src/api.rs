//! The endpoints of accounts. All speak JSON; errors have the shape of `service_kit::error`.
//!
//! | request | answer |
//! |---|---|
//! | `POST /accounts` `{"email","password","name"}` | 201 `{"account":Account,"session":{"token","expires_at","max_age"}}`, 422 |
//! | `POST /sessions` `{"email","password"}` | 201 as above, 401 `bad_credentials` |
//! | `GET /session` | 200 `{"account":Account}`, 401 `no_session` |
//! | `DELETE /session` | 204, also when there is none |
//! | `PUT /account` `{"name","email"}` | 200 `{"account":Account}`, 401, 422 |
//! | `PUT /account/address` Address | 200 `{"account":Account}`, 401, 422 |
//! | `GET /countries` | 200 `{"countries":[{"code","name"}]}` |
//!
//! Account is `{"id","email","name","address":Address|null}`, Address `{"name","line1","line2","postcode","city",
//! "country"}`. `session` and `account` are those of the token in `Authorization: Bearer <token>`; `max_age` is in seconds.
//! Who brings such a token to a sign-up or sign-in gets the new session in place of that one.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use service_kit::address::{self, COUNTRIES, Country};
use service_kit::database;
use service_kit::email::Email;
use service_kit::error::{Fields, with_fallbacks};
use service_kit::extract::Json;
use sqlx::SqlitePool;

use crate::error::Error;
use crate::passwords::{Password, Passwords};
use crate::profile::{self, Account, Name};
use crate::sessions::{self, Session, SignedIn, Token};

#[derive(Clone, FromRef)]
struct Accounts {
    database: SqlitePool,
    passwords: Passwords,
}

/// All endpoints, on `database`.
pub(crate) fn routes(database: SqlitePool, passwords: Passwords) -> Router {
    let router = Router::new()
        .route("/accounts", post(sign_up))
        .route("/sessions", post(sign_in))
        .route("/session", get(show_session).delete(sign_out))
        .route("/account", put(change_profile))
        .route("/account/address", put(change_address))
        .route("/countries", get(list_countries))
        .with_state(Accounts { database, passwords });
    with_fallbacks(router)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignUp {
    email: String,
    password: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignIn {
    email: String,
    password: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    name: String,
    email: String,
}

#[derive(Serialize)]
struct Entered {
    account: Account,
    session: Session,
}

#[derive(Serialize)]
struct Shown {
    account: Account,
}

#[derive(Serialize)]
struct Countries {
    countries: &'static [Country],
}

async fn sign_up(
    State(Accounts { database, passwords }): State<Accounts>,
    old: Option<Token>,
    Json(typed): Json<SignUp>,
) -> Result<(StatusCode, Json<Entered>), Error> {
    let mut fields = Fields::default();
    let email = fields.take("email", Email::parse(&typed.email));
    let password = fields.take("password", Password::parse(typed.password));
    let name = fields.take("name", Name::parse(&typed.name));
    if let Some(email) = &email
        && profile::is_taken(&database, email).await?
    {
        fields.add("email", profile::TAKEN);
    }
    match (email, password, name) {
        (Some(email), Some(password), Some(name)) if fields.is_empty() => {
            let hash = passwords.hash(password).await?;
            let mut transaction = database::write(&database).await?;
            let account = profile::create(&mut transaction, email, name, hash).await?;
            let session = sessions::start(&mut transaction, &account.id, old).await?;
            transaction.commit().await?;
            Ok((StatusCode::CREATED, Json(Entered { account, session })))
        }
        _ => Err(Error::Invalid(fields)),
    }
}

async fn sign_in(
    State(Accounts { database, passwords }): State<Accounts>,
    old: Option<Token>,
    Json(typed): Json<SignIn>,
) -> Result<(StatusCode, Json<Entered>), Error> {
    let found = profile::find_by_email(&database, &typed.email).await?;
    let (account, hash) = found.unzip();
    // Without an account there is a verification too, so that the time taken does not tell who has one.
    let is_right = passwords.verify(typed.password, hash).await?;
    let account = account.filter(|_| is_right).ok_or(Error::BadCredentials)?;
    let mut transaction = database::write(&database).await?;
    let session = sessions::start(&mut transaction, &account.id, old).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(Entered { account, session })))
}

async fn show_session(SignedIn(account): SignedIn) -> Json<Shown> {
    Json(Shown { account })
}

async fn sign_out(State(database): State<SqlitePool>, token: Option<Token>) -> Result<StatusCode, Error> {
    if let Some(token) = token {
        sessions::end(&mut *database.acquire().await?, &token).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn change_profile(
    SignedIn(account): SignedIn,
    State(database): State<SqlitePool>,
    Json(typed): Json<Profile>,
) -> Result<Json<Shown>, Error> {
    let mut fields = Fields::default();
    let email = fields.take("email", Email::parse(&typed.email));
    let name = fields.take("name", Name::parse(&typed.name));
    let (Some(email), Some(name)) = (email, name) else {
        return Err(Error::Invalid(fields));
    };
    let account = profile::change(&database, account, email, name).await?;
    Ok(Json(Shown { account }))
}

async fn change_address(
    SignedIn(account): SignedIn,
    State(database): State<SqlitePool>,
    Json(typed): Json<address::Typed>,
) -> Result<Json<Shown>, Error> {
    let address = typed.parse().map_err(Error::Invalid)?;
    let account = profile::move_to(&database, account, address).await?;
    Ok(Json(Shown { account }))
}

async fn list_countries() -> Json<Countries> {
    Json(Countries { countries: COUNTRIES })
}
