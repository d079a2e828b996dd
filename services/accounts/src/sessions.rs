//! Sessions: a random token that its owner keeps, of which we keep only the hash.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{SqliteConnection, SqlitePool};

use crate::error::Error;
use crate::profile::Account;

/// How long a session lasts, in seconds: 30 days.
const MAX_AGE: i64 = 30 * 24 * 60 * 60;

/// 32 random bytes, sent as base64url (RFC 4648, section 5). No one guesses it, so a plain hash hides it.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    fn new() -> Self {
        Self(rand::random())
    }

    fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

/// What is told once, to whoever signed in.
#[derive(Serialize)]
pub(crate) struct Session {
    token: String,
    expires_at: Timestamp,
    max_age: i64,
}

/// The account whose token came with the request; without one the request is refused.
pub(crate) struct SignedIn(pub(crate) Account);

/// A new session of an account, in place of the one that the browser had.
pub(crate) async fn start(
    connection: &mut SqliteConnection,
    account: &str,
    old: Option<Token>,
) -> Result<Session, Error> {
    if let Some(old) = old {
        end(connection, &old).await?;
    }
    let token = Token::new();
    let now = Timestamp::now().as_second();
    // Nobody asks for a session that is over, so this is when they are swept out.
    sqlx::query("DELETE FROM sessions WHERE expires_at <= ?1").bind(now).execute(&mut *connection).await?;
    let sql = "INSERT INTO sessions (token_hash, account, expires_at) VALUES (?, ?, ?)";
    let query = sqlx::query(sql).bind(token.hash()).bind(account).bind(now + MAX_AGE);
    query.execute(connection).await?;
    let expires_at = Timestamp::from_second(now + MAX_AGE).expect("30 days from now is within jiff's range");
    Ok(Session { token: token.text(), expires_at, max_age: MAX_AGE })
}

/// Ends a session, if there is one.
pub(crate) async fn end(connection: &mut SqliteConnection, token: &Token) -> Result<(), Error> {
    sqlx::query("DELETE FROM sessions WHERE token_hash = ?1").bind(token.hash()).execute(connection).await?;
    Ok(())
}

async fn owner(database: &SqlitePool, token: &Token) -> Result<Option<Account>, Error> {
    let sql = "SELECT a.id, a.email, a.name, a.address FROM sessions s JOIN accounts a ON a.id = s.account
               WHERE s.token_hash = ?1 AND s.expires_at > ?2";
    let query = sqlx::query(sql).bind(token.hash()).bind(Timestamp::now().as_second());
    query.fetch_optional(database).await?.map(|row| Account::from_row(&row)).transpose()
}

fn bearer(parts: &Parts) -> Option<Token> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    // The scheme's name is case-insensitive (RFC 9110, section 11.1).
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Token::parse(token.trim()))?
}

impl<S: Sync> OptionalFromRequestParts<S> for Token {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Error> {
        Ok(bearer(parts))
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn
where
    SqlitePool: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let token = bearer(parts).ok_or(Error::NoSession)?;
        let account = owner(&SqlitePool::from_ref(state), &token).await?;
        account.map(Self).ok_or(Error::NoSession)
    }
}
