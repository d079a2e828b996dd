//! Accounts: an email that no other account has, a name, and perhaps an address.

use jiff::Timestamp;
use serde::Serialize;
use service_kit::address::Address;
use service_kit::email::Email;
use service_kit::error::Fields;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use crate::error::Error;
use crate::passwords::Hash;

/// What is said when an email belongs to another account.
pub(crate) const TAKEN: &str = "There is already an account with this email.";

/// In characters.
const NAME_MAX: usize = 100;

/// Someone's account.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    email: Email,
    name: Name,
    address: Option<Address>,
}

/// What we call someone: one line of text.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Name(String);

impl Name {
    /// Reads what someone typed; the error is for them.
    pub(crate) fn parse(typed: &str) -> Result<Self, String> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err("Enter your name.".to_owned());
        }
        match typed.chars().count() <= NAME_MAX && !typed.chars().any(char::is_control) {
            true => Ok(Self(typed.to_owned())),
            false => Err(format!("Enter a name of at most {NAME_MAX} characters.")),
        }
    }
}

impl Account {
    /// Reads the columns `id`, `email`, `name` and `address`.
    pub(crate) fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        let email = Email::parse(row.try_get("email")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let address: Option<String> = row.try_get("address")?;
        let address = address.map(|json| serde_json::from_str(&json)).transpose()?;
        Ok(Self { id: row.try_get("id")?, email, name: Name(row.try_get("name")?), address })
    }
}

/// Whether an account has this email.
pub(crate) async fn is_taken(database: &SqlitePool, email: &Email) -> sqlx::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM accounts WHERE email_key = ?1)";
    sqlx::query_scalar(sql).bind(key(email.as_str())).fetch_one(database).await
}

/// A new account.
pub(crate) async fn create(
    connection: &mut SqliteConnection,
    email: Email,
    name: Name,
    password: Hash,
) -> Result<Account, Error> {
    let account = Account { id: Uuid::new_v4().to_string(), email, name, address: None };
    let sql = "INSERT INTO accounts (id, email, email_key, name, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)";
    let query = sqlx::query(sql).bind(&account.id).bind(account.email.as_str()).bind(key(account.email.as_str()));
    let query = query.bind(&account.name.0).bind(password.0).bind(Timestamp::now().to_string());
    query.execute(connection).await.map_err(taken)?;
    Ok(account)
}

/// The account with this email, as someone typed it, and its password's hash.
pub(crate) async fn find_by_email(database: &SqlitePool, typed: &str) -> Result<Option<(Account, Hash)>, Error> {
    let sql = "SELECT id, email, name, address, password_hash FROM accounts WHERE email_key = ?1";
    let row = sqlx::query(sql).bind(key(typed.trim())).fetch_optional(database).await?;
    row.map(|row| Ok((Account::from_row(&row)?, Hash(row.try_get("password_hash")?)))).transpose()
}

/// The account with another name and email.
pub(crate) async fn change(
    database: &SqlitePool,
    account: Account,
    email: Email,
    name: Name,
) -> Result<Account, Error> {
    let sql = "UPDATE accounts SET email = ?1, email_key = ?2, name = ?3 WHERE id = ?4";
    let query = sqlx::query(sql).bind(email.as_str()).bind(key(email.as_str())).bind(&name.0);
    query.bind(&account.id).execute(database).await.map_err(taken)?;
    Ok(Account { email, name, ..account })
}

/// The account with another address.
pub(crate) async fn move_to(database: &SqlitePool, account: Account, address: Address) -> Result<Account, Error> {
    let json = serde_json::to_string(&address)?;
    let sql = "UPDATE accounts SET address = ?1 WHERE id = ?2";
    sqlx::query(sql).bind(json).bind(&account.id).execute(database).await?;
    Ok(Account { address: Some(address), ..account })
}

fn key(email: &str) -> String {
    email.to_lowercase()
}

fn taken(error: sqlx::Error) -> Error {
    match error.as_database_error().is_some_and(|error| error.is_unique_violation()) {
        true => Error::Invalid(Fields::one("email", TAKEN)),
        false => error.into(),
    }
}
